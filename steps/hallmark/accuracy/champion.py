"""The candidate against the champion, the model in production, on the same rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hallmark.accuracy.bootstrap import Array, Measure, Values, measure, replicate, values
from hallmark.accuracy.classes import Answers
from hallmark.accuracy.numbers import Numbers
from hallmark.documents.rules_model import AT_MOST, OF_PROBABILITIES, Champion
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.gate_report import Check
from hallmark.judgement import needed_by_ratio

NAME = "champion"
_SHARES = frozenset({"accuracy", "balanced_accuracy", "f1", "precision", "recall", "roc_auc", "pr_auc"})
"""Metrics that no model can have above 1."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The difference is the candidate's gain: above 0 where the candidate is better, whatever the metric."""

    candidate: float
    champion: float
    difference: float
    low: float
    """Lower bound of the difference's 95 % interval, by the paired bootstrap."""
    high: float
    p: float
    """Of the one-sided test that the candidate is not better than the champion less the margin (without one, 0)."""
    test: str


def judge_champion(
    candidate: Answers | Numbers,
    champion: Answers | Numbers | None,
    rules: Champion,
    reference: str = "",
    *,
    same: bool = False,
) -> Findings:
    """Whether the candidate may take the champion's place.

    Args:
        candidate, champion: what both said of the same rows, in the same order; None: nothing is in production yet.
        reference: what the champion is called in the report, such as its image's digest.
        same: the candidate is the champion, byte for byte: it takes nobody's place, so that nothing is asked of it.

    Returns:
        One check; `figures` has `champion` [{metric, rule, candidate, champion, difference, low, high, p, test, limit,
        passed, reference}], empty values where there is no champion.

    Raises:
        BadInputError: the rows are not the same, or one of the two has no such metric.
    """
    if champion is None:
        limit = "a first delivery is allowed" if rules.first == "allow" else "a champion to compare with"
        check = Check(
            name=NAME,
            passed=rules.first == "allow",
            value="nothing is in production yet",
            limit=limit,
            detail="let the policy's owners say `first: allow` for a first delivery",
        )
        return Findings(checks=(check,), figures={NAME: [{"metric": rules.metric, "passed": check.passed}]})
    found = compare(candidate, champion, rules.metric, rules.margin or 0.0)
    check = _by_ratio(found, rules) if rules.rule == "ratio" else _by_test(found, rules)
    if same:
        check = replace(check, passed=True, limit="none: the candidate is the model in production itself", detail="")
    figure = {
        "metric": rules.metric,
        "rule": rules.rule,
        **{name: getattr(found, name) for name in ("candidate", "champion", "difference", "low", "high", "p", "test")},
        "limit": check.limit,
        "passed": check.passed,
        "reference": reference,
    }
    return Findings(checks=(check,), figures={NAME: [figure]})


def compare(candidate: Answers | Numbers, champion: Answers | Numbers, metric: str, margin: float) -> Comparison:
    """Both values, their difference and how sure it is; `judge_champion` has the arguments.

    The accuracy is tested by McNemar's exact test with mid-p (M. W. Fagerland and others, BMC Medical Research
    Methodology 13, 2013, 91), or with a margin by Tango's score test (T. Tango, Statistics in Medicine 17, 1998,
    p. 891); other metrics by the paired bootstrap, which draws the same rows for both.
    """
    if candidate.rows != champion.rows or not _same(candidate, champion):
        raise BadInputError(
            "candidate and champion were not judged on the same labels", solution="predict the same rows with both"
        )
    pair = _Pair(candidate=candidate, champion=champion, metric=metric)
    both = [values(side).get(metric, math.nan) for side in (candidate, champion)]
    for who, value in zip(("the candidate", "the champion"), both, strict=True):
        if math.isnan(value):
            needed = ", which needs probabilities" if metric in OF_PROBABILITIES else ""
            raise BadInputError(
                f"{who} has no {metric}{needed}",
                solution="let the policy's owners name another metric in model.champion.metric",
            )
    again = replicate(pair)["difference"]
    again = again[~np.isnan(again)]
    difference = values(pair)["difference"]
    low, high = (float(bound) for bound in np.quantile(again, (0.025, 0.975)))
    if metric == "accuracy" and isinstance(candidate, Answers) and isinstance(champion, Answers):
        p, test = _of_shares(candidate, champion, margin)
    else:
        p, test = _of_resamples(again, margin, candidate.rows, metric), "paired bootstrap"
    return Comparison(
        candidate=both[0],
        champion=both[1],
        difference=difference,
        low=min(low, difference),
        high=max(high, difference),
        p=p,
        test=test,
    )


def mcnemar(better: int, worse: int) -> float:
    """One-sided mid-p: the chance of as many rows that only the candidate told right, if only chance chose.

    Args:
        better, worse: rows that only the candidate, only the champion told right.

    >>> round(mcnemar(8, 2), 6), mcnemar(0, 0)
    (0.032715, 0.5)
    """
    total = better + worse
    if total > 1000:
        # The normal approximation to mid-p needs no continuity correction.
        return 1 - NormalDist().cdf((better - worse) / math.sqrt(total))
    above = sum(math.comb(total, count) for count in range(better + 1, total + 1))
    return float((above + math.comb(total, better) / 2) / (1 << total))


