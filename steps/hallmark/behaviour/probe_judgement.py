"""Judges the answers to changed rows against the answers to the same rows unchanged.

No test that was asked for is left out: one without its rows in the key is bad input, and a row without an answer
counts as a wrong and a changed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from hallmark.behaviour.answers import NEAR_ZERO, Answered, Bools, answered, close, with_nan
from hallmark.behaviour.explanations import judge_explanations
from hallmark.behaviour.importance import judge_importance
from hallmark.behaviour.intervals import mean_interval, ratio_interval, rounded, wilson
from hallmark.behaviour.mixtures import STEP, WALK
from hallmark.behaviour.outcomes import Floats, Outcomes, by_row, require_known, require_limits_of
from hallmark.behaviour.plan import Trial, planned
from hallmark.behaviour.probes import TEST
from hallmark.documents.rules_behaviour import Behaviour, Declared, Determinism, Directional, Invariance, Robust
from hallmark.documents.rules_quality import FailingRows
from hallmark.errors import BadInputError
from hallmark.findings import Findings, together
from hallmark.gate_report import Check
from hallmark.labels import canonical

_SEED = 20_260_101


def judge_probes(
    key: pl.DataFrame,
    predictions: pl.DataFrame,
    found: Outcomes,
    rules: Behaviour,
    *,
    features: Sequence[str],
    own: Declared | None = None,
    offered: Sequence[str] = (),
    table: pl.DataFrame | None = None,
    numbers: pl.DataFrame | None = None,
    shown: FailingRows | None = None,
) -> Findings:
    """Every test of `hallmark.behaviour.plan.planned`; the rules and columns have to be those the rows were made with.

    Figures: `robustness` [{test, rows, unanswered, measure, before, after, value, low, high, changed, changed_low,
    changed_high, limits, passed}] (`value`: accuracy lost, or the mean absolute error's ratio), `declared` [{test,
    kind, by, rows, held, share, low, high, minimum, passed, untouched}], `determinism` {rows, differ}, and
    `importances` (`judge_importance`). Numbers that have no bound are null.

    Args:
        key: {row, base, test}, as `make_probes` wrote it.
        predictions: {row, prediction, perhaps `probability:<class>`} for the rows of `found` and of `key`, no others.
        found: the labelled rows with their answers, which are of `predictions` too.

    Raises:
        BadInputError: rows that do not fit together, a test without rows, an unknown class, or a limit or class that
            has no meaning for the task.
    """
    trials = planned(rules, features, own=own, offered=offered)
    key = by_row(key, "the probes' key")
    answers = list(answered(key, predictions, found, trials))
    parts = [_untouched(trial) for trial in trials if not trial.columns and trial.untouched]
    by_kind: dict[str, list[Answered]] = {}
    for answer in answers:
        by_kind.setdefault(answer.trial.kind, []).append(answer)
        if isinstance(answer.trial.rule, Determinism):
            parts.append(_determinism(answer, answer.trial.rule))
        elif isinstance(answer.trial.rule, Robust):
            parts.append(_robust(answer, answer.trial.rule))
        elif isinstance(answer.trial.rule, Invariance):
            holds = ~answer.differs(answer.trial.rule.tolerance)
            parts.append(_declared(answer, answer.trial.rule, holds, "the answer stays"))
        elif isinstance(answer.trial.rule, Directional):
            rule = answer.trial.rule
            parts.append(_declared(answer, rule, _directional(answer, rule, found), f"the answer never {rule.never}"))
    if "importance" in by_kind:
        scored = [(_single(answer), _losses(answer, found), answer.base) for answer in by_kind["importance"]]
        parts.append(judge_importance(scored, rules.importance, measure="accuracy" if found.task == "classification"
                                      else "r2"))  # fmt: skip
    for answer in by_kind.get("explanations", []):
        mine, place = _walks(key, answer)
        parts.append(judge_explanations(
            answer.only(place), mine, predictions, found, features, table=table, numbers=numbers, shown=shown
        ))  # fmt: skip
    return together(parts)


def _walks(key: pl.DataFrame, answer: Answered) -> tuple[pl.DataFrame, npt.NDArray[np.int64]]:
    """The key of the mixed rows, step by step, walk by walk, and the place of each among the answers."""
    if WALK not in key.columns:
        raise BadInputError("the probes' key tells nothing of the explanations' walks", solution="start a new run")
    mine = key.filter(pl.col(TEST) == answer.trial.name).with_row_index("\0place").sort(WALK, STEP)
    return mine, mine["\0place"].cast(pl.Int64).to_numpy()


def _determinism(answer: Answered, rule: Determinism) -> Findings:
    other = answer.differs(rule.tolerance)
    for before, after in answer.probabilities.values():
        other = other | ~close(before, after, rule.tolerance)
    differ = int(other.sum())
    check = Check(
        name="the same row gets the same answer",
        passed=differ == 0,
        value=f"{differ} of {answer.rows} repeated rows are answered otherwise",
        limit="none",
        detail="seed what is random in the model; an answer must not depend on the rows beside it",
    )
    return Findings(checks=(check,), figures={"determinism": {"rows": answer.rows, "differ": differ}})


def _robust(answer: Answered, rule: Robust) -> Findings:
    limits = {name: getattr(rule, name) for name in ("maximum_drop", "maximum_changed", "maximum_error_ratio")}
    limits = {name: limit for name, limit in limits.items() if limit is not None}
    require_limits_of(answer.task, limits, f"model.behaviour.robustness.{answer.trial.kind}")
    figure: dict[str, Any] = {
        "test": answer.trial.name, "rows": answer.rows, "unanswered": answer.unanswered, "limits": limits,
    }  # fmt: skip
    checks = [
        Check(
            name=f"robust to {answer.trial.kind}: an answer for each row",
            passed=answer.unanswered == 0,
            value=f"none for {answer.unanswered} of {answer.rows} changed rows",
            limit="an answer for each",
        )
    ]
    generator = np.random.default_rng(_SEED)
    if answer.task == "classification":
        right = (answer.truth == answer.before).cast(pl.Float64).to_numpy()
        after = (answer.truth == answer.after).fill_null(value=False).cast(pl.Float64).to_numpy()
        drop, (low, high) = float((right - after).mean()), mean_interval(right - after, generator)
        changed = int(answer.differs(0.0).sum())
        bounds = [float(bound[0]) for bound in wilson(np.array([float(changed)]), np.array([float(answer.rows)]))]
        figure |= {
            "measure": "accuracy", "before": float(right.mean()), "after": float(after.mean()),
            "value": drop, "low": low, "high": high,
            "changed": changed / answer.rows, "changed_low": bounds[0], "changed_high": bounds[1],
        }  # fmt: skip
        found = {"maximum_drop": (drop, high), "maximum_changed": (changed / answer.rows, bounds[1])}
    else:
        error = (answer.before - answer.truth).abs().to_numpy()
        later = np.abs(with_nan(answer.after) - answer.truth.to_numpy())
        # Without an answer, or without any error before, there is no ratio, and no limit holds.
        whole = bool(np.isfinite(later).all())
        ratio = _ratio(error, later) if whole else float("inf")
        interval = ratio_interval(later, error, generator) if whole and np.isfinite(ratio) else None
        low, high = interval or (float("nan"), float("inf"))
        figure |= {
            "measure": "mae", "before": float(error.mean()), "after": rounded(float(later.mean())),
            "value": rounded(ratio), "low": rounded(low), "high": rounded(high),
        }  # fmt: skip
        found = {"maximum_error_ratio": (ratio, high)}
    checks += [_limited(name, limit, *found[name], answer, rule) for name, limit in limits.items()]
    figure["passed"] = all(check.passed for check in checks)
    return Findings(checks=tuple(checks), figures={"robustness": [figure]})


def _ratio(before: Floats, after: Floats) -> float:
    if before.mean() > 0:
        return float(after.mean() / before.mean())
    return 1.0 if after.mean() == 0 else float("inf")


def _limited(name: str, limit: float, value: float, high: float, answer: Answered, rule: Robust) -> Check:
    what = {
        "maximum_drop": "accuracy lost",
        "maximum_changed": "share of answers changed",
        "maximum_error_ratio": "mean absolute error, divided by that before",
    }[name]
    decisive = value if rule.decide == "estimate" else high
    return Check(
        name=f"robust to {answer.trial.kind}: {what}",
        # Shares are no exact numbers.
        passed=decisive <= limit + 1e-12,
        value=f"{value:.4g} (95 % interval up to {high:.4g}; {answer.rows} rows)",
        limit=f"at most {limit:g}" + (" by the interval's upper end" if rule.decide == "bound" else ""),
        detail="train with such rows, or leave out what the model should not lean on",
    )


def _directional(answer: Answered, rule: Directional, found: Outcomes) -> Bools:
    """For which rows the answer does not go the wrong way."""
    if found.task == "regression":
        if rule.of_class is not None:
            raise BadInputError(
                f"the test {answer.trial.name!r} names a class, which a regression has not", solution="take it away"
            )
        before, after = answer.before.to_numpy(), with_nan(answer.after)
        slack = np.maximum(rule.tolerance * np.maximum(np.abs(before), np.abs(after)), NEAR_ZERO)
    else:
        if rule.of_class is None:
            raise BadInputError(
                f"the test {answer.trial.name!r} names no class, so nothing can fall or rise", solution="name `class`"
            )
        name = canonical([rule.of_class])[0]
        known = {*found.truth.unique().to_list(), *answer.probabilities}
        require_known([name], known, f"the test {answer.trial.name!r}", "class")
        before = (answer.before == name).cast(pl.Float64).to_numpy()
        after = with_nan((answer.after == name).cast(pl.Float64))
        slack = np.full(len(before), rule.tolerance)
        if answer.probabilities:
            require_known([name], answer.probabilities, f"the test {answer.trial.name!r}", "class")
            # Nothing makes a model's probabilities agree with its answers: those that never move would hide any answer.
            sure = _keeps(*answer.probabilities[name], slack, rule)
            return sure & _keeps(before, after, np.zeros(len(before)), rule)
    return _keeps(before, after, slack, rule)


def _keeps(before: Floats, after: Floats, slack: Floats, rule: Directional) -> Bools:
    step = after - before if rule.never == "falls" else before - after
    return np.asarray(step >= -slack)


def _declared(answer: Answered, rule: Invariance | Directional, holds: Bools, what: str) -> Findings:
    held = int(holds.sum())
    low, high = (float(bound[0]) for bound in wilson(np.array([float(held)]), np.array([float(answer.rows)])))
    share = held / answer.rows
    passed = (share if rule.decide == "estimate" else low) >= rule.minimum_share - 1e-12
    check = Check(
        name=answer.trial.name,
        passed=passed,
        value=f"{what} for {held} of {answer.rows} rows ({share:.4g}; 95 % interval {low:.4g} to {high:.4g})",
        limit=f"at least {rule.minimum_share:g}" + (" by the interval's lower end" if rule.decide == "bound" else ""),
        detail="changed: " + ", ".join(answer.trial.columns),
    )
    return Findings(checks=(check,), figures={"declared": [{
        "test": answer.trial.name, "kind": answer.trial.kind, "by": answer.trial.by, "rows": answer.rows, "held": held,
        "share": share, "low": low, "high": high, "minimum": rule.minimum_share, "passed": passed,
        "untouched": list(answer.trial.untouched),
    }]})  # fmt: skip


def _untouched(trial: Trial) -> Findings:
    """A test of columns that the model is not given: no answer can depend on them."""
    check = Check(
        name=trial.name, passed=True, value=f"the model is not given {', '.join(trial.untouched)}", limit="no influence"
    )
    return Findings(checks=(check,))


def _single(answer: Answered) -> str:
    (feature,) = answer.trial.columns
    return feature


def _losses(answer: Answered, found: Outcomes) -> Floats:
    """What each row adds to the score that is lost: of accuracy, or of R², whose scale is the labels' variance."""
    if answer.unanswered:
        raise BadInputError(
            f"the model gave no answer to {answer.unanswered} rows of the test {answer.trial.name!r}",
            solution="start a new run; if it stays so, the model cannot be judged",
        )
    if found.task == "classification":
        right = (answer.truth == answer.before).cast(pl.Float64) - (answer.truth == answer.after).cast(pl.Float64)
        return right.to_numpy()
    truth = found.truth.to_numpy()
    variance = float(np.square(truth - truth.mean()).mean())
    if not variance > 0:
        raise BadInputError(
            "the independent labels are all the same number, so no feature can matter",
            solution="provide independent data whose label varies",
        )
    return ((answer.after - answer.truth) ** 2 - (answer.before - answer.truth) ** 2).to_numpy() / variance
