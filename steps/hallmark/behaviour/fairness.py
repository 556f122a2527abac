"""Whether the model treats groups alike: demographic parity, equalized odds, and errors by group.

The metrics are those of fairlearn (https://fairlearn.org, `fairlearn.metrics`): a difference is the highest rate less
the lowest over all groups, a ratio the lowest divided by the highest, and equalized odds the worse of true positive
and false positive rates. A group that is too small, or has no rows of one kind, is never passed over in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from hallmark.behaviour.intervals import REPEATS, rounded, wilson
from hallmark.behaviour.outcomes import Outcomes, by_row, require_known, require_limits_of
from hallmark.behaviour.segments import group_names
from hallmark.datasets import ROW
from hallmark.documents.rules_behaviour import RATES, Fairness
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.gate_report import Check
from hallmark.labels import canonical

Floats = npt.NDArray[np.float64]
Rates = dict[str, Floats]
"""By name; the last axis is the groups. NaN where a group has no row that the rate is a share of."""

_SEED = 20_260_101
_TP, _FN, _FP, _RIGHT, _WRONG = range(5)
"""What is counted of classes. Rows of other classes than the positive one, not taken for it, are right or wrong."""
_OF_CLASSES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy")
_OF_NUMBERS = ("mean_error", "mae")
_SPREAD_OF: dict[str, tuple[str, ...]] = {
    "demographic_parity": ("selection_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "equal_opportunity": ("true_positive_rate",),
    "accuracy": ("accuracy",),
    "mean_error": ("mean_error",),
    "mae": ("mae",),
}


@dataclass(frozen=True, kw_only=True)
class _Group:
    name: str
    rows: int
    values: tuple[float, ...]
    """Counts by the places above; or of numbers the mean error and its variance, the mean absolute error and its."""


def judge_fairness(groups: pl.DataFrame, found: Outcomes, rules: Fairness, *, where: str) -> Findings:
    """A check for each limit, and one for the groups that are compared.

    Figures: `fairness` [{columns, positive, rows, decide, left_out, groups: [{name, rows, positives, compared, rates,
    low, high}], metrics: [{name, rate, value, low, high, limit, held, lowest, highest}]}]. `positives` counts the rows
    of the positive class; `rate` is the one that sets the two groups furthest apart. `rates` holds selection_rate,
    true_positive_rate, false_positive_rate and accuracy, or mean_error and mae; null where there is none. `low` and
    `high` of a group are of its accuracy, or its mae. Intervals are 95 %; a difference's is a percentile bootstrap
    within the groups, and lies somewhat too high where the groups hardly differ: noise makes some difference.

    Args:
        groups: `row` and the columns; every row of `found`.
        where: the rule's place in the policy, e.g. `model.behaviour.fairness.0`.

    Raises:
        BadInputError: an unknown column or class, a limit of the other task, rows left out, fewer than two groups.
    """
    require_limits_of(found.task, rules.limits, where)
    require_known(rules.columns, [name for name in groups.columns if name != ROW], f"{where}.columns")
    every = _groups(_names(groups, found, rules, where), found, rules, where)
    small = {group.name: reason for group in every if (reason := _too_small(group, rules))}
    compared = [group for group in every if group.name not in small]
    if len(compared) < 2:
        raise BadInputError(
            f"{where} compares groups, but {len(compared)} of {len(every)} have enough rows",
            solution=f"provide more independent rows, name other columns, or lower {where}.minimumRows",
        )
    classes = found.task == "classification"
    generator = np.random.default_rng(_SEED)
    measured = _rates(np.array([_estimate(group, classes) for group in compared]), classes)
    drawn = _rates(np.stack([_drawn(group, generator, classes) for group in compared], axis=1), classes)
    by = " and ".join(rules.columns)
    checks, metrics = [_present(by, every, small, rules)], []
    for name, limit in rules.limits.items():
        metric = _metric(name, limit, measured, drawn, compared, rules)
        metrics.append(metric)
        checks.append(_check(metric, by, rules))
    shown = [name for name in (_OF_CLASSES if classes else _OF_NUMBERS) if classes is False or _told(name, rules)]
    figure = {
        "columns": list(rules.columns),
        "positive": rules.positive,
        "rows": found.height,
        "decide": rules.decide,
        "left_out": small,
        "groups": [_group_figure(group, classes, shown, group.name not in small) for group in every],
        "metrics": metrics,
    }
    return Findings(checks=tuple(checks), figures={"fairness": [figure]})


def _names(groups: pl.DataFrame, found: Outcomes, rules: Fairness, where: str) -> pl.Series:
    ordered = by_row(groups.select(ROW, *dict.fromkeys(rules.columns)), "the groups")
    ordered = ordered.join(found.rows.alias(ROW).to_frame(), on=ROW, how="semi", maintain_order="left")
    if ordered.height != found.height:
        raise BadInputError(
            f"the groups leave out {found.height - ordered.height} of {found.height} labelled rows",
            solution="hand over the results of one run",
        )
    return group_names(ordered, rules.columns, rules.edges, where)


def _told(rate: str, rules: Fairness) -> bool:
    return rate == "accuracy" or rules.positive is not None


def _groups(names: pl.Series, found: Outcomes, rules: Fairness, where: str) -> list[_Group]:
    """Every group that occurs, in the order of their names."""
    frame = pl.DataFrame({"group": names, "truth": found.truth, "told": found.predicted})
    truth, told = pl.col("truth"), pl.col("told")
    if found.task == "regression":
        error = told - truth
        values = [error.mean(), error.var(), error.abs().mean(), error.abs().var()]
    else:
        true = answered = pl.lit(value=False)
        if rules.positive is not None:
            positive = canonical([rules.positive])[0]
            require_known([positive], found.truth.unique().to_list(), f"{where}.positive", "class")
            true, answered = truth == positive, told == positive
        neither = ~true & ~answered
        kinds = [
            true & answered,
            true & ~answered,
            ~true & answered,
            neither & (truth == told),
            neither & (truth != told),
        ]
        values = [kind.cast(pl.UInt32).sum() for kind in kinds]
    named = [value.cast(pl.Float64).fill_null(0.0).alias(str(place)) for place, value in enumerate(values)]
    counted = frame.group_by("group").agg(pl.len().alias("rows"), *named).sort("group")
    return [_Group(name=name, rows=rows, values=tuple(values)) for name, rows, *values in counted.iter_rows()]


def _too_small(group: _Group, rules: Fairness) -> str:
    """Why a group cannot be compared; empty where it can."""
    if group.rows < rules.minimum_rows:
        return f"{group.rows} rows, fewer than {rules.minimum_rows}"
    of = {name.rpartition("_")[0] for name in rules.limits}
    if of & {"equalized_odds", "equal_opportunity"}:
        positives = round(group.values[_TP] + group.values[_FN])
        if positives < rules.minimum_cases:
            return f"{positives} rows of class {rules.positive}, fewer than {rules.minimum_cases}"
        others = group.rows - positives
        if "equalized_odds" in of and others < rules.minimum_cases:
            return f"{others} rows of another class than {rules.positive}, fewer than {rules.minimum_cases}"
    return ""


def _estimate(group: _Group, classes: bool) -> Floats:
    return np.array(group.values if classes else group.values[::2])


def _drawn(group: _Group, generator: np.random.Generator, classes: bool) -> Floats:
    """What other samples of the group's size might have given, `REPEATS` times.

    Of classes the bootstrap over its rows, for which the counts are enough; of numbers the means' normal distribution.
    """
    values = np.array(group.values)
    if classes:
        counts: Floats = generator.multinomial(group.rows, values / values.sum(), REPEATS).astype(np.float64)
        return counts
    return generator.normal(values[::2], np.sqrt(values[1::2] / group.rows), (REPEATS, 2))


def _rates(values: Floats, classes: bool) -> Rates:
    """The rates of the groups; the last axis of `values` is what `_Group.values` counts, without variances."""
    if not classes:
        return {"mean_error": values[..., 0], "mae": values[..., 1]}
    tp, fn, fp, right = (values[..., place] for place in (_TP, _FN, _FP, _RIGHT))
    rows = values.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return {
            "selection_rate": (tp + fp) / rows,
            "true_positive_rate": tp / (tp + fn),
            "false_positive_rate": fp / (rows - tp - fn),
            "accuracy": (tp + right) / rows,
        }


def _spread(metric: str, rates: Rates) -> Floats:
    """A metric over the groups (the last axis), of rates that no group lacks everywhere."""
    of, _, kind = metric.rpartition("_")
    found = [_apart(rates[name], kind) for name in _SPREAD_OF[of]]
    worst: Floats = np.max(found, axis=0) if kind == "difference" else np.min(found, axis=0)
    return worst


def _apart(rate: Floats, kind: str) -> Floats:
    """The difference or the ratio of the highest and the lowest group."""
    known = np.isfinite(rate)
    low = np.where(known, rate, np.inf).min(axis=-1)
    high = np.where(known, rate, -np.inf).max(axis=-1)
    none = ~known.any(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        if kind == "difference":
            return np.where(none, 0.0, high - low)
        return np.where(none | (high <= 0), 1.0, low / high)


def _metric(
    name: str, limit: float, measured: Rates, drawn: Rates, compared: list[_Group], rules: Fairness
) -> dict[str, Any]:
    of, _, kind = name.rpartition("_")
    if kind == "ratio" and any(measured[rate].max() <= 0 for rate in _SPREAD_OF[of]):
        raise BadInputError(
            f"{name} has no meaning: no group ever gets the answer {rules.positive} where it would count",
            solution=f"limit the {of}_difference instead, beside the accuracy",
        )
    value = float(_spread(name, measured))
    low, high = (float(bound) for bound in np.quantile(_spread(name, drawn), (0.025, 0.975)))
    # The bootstrap's percentiles need not hold what was measured.
    low, high = min(low, value), max(high, value)
    decisive = value if rules.decide == "estimate" else (high if kind == "difference" else low)
    apart = {rate: float(_apart(measured[rate], kind)) for rate in _SPREAD_OF[of]}
    rate = (max if kind == "difference" else min)(apart, key=lambda rate: apart[rate])
    widest = measured[rate]
    lowest, highest = compared[int(widest.argmin())].name, compared[int(widest.argmax())].name
    # Differences of shares are no exact numbers.
    held = decisive <= limit + 1e-12 if kind == "difference" else decisive >= limit - 1e-12
    return {
        "name": name, "rate": rate, "value": value, "low": low, "high": high, "limit": limit, "held": bool(held),
        "lowest": lowest, "highest": highest,
    }  # fmt: skip


def _check(metric: dict[str, Any], by: str, rules: Fairness) -> Check:
    name = metric["name"]
    most = "at least" if name.endswith("ratio") else "at most"
    bound = " by the interval's worse end" if rules.decide == "bound" else ""
    about = f" of {rules.positive}" if name in RATES else ""
    return Check(
        name=f"{name}{about} by {by}",
        passed=metric["held"],
        value=f"{metric['value']:.4g} (95 % interval {metric['low']:.4g} to {metric['high']:.4g};"
        f" lowest {metric['lowest']}, highest {metric['highest']})",
        limit=f"{most} {metric['limit']:g}{bound}",
        detail="the model treats these groups otherwise: look at its training data, features and threshold",
    )


def _present(by: str, every: list[_Group], small: dict[str, str], rules: Fairness) -> Check:
    absent = [name for name in rules.expected if name not in {group.name for group in every}]
    told = [f"missing: {', '.join(absent)}"] if absent else []
    told += [f"{name}: {reason}" for name, reason in small.items()]
    refused = bool(absent) or (bool(small) and rules.small == "refuse")
    left = " (left out)" if small and not refused else ""
    return Check(
        name=f"groups compared by {by}",
        passed=not refused,
        value=f"{len(every) - len(small)} of {len(every)}" + (f"; {'; '.join(told[:10])}{left}" if told else ""),
        limit="each group large enough" if rules.small == "refuse" else "small groups are left out",
        detail="provide independent rows of these groups: so few say nothing about how the model treats them",
    )


def _group_figure(group: _Group, classes: bool, shown: list[str], compared: bool) -> dict[str, Any]:
    rates = _rates(_estimate(group, classes), classes)
    if classes:
        right = np.array([group.values[_TP] + group.values[_RIGHT]])
        low, high = (float(bound[0]) for bound in wilson(right, np.array([float(group.rows)])))
    else:
        mae, width = group.values[2], 1.96 * float(np.sqrt(group.values[3] / group.rows))
        low, high = max(0.0, mae - width), mae + width
    return {
        "name": group.name,
        "rows": group.rows,
        "positives": round(group.values[_TP] + group.values[_FN]) if "true_positive_rate" in shown else None,
        "compared": compared,
        "rates": {name: rounded(float(rates[name])) for name in shown},
        "low": low,
        "high": high,
    }
