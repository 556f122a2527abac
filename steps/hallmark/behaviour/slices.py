"""The weakest segments of the rows, found by looking at every value (or range) of one and of two columns.

Among hundreds of small slices some look weak by chance. So each is tested against its rest (Fisher's exact test for
classes, Welch's for numbers) and is called weak only if that holds after S. Holm's correction over all slices that
were looked at. The search counts rows in arrays, a pair of columns at a time: nothing of it grows with the values.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from hallmark.behaviour.cells import Cells, Ints, Scores, counted, joined, large, variance_of
from hallmark.behaviour.intervals import binomial_tail, hypergeometric_tail, rounded, student_quantile, welch, wilson
from hallmark.behaviour.outcomes import Floats, Outcomes, by_row, require_known, require_limits_of
from hallmark.behaviour.segments import Segments, segments
from hallmark.datasets import ROW
from hallmark.documents.rules_behaviour import Slices
from hallmark.drift.statistics import adjusted
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.gate_report import Check

_LISTED = 10


def judge_slices(
    table: pl.DataFrame, found: Outcomes, rules: Slices, *, where: str = "model.behaviour.slices"
) -> Findings:
    """A check for each limit, over all slices.

    Figures: `slices` {measure, rows, value, looked, weak, refused, tested_pairs, all_pairs, minimum_rows,
    minimum_share, limits, decide, significance, weakest: [{name, rows, share, value, low, high, gap, p, weak,
    refused}]}. `value` is the accuracy, or the mean absolute error; `gap` how much worse than all rows; `p` is
    adjusted; `low` and `high` are of the slice by itself. Slices that any limit refuses come first; `weak` and
    `refused` of all count those that are not listed too.

    Args:
        table: `row`, features and group columns; every row of `found`.

    Raises:
        BadInputError: an unknown column, a limit of the other task, rows left out, or no slice that is large enough.
    """
    limits = _limits(rules, found)
    known = [name for name in table.columns if name != ROW]
    columns = rules.columns or known
    require_known(columns, known, f"{where}.columns")
    parts = [
        segments(values, bins=rules.bins, maximum_values=rules.maximum_values)
        for values in _values(table, columns, found)
    ]
    scores, fewest = Scores.of(found), max(rules.minimum_rows, rules.minimum_share * found.height)
    singles = joined(counted([part], [place], scores) for place, part in enumerate(parts))
    singles = large(singles, fewest, found.height)
    pairs = _pairs(singles, scores.values, found) if rules.depth == 2 else []
    looked = pairs[: rules.maximum_pairs]
    doubles = (large(counted([parts[a], parts[b]], [a, b], scores), fewest, found.height) for a, b in looked)
    cells = joined([singles, *doubles])
    if not len(cells):
        raise BadInputError(
            f"no slice of the {found.height} rows has {int(np.ceil(fewest))} rows, so none can be judged",
            solution=f"lower {where}.minimumRows, or name columns with few values in {where}.columns",
        )
    return _judged(cells, parts, found, rules, limits, (len(looked), len(pairs)))


def _limits(rules: Slices, found: Outcomes) -> dict[str, float]:
    named = {name: getattr(rules, name) for name in ("minimum", "maximum_gap", "maximum_error", "maximum_ratio")}
    limits = {name: limit for name, limit in named.items() if limit is not None}
    require_limits_of(found.task, limits, "model.behaviour.slices")
    return limits


def _values(table: pl.DataFrame, columns: Sequence[str], found: Outcomes) -> Iterator[pl.Series]:
    ordered = by_row(table.select(ROW, *columns), "the features")
    if not ordered[ROW].equals(found.rows):
        ordered = found.rows.alias(ROW).to_frame().join(ordered, on=ROW, how="inner", maintain_order="left")
    if ordered.height != found.height:
        raise BadInputError(
            f"the features leave out {found.height - ordered.height} of {found.height} labelled rows",
            solution="hand over the results of one run",
        )
    for column in columns:
        yield ordered[column]


def _pairs(singles: Cells, scores: Floats, found: Outcomes) -> list[tuple[int, int]]:
    """Pairs of columns that have a slice large enough, first those of columns that differ most by themselves."""
    if not len(singles):
        return []
    p = _against_the_rest(singles, scores, found)
    strongest: dict[int, float] = {}
    for place, value in zip(singles.first.tolist(), p.tolist(), strict=True):
        strongest[place] = min(value, strongest.get(place, 1.0))
    order = sorted(strongest, key=lambda place: (strongest[place], place))
    pairs = itertools.combinations(range(len(order)), 2)
    return [(order[a], order[b]) for a, b in sorted(pairs, key=lambda pair: (pair[0] + pair[1], pair))]


def _against_the_rest(cells: Cells, scores: Floats, found: Outcomes) -> Floats:
    """One-sided p-values: a slice is as good as the rows that are not in it."""
    rows, total = found.height, float(scores.sum())
    if found.task == "classification":
        return hypergeometric_tail(cells.total, cells.count, rows, total)
    count, rest = rows - cells.count, total - cells.total
    squares = float((scores * scores).sum()) - cells.squares
    return welch(cells.mean, cells.variance, cells.count, (rest / count, variance_of(count, rest, squares), count))


def _interval(cells: Cells, found: Outcomes, confidence: float) -> tuple[Floats, Floats]:
    if found.task == "classification":
        return wilson(cells.total, cells.count, confidence)
    spread = student_quantile(0.5 + confidence / 2, cells.count - 1) * np.sqrt(cells.variance / cells.count)
    return cells.mean - spread, cells.mean + spread


def _judged(
    cells: Cells, parts: list[Segments], found: Outcomes, rules: Slices, limits: dict[str, float],
    pairs: tuple[int, int],
) -> Findings:  # fmt: skip
    scores = found.scores
    whole, classes = float(scores.mean()), found.task == "classification"
    p = adjusted(_against_the_rest(cells, scores, found), "holm")
    worse = (whole - cells.mean) if classes else (cells.mean - whole)
    order = np.lexsort((-worse, p))
    order = order[_distinct(cells, worse)[order]]
    beyond = {
        name: _beyond(cells, _threshold(name, limit, whole), found, rules) for name, limit in limits.items()
    }  # fmt: skip
    checks = [_check(name, limits[name], whole, cells, parts, found, rules, order, beyond[name]) for name in limits]
    refused = np.logical_or.reduce([np.zeros(len(cells), dtype=bool), *beyond.values()])
    listed = _listed(order, refused) + [place for place in order.tolist() if worse[place] > 0 and not refused[place]]
    low, high = _interval(cells, found, 0.95)
    weakest = [
        {
            "name": _name(cells, parts, place),
            "rows": int(cells.count[place]),
            "share": float(cells.count[place] / found.height),
            "value": float(cells.mean[place]),
            "low": rounded(float(low[place])),
            "high": rounded(float(high[place])),
            "gap": float(worse[place]),
            "p": float(p[place]),
            "weak": bool(p[place] < rules.significance),
            "refused": bool(refused[place]),
        }
        for place in listed[: rules.shown]
    ]
    figure: dict[str, Any] = {
        "measure": "accuracy" if classes else "mae",
        "rows": found.height,
        "value": whole,
        "looked": len(cells),
        "weak": int((p < rules.significance).sum()),
        "refused": int(refused.sum()),
        "tested_pairs": pairs[0],
        "all_pairs": pairs[1],
        "minimum_rows": rules.minimum_rows,
        "minimum_share": rules.minimum_share,
        "limits": limits,
        "decide": rules.decide,
        "significance": rules.significance,
        "weakest": weakest,
    }
    return Findings(checks=tuple(checks), figures={"slices": figure})


def _threshold(name: str, limit: float, whole: float) -> float:
    return {
        "minimum": limit, "maximum_gap": whole - limit, "maximum_error": limit, "maximum_ratio": whole * limit,
    }[name]  # fmt: skip


def _listed(order: Ints, refused: npt.NDArray[np.bool_]) -> list[int]:
    """Which of the refused slices are told, the clearest first; where none says something new, all of them."""
    return [place for place in order.tolist() if refused[place]] or [int(place) for place in np.flatnonzero(refused)]


def _check(
    name: str, limit: float, whole: float, cells: Cells, parts: list[Segments], found: Outcomes, rules: Slices,
    order: Ints, beyond: npt.NDArray[np.bool_],
) -> Check:  # fmt: skip
    classes, threshold = found.task == "classification", _threshold(name, limit, whole)
    listed = _listed(order, beyond)
    worst = int(np.argmin(cells.mean) if classes else np.argmax(cells.mean))
    # The clearest is the one that chance explains least; a smaller one may have a worse value.
    shown, word = (listed[0], "clearest") if listed else (worst, "worst")
    more = int(beyond.sum()) - len(listed[:_LISTED])
    what = "accuracy" if classes else "mean absolute error"
    said = f"{_name(cells, parts, shown)}: {cells.mean[shown]:.4g} on {int(cells.count[shown])} rows"
    asked = {
        "minimum": f"at least {limit:g}",
        "maximum_gap": f"at least {threshold:.4g}, {limit:g} below all rows' {whole:.4g}",
        "maximum_error": f"at most {limit:g}",
        "maximum_ratio": f"at most {threshold:.4g}, {limit:g} times all rows' {whole:.4g}",
    }[name]
    how = {
        "evidence": f"beyond by more than chance at {rules.significance:g} is refused",
        "estimate": "as measured",
        "bound": "by the interval's worse end",
    }[rules.decide]
    return Check(
        name=f"{what} in every slice" + (", beside all rows" if name in ("maximum_gap", "maximum_ratio") else ""),
        passed=not beyond.any(),
        value=f"{int(beyond.sum())} of {len(cells)} slices beyond; {word} {said}",
        limit=f"{asked} ({how})",
        detail="\n".join(
            f"{_name(cells, parts, place)}: {cells.mean[place]:.4g} on {int(cells.count[place])} rows"
            for place in listed[:_LISTED]
        )
        + (f"\nand {more} more" if more else ""),
    )


def _beyond(cells: Cells, threshold: float, found: Outcomes, rules: Slices) -> npt.NDArray[np.bool_]:
    """Which slices the limit refuses. The threshold counts as a given number: it rests on all rows, if on any."""
    classes = found.task == "classification"
    # Limits such as 0.9 - 0.1 are no exact numbers.
    measured = cells.mean < threshold - 1e-12 if classes else cells.mean > threshold + 1e-12 * abs(threshold)
    if rules.decide == "estimate":
        return np.asarray(measured)
    if rules.decide == "bound":
        low, high = _interval(cells, found, 1 - rules.significance / len(cells))
        return np.asarray(low < threshold if classes else ~(high <= threshold))
    if classes:
        p = binomial_tail(cells.total, cells.count, threshold)
    else:
        given = (np.full(len(cells), threshold), np.zeros(len(cells)), np.full(len(cells), np.inf))
        p = welch(cells.mean, cells.variance, cells.count, given)
    return np.asarray(measured & (adjusted(p, "holm") < rules.significance))


def _distinct(cells: Cells, worse: Floats) -> npt.NDArray[np.bool_]:
    """Which slices say something new: those by one column, and by two if clearly worse (by two standard errors) than by
    either of them."""
    clearly = worse - 2 * np.sqrt(cells.variance / cells.count)
    alone = {
        (place, code): value
        for place, code, second, value in zip(
            cells.first.tolist(), cells.first_code.tolist(), cells.second.tolist(), worse.tolist(), strict=True
        )
        if second < 0
    }
    keys = zip(
        cells.first.tolist(), cells.first_code.tolist(), cells.second.tolist(), cells.second_code.tolist(), clearly,
        strict=True,
    )  # fmt: skip
    return np.array(
        [
            second < 0 or value > max(alone.get((first, code), -np.inf), alone.get((second, other), -np.inf))
            for first, code, second, other, value in keys
        ]
    )


def _name(cells: Cells, parts: list[Segments], place: int) -> str:
    first = parts[cells.first[place]]
    name = f"{first.column} = {first.names[cells.first_code[place] - 1]}"
    if cells.second[place] < 0:
        return name
    second = parts[cells.second[place]]
    return f"{name} and {second.column} = {second.names[cells.second_code[place] - 1]}"