def tango(better: int, worse: int, rows: int, margin: float) -> float:
    """One-sided p of the score test that the candidate's accuracy is not above the champion's less `margin` > 0.

    >>> round(tango(0, 0, 100, 0.05), 5)
    0.01089
    """
    total, linear = 2 * rows, -better - worse - (2 * rows - better + worse) * margin
    constant = worse * margin * (margin + 1)
    root = math.sqrt(max(0.0, linear * linear - 4 * total * constant))
    share = (root - linear) / (2 * total)
    variance = rows * (2 * share - margin * (margin + 1))
    gain = better - worse + rows * margin
    if variance <= 0:
        return 0.0 if gain > 0 else 1.0
    return 1 - NormalDist().cdf(gain / math.sqrt(variance))


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """The difference of a metric between two models on the same rows."""

    candidate: Answers | Numbers
    champion: Answers | Numbers
    metric: str

    @property
    def rows(self) -> int:
        return self.candidate.rows

    @property
    def rankings(self) -> int:
        return self.candidate.rankings + self.champion.rankings

    def take(self, rows: NDArray[np.intp]) -> _Pair:
        return _Pair(candidate=self.candidate.take(rows), champion=self.champion.take(rows), metric=self.metric)

    def parts(self, only: str | None = None) -> Iterator[Measure]:
        """The one difference."""
        sign = -1 if self.metric in AT_MOST else 1
        candidate, champion = (measure(side, self.metric) for side in (self.candidate, self.champion))

        def difference(counts: Array) -> Values:
            return {"difference": sign * (candidate(counts)[self.metric] - champion(counts)[self.metric])}

        yield difference


def _same(candidate: Answers | Numbers, champion: Answers | Numbers) -> bool:
    if isinstance(candidate, Answers) and isinstance(champion, Answers):
        names = [np.array(side.classes, dtype=object)[side.truth] for side in (candidate, champion)]
        return bool((names[0] == names[1]).all())
    if isinstance(candidate, Numbers) and isinstance(champion, Numbers):
        return bool((candidate.truth == champion.truth).all())
    return False


def _of_shares(candidate: Answers, champion: Answers, margin: float) -> tuple[float, str]:
    right, other = candidate.predicted == candidate.truth, champion.predicted == champion.truth
    better, worse = int((right & ~other).sum()), int((~right & other).sum())
    if margin:
        return tango(better, worse, candidate.rows, margin), "Tango's score test"
    return mcnemar(better, worse), "McNemar's exact test, mid-p"


def _of_resamples(again: Array, margin: float, rows: int, metric: str) -> float:
    """The share of resamples in which the candidate is worse by the margin or more, half of those that are just that.

    Where no resample differs from another, the rows show only that two models that differ in a share of `margin` of all
    rows would have been told apart in so many.
    """
    worse, just = (again < -margin).sum(), (again == -margin).sum()
    p = float((worse + just / 2 + 1) / (len(again) + 1))
    if again.min() == again.max() and metric in _SHARES and margin < 1:
        return min(1.0, max(p, (1 - margin) ** rows))
    return min(1.0, p)


def _by_ratio(found: Comparison, rules: Champion) -> Check:
    less = rules.metric in AT_MOST
    needed = needed_by_ratio(found.champion, rules.ratio, less_is_better=less)
    passed, word = (found.candidate <= needed, "at most") if less else (found.candidate >= needed, "at least")
    out_of_reach = rules.metric in _SHARES and needed > 1
    return Check(
        name=NAME,
        passed=passed,
        value=_said(found, rules.metric),
        limit=f"{word} {needed:.6g}, which is {rules.ratio:g} x better than the champion's",
        detail="no model can reach that: let the policy's owners choose `rule: non-inferiority`"
        if out_of_reach
        else "",
    )


def _by_test(found: Comparison, rules: Champion) -> Check:
    margin = rules.margin or 0.0
    claim = f"shown to be no more than {margin:g} worse" if margin else "shown to be better"
    # More rows narrow the interval; they do not move the value itself.
    keeps = found.difference > -margin
    return Check(
        name=NAME,
        passed=found.p < rules.alpha,
        value=_said(found, rules.metric),
        limit=f"{claim} (p below {rules.alpha:g})",
        detail="more independent rows show smaller differences"
        if keeps
        else "improve the model or its data: the value itself misses what is asked for",
    )


def _said(found: Comparison, metric: str) -> str:
    return (
        f"{metric} {found.candidate:.6g}, the champion's {found.champion:.6g}; gain {found.difference:+.4g}"
        f" (95 % interval {found.low:+.4g} to {found.high:+.4g}; p = {found.p:.3g} by {found.test})"
    )
