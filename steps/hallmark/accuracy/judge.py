"""Predictions held against the policy's limits, each metric with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from hallmark.accuracy import figures
from hallmark.accuracy.bootstrap import REPLICATES, Array, Estimate, estimates
from hallmark.accuracy.classes import Answers
from hallmark.accuracy.numbers import Numbers
from hallmark.documents.rules_model import OF_NUMBERS, OF_PROBABILITIES, OF_QUANTILES, AtLeast, AtMost, Limit
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.gate_report import Check
from hallmark.judgement import wilson_interval
from hallmark.verdict import Metric

_UNKNOWN = "the resamples are too few or all the same, so nothing is known of its bound"
_UNBOUNDED = frozenset({"log_loss", *OF_NUMBERS})
"""Metrics that have no worst value, so that nothing can be said of rows that were not seen."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """How good the predictions are."""

    findings: Findings
    """A check for each limit, at least one; figures for the page."""
    metrics: dict[str, Metric]
    """All that can be told of these predictions, those without a limit too."""
    said: str
    """In one sentence, if they are good enough."""
    accuracy: str
    """As a result of the task: empty where there are no classes."""


def judge_classes(answers: Answers, limits: Mapping[str, Limit]) -> Judged:
    """How well the classes were told, and how good the probabilities are.

    Intervals are bootstrap percentiles, but Wilson's for the accuracy. Where no resample differs from another, because
    nothing was told wrong, a share's interval is Wilson's for the rows of the rarest class.

    Raises:
        BadInputError: a limit is of a metric that these predictions do not have.
    """
    missing = [name for name in limits if name in OF_PROBABILITIES and answers.probabilities is None]
    if missing:
        raise BadInputError(
            f"the policy limits {', '.join(missing)}, which needs probabilities, and the model gives none",
            solution="deliver a model that has predict_proba, or let the policy's owners limit other metrics",
        )
    found = {name: _widened(name, estimate, answers) for name, estimate in estimates(answers).items()}
    right = int((answers.truth == answers.predicted).sum())
    low, high = wilson_interval(right, answers.rows)
    found["accuracy"] = replace(found["accuracy"], low=low, high=high)
    judged = _judged(found, limits, answers.rows, {"accuracy": f"{right} of {answers.rows}; "})
    accuracy = judged.metrics["accuracy"]
    findings = replace(judged.findings, figures={**judged.findings.figures, **figures.of_classes(answers)})
    return replace(judged, findings=findings, accuracy=f"{accuracy.value:.6g}")


def judge_numbers(sample: Numbers, limits: Mapping[str, Limit]) -> Judged:
    """How far the predicted numbers are from the true ones; only what the policy limits can refuse.

    Intervals are bootstrap percentiles, but Wilson's for the quantiles' coverage.

    Raises:
        BadInputError: labels that are all the same, or a limit of quantiles that the model does not give.
    """
    missing = [name for name in limits if name in OF_QUANTILES and not sample.quantiles]
    if missing:
        raise BadInputError(
            f"the policy limits {', '.join(missing)}, which needs quantiles, and hallmark.yaml declares none",
            solution="deliver a model that gives model.quantiles, or let the policy's owners limit other metrics",
        )
    if sample.truth.min() == sample.truth.max():
        raise BadInputError(
            "the independent labels are all the same number, so nothing can be said of predictions",
            solution="provide independent data whose label varies",
        )
    found, counted = estimates(sample), {}
    if sample.quantiles:
        inside = int(sample.covered.sum())
        low, high = wilson_interval(inside, sample.rows)
        found["coverage"] = replace(found["coverage"], low=low, high=high)
        promised = max(sample.quantiles) - min(sample.quantiles)
        counted = {"coverage": f"{inside} of {sample.rows}, {promised:.4g} are promised; "}
    judged = _judged(found, limits, sample.rows, counted)
    findings = replace(judged.findings, figures={**judged.findings.figures, **figures.of_numbers(sample)})
    return replace(judged, findings=findings)


def numbers(texts: Iterable[str], what: str) -> Array:
    """Canonical labels as finite numbers.

    Raises:
        BadInputError: one of them is none.
    """
    try:
        found = np.array([float(text) for text in texts])
    except ValueError:
        found = np.array([math.nan])
    if not np.isfinite(found).all():
        raise BadInputError(
            f"{what} is no finite number, which a regression needs",
            solution="correct data.independent.label in the policy, or let hallmark.yaml say `task: classification`",
        )
    return found


def _widened(name: str, found: Estimate, answers: Answers) -> Estimate:
    """Resamples of rows that hold no error hold none either: then few rows would seem to show as much as many."""
    if found.low < found.high or name in _UNBOUNDED:
        return found
    rarest = int(np.bincount(answers.truth)[np.unique(answers.truth)].min())
    low, _ = wilson_interval(rarest, rarest)
    if found.value >= 0.5:
        return replace(found, low=found.value * low)
    return replace(found, high=found.value + (1 - low))


def _judged(
    found: Mapping[str, Estimate], limits: Mapping[str, Limit], rows: int, counted: Mapping[str, str]
) -> Judged:
    unknown = [name for name in limits if name not in found]
    if unknown or not limits:
        raise BadInputError(
            f"the independent data has no {', '.join(unknown) or 'metric'} that could be held against its limit",
            solution="provide independent data that has rows of every class",
        )
    metrics = {name: metric_of(estimate, limits.get(name)) for name, estimate in found.items()}
    checks = [
        check
        for name, limit in limits.items()
        for check in _checks(name, found[name], metrics[name], limit, rows, counted.get(name, ""))
    ]
    asked = "; ".join(f"{name} {metrics[name].value:.6g} ({asked_of(metrics[name])})" for name in limits)
    return Judged(
        findings=Findings(
            checks=tuple(checks),
            figures={"metrics": [{"name": name, **metric.model_dump()} for name, metric in metrics.items()]},
        ),
        metrics=metrics,
        said=f"{asked} on {rows} rows that the maker never had",
        accuracy="",
    )


def metric_of(estimate: Estimate, limit: Limit | None) -> Metric:
    """As it stands in the verdict."""
    return Metric(
        value=estimate.value,
        minimum=limit.minimum if isinstance(limit, AtLeast) else None,
        maximum=limit.maximum if isinstance(limit, AtMost) else None,
        low=estimate.low,
        high=estimate.high,
        decide=limit.decide if limit else "estimate",
    )


def asked_of(metric: Metric) -> str:
    """The limit in words."""
    limit = f"at most {metric.maximum:g}" if metric.minimum is None else f"at least {metric.minimum:g}"
    end = "lower" if metric.minimum is not None else "upper"
    return limit if metric.decide == "estimate" else f"{limit} at the interval's {end} end"


def _checks(name: str, estimate: Estimate, metric: Metric, limit: Limit, rows: int, counted: str) -> Iterator[Check]:
    value = f"{metric.value:.6g} ({counted}95 % interval {_short(metric.low)} to {_short(metric.high)})"
    known = metric.low < metric.high and 2 * estimate.left_out <= REPLICATES
    shown = metric.decide == "estimate" or known
    left_out = f"{estimate.left_out} of {REPLICATES} resamples have no {name}, for want of a class or of other labels"
    yield Check(
        name=name,
        passed=metric.held and shown,
        value=value if shown else f"{value}; {_UNKNOWN}",
        limit=asked_of(metric),
        detail=left_out if estimate.left_out else "",
    )
    if limit.precision is not None:
        yield _precision(name, estimate.half_width, limit.precision, rows, known=known)


def _precision(name: str, half_width: float, precision: float, rows: int, *, known: bool) -> Check:
    """Whether the data can support a verdict: intervals get narrower by the root of the rows."""
    if not known:
        return Check(name=f"precision of {name}", passed=False, value=_UNKNOWN, limit=f"± {precision:g}")
    needed = math.ceil(min(rows * (half_width / precision) ** 2, 1e15))
    return Check(
        name=f"precision of {name}",
        passed=half_width <= precision,
        value=f"± {half_width:.4g} on {rows} rows",
        limit=f"± {precision:g}",
        detail=f"about {needed} rows would be needed: provide more independent data",
    )


def _short(number: float) -> str:
    return f"{number:.4f}" if abs(number) <= 10 else f"{number:.4g}"
