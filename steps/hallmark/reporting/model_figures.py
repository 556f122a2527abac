"""How good the model is: its metrics, the champion beside it, and the curves of `hallmark.accuracy.figures`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from hallmark.judgement import wilson_interval
from hallmark.reporting.exhibits import (
    NOTHING,
    Entry,
    Exhibit,
    Row,
    Table,
    chance,
    count,
    forest,
    interval,
    mapping,
    number,
    objects,
    text,
    told,
)
from hallmark.reporting.plots import Curve, Point, bars, plane

_SCALES = (
    ("Higher is better", True, frozenset({"accuracy", "balanced_accuracy", "f1", "precision", "recall", "roc_auc",
                                          "pr_auc", "r2", "coverage"})),
    ("Lower is better", False, frozenset({"log_loss", "brier", "calibration_error", "mape", "coverage_error"})),
    ("Errors in the label's unit, lower is better", False, frozenset({"rmse", "mae", "pinball_loss"})),
)  # fmt: skip
"""Metrics that share a scale."""
_DRAWN = 10
_CHAMPION = "Beside the model in production"


def metrics(value: Any, checks: Mapping[str, bool]) -> list[Exhibit]:
    """From [{name, value, low, high, minimum, maximum, decide}].

    Args:
        checks: whether each check of the gate passed, by name: a limit may be held and its interval still be unknown.
    """
    entries = objects(value)
    found = []
    for title, rises, names in _SCALES:
        rows = [entry for entry in entries if text(entry.get("name")) in names]
        drawn = [drawn for entry in rows if (drawn := _metric(entry, checks)) is not None]
        if drawn:
            columns = ("Metric", "Value", "95 % interval", "Needed")
            note = f"{title}. A dashed line is a limit; a metric without one is only told."
            table = forest(columns, drawn, shares=rises and all(entry.value >= 0 for entry in drawn))
            found.append(Exhibit(title="How good the model is", note=note, table=table))
    return found


def _metric(entry: dict[str, Any], checks: Mapping[str, bool]) -> Entry | None:
    name = text(entry.get("name"))
    value, low, high, minimum, maximum = (
        number(entry.get(key)) for key in ("value", "low", "high", "minimum", "maximum")
    )
    if value is None:
        return None
    limit = minimum if minimum is not None else maximum
    needed, result = NOTHING, ""
    if limit is not None:
        bound = entry.get("decide") == "bound"
        decisive = value if not bound else (low if minimum is not None else high)
        end = (" at the interval's lower end" if minimum is not None else " at its upper end") if bound else ""
        needed = f"at {'least' if minimum is not None else 'most'} {told(limit, decisive)}{end}"
        held = decisive is not None and (decisive >= limit if minimum is not None else decisive <= limit)
        asked = [passed for check, passed in checks.items() if check in (name, f"precision of {name}")]
        result = "passed" if held and all(asked) else "refused"
    return Entry(
        cells=(name, told(value, limit), interval(low, high, limit), needed),
        value=value,
        low=low,
        high=high,
        limits=() if limit is None else (limit,),
        result=result,
    )


def champion(value: Any) -> list[Exhibit]:
    """From [{metric, rule, candidate, champion, difference, low, high, p, test, limit, passed, reference}].

    A value may also be an object {value, low, high}. Without a champion only `metric` and `passed` are there.
    """
    found = []
    for entry in objects(value)[:3] or objects([value]):
        metric, result = text(entry.get("metric")), "passed" if entry.get("passed") is True else "refused"
        sides = {name: _estimate(entry.get(name)) for name in ("candidate", "champion")}
        difference = _estimate(entry.get("difference"))
        if difference[0] is None or any(side[0] is None for side in sides.values()):
            known = "champion" in entry or "candidate" in entry
            note = "What was compared is not understood." if known else "Nothing is in production yet to compare with."
            found.append(Exhibit(title=_CHAMPION, note=note))
            continue
        low, high = difference[1], difference[2]
        if low is None:
            low, high = number(entry.get("low")), number(entry.get("high"))
        known = any(side[1] is not None for side in sides.values())
        rows = [
            Row(cells=(name, told(side[0]), *((interval(side[1], side[2]),) if known else ())))
            for name, side in sides.items()
        ]
        reference = text(entry.get("reference"), 120)
        note = f"{metric} on the same rows{f'; in production is {reference}' if reference else ''}."
        table = Table(columns=("Model", metric, *(("95 % interval",) if known else ())), rows=tuple(rows))
        found.append(Exhibit(title=_CHAMPION, note=note, table=table))
        p = number(entry.get("p"), 0, 1)
        gain = Entry(
            cells=("the candidate's gain", f"{difference[0]:+.4g}", interval(low, high), chance(p),
                   text(entry.get("limit"))),
            value=difference[0],
            low=low,
            high=high,
            reference=0.0,
            extra=(0.0,),
            result=result,
        )  # fmt: skip
        note = f"The thin line is no difference. Tested by {text(entry.get('test')) or 'the paired bootstrap'}."
        table = forest(("Difference", "Value", "95 % interval", "p", "Needed"), [gain])
        found.append(Exhibit(title=_CHAMPION, note=note, table=table))
    return found


def _estimate(value: Any) -> tuple[float | None, float | None, float | None]:
    if isinstance(value, dict):
        return number(value.get("value")), number(value.get("low")), number(value.get("high"))
    return number(value), None, None


def roc(value: Any) -> list[Exhibit]:
    """From [{class, area, points: [[false positive rate, true positive rate]]}]."""
    curves, rows = [], []
    for entry in objects(value)[:_DRAWN]:
        points = _points(entry.get("points"), unit=True)
        area, name = number(entry.get("area"), 0, 1), text(entry.get("class"), 60)
        if len(points) >= 2 and area is not None:
            curves.append(Curve(name=name, points=points))
            rows.append(Row(cells=(name, told(area))))
    if not curves:
        return []
    said = "ROC curves; " + ", ".join(f"{row.cells[0]}: area {row.cells[1]}" for row in rows)
    drawn = plane(said, curves=curves, across="false positive rate", up="true positive rate", diagonal=True, unit=True)
    note = "The further above the thin line, the better the classes are told apart."
    table = Table(columns=("Class", "Area under the curve"), rows=tuple(rows))
    return [Exhibit(title="ROC curve" if len(rows) == 1 else "ROC curves", note=note, picture=drawn, table=table)]


def calibration(value: Any) -> list[Exhibit]:
    """From {error, bins: [{low, high, rows, confidence, accuracy}]}: each with Wilson's interval of its accuracy."""
    points, rows = [], []
    for entry in objects(mapping(value).get("bins"))[:50]:
        low, high, confidence, right = (
            number(entry.get(name), 0, 1) for name in ("low", "high", "confidence", "accuracy")
        )
        total = count(entry.get("rows"))
        if low is None or high is None or confidence is None or right is None or not total:
            continue
        ends = wilson_interval(min(total, round(right * total)), total)
        points.append(Point(x=confidence, y=right, low=ends[0], high=ends[1]))
        rows.append(Row(cells=(f"{low:g} to {high:g}", str(total), told(confidence), told(right), interval(*ends))))
    error = number(mapping(value).get("error"), 0, 1)
    if not points or error is None:
        return []
    said = f"calibration: how often the model is right by how sure it is; mean gap {error:.4g}"
    drawn = plane(
        said, points=points, across="probability of the likeliest class", up="share that is right",
        diagonal=True, unit=True,
    )  # fmt: skip
    note = (
        f"On the thin line a probability means what it says. Mean distance from it {error:.4g}; bars: 95 % intervals."
    )
    columns = ("Probability", "Rows", "Mean probability", "Share right", "95 % interval")
    return [Exhibit(title="Calibration", note=note, picture=drawn, table=Table(columns=columns, rows=tuple(rows)))]


def scores(value: Any) -> list[Exhibit]:
    """How sure the model was where it was right and where it was wrong, from {edges, right, wrong}."""
    edges, right, wrong = (_list(value, name) for name in ("edges", "right", "wrong"))
    counts = [[count(entry) for entry in part] for part in (right, wrong)]
    known = [[entry for entry in part if entry is not None] for part in counts]
    borders = [border for edge in edges if (border := number(edge, 0, 1)) is not None]
    if not 2 <= len(borders) <= 65 or any(len(part) != len(borders) - 1 for part in known) or not sum(map(sum, known)):
        return []
    names = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(borders)]
    said = f"rows by the probability of the likeliest class: {sum(known[0])} right, {sum(known[1])} wrong"
    drawn = bars(said, borders, [("right", known[0]), ("wrong", known[1])], "probability of the likeliest class")
    rows = [
        Row(cells=(name, str(good), str(bad))) for name, good, bad in zip(names, *known, strict=True) if good or bad
    ]
    note = "A model that knows what it does not know is wrong only on the left."
    table = Table(columns=("Probability", "Right", "Wrong"), rows=tuple(rows))
    return [Exhibit(title="How sure the model was", note=note, picture=drawn, table=table, folded=True)]


def residuals(value: Any) -> list[Exhibit]:
    """From {edges, counts, quantiles: {p01, p05, ...}}."""
    edges = [edge for entry in _list(value, "edges") if (edge := number(entry)) is not None]
    counts = [amount for entry in _list(value, "counts") if (amount := count(entry)) is not None]
    quantiles = [
        (text(name, 8), share) for name, entry in mapping(mapping(value).get("quantiles")).items()
        if (share := number(entry)) is not None
    ][:20]  # fmt: skip
    if not 2 <= len(edges) <= 65 or len(counts) != len(edges) - 1 or not edges[0] < edges[-1] or not sum(counts):
        return []
    said = f"residuals of {sum(counts)} rows, from {edges[0]:.4g} to {edges[-1]:.4g}"
    drawn = bars(said, edges, [("rows", counts)], "predicted less true, in the label's unit", zero=True)
    rows = [Row(cells=(f"{name.removeprefix('p').lstrip('0') or '0'} %", told(share))) for name, share in quantiles]
    note = "Around 0 the model is right; more on one side is bias. The outermost bars hold all that lies beyond."
    table = Table(columns=("Share of the rows", "Residual at most"), rows=tuple(rows))
    return [Exhibit(title="Residuals", note=note, picture=drawn, table=table)]


def predicted(value: Any) -> list[Exhibit]:
    """From [{rows, true, predicted, low, high}], a group of rows with like true numbers each."""
    points, rows = [], []
    for entry in objects(value)[:50]:
        true, mean, low, high = (number(entry.get(name)) for name in ("true", "predicted", "low", "high"))
        total = count(entry.get("rows"))
        if true is None or mean is None or low is None or high is None or not total:
            continue
        points.append(Point(x=true, y=mean, low=low, high=high))
        rows.append(Row(cells=(told(true), str(total), told(mean), interval(low, high))))
    if len(points) < 2:
        return []
    said = f"mean predicted by true number in {len(points)} groups of rows"
    drawn = plane(said, points=points, across="true (mean of the group)", up="predicted", diagonal=True)
    note = "On the thin line predicted is true. Bars hold the middle 90 % of what was predicted for the group."
    columns = ("True, mean", "Rows", "Predicted, mean", "Middle 90 %")
    return [
        Exhibit(title="Predicted and true", note=note, picture=drawn, table=Table(columns=columns, rows=tuple(rows)))
    ]


def mistakes(value: Any) -> list[Exhibit]:
    """The worst mistakes, from {total, rows: [{row, true, predicted, probability, error}]}; what is not told is `-`."""
    entries = objects(mapping(value).get("rows"))[:100]
    total = count(mapping(value).get("total"))
    known = [
        (name, title)
        for name, title in (
            ("row", "Row"), ("true", "True"), ("predicted", "Predicted"), ("probability", "Probability of that"),
            ("error", "Error"),
        )
        if any(name in entry for entry in entries)
    ]  # fmt: skip
    if not entries or not total or not known:
        return []
    rows = [Row(cells=tuple(_cell(entry.get(name)) for name, _ in known)) for entry in entries]
    note = f"{len(rows)} of {total}, the most certain or the largest first. Rows count from 1 in the independent data."
    table = Table(columns=tuple(title for _, title in known), rows=tuple(rows))
    return [Exhibit(title="The worst mistakes", note=note, table=table, folded=len(rows) > 10)]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return told(number(value))
    return text(value, 60) or NOTHING


def _points(value: Any, *, unit: bool) -> tuple[tuple[float, float], ...]:
    low, high = (0.0, 1.0) if unit else (-1e300, 1e300)
    found = []
    for point in value[:500] if isinstance(value, list) else []:
        pair = [number(part, low, high) for part in point] if isinstance(point, list | tuple) else []
        if len(pair) == 2 and pair[0] is not None and pair[1] is not None:
            found.append((pair[0], pair[1]))
    return tuple(found)


def _list(value: Any, name: str) -> Sequence[Any]:
    found = mapping(value).get(name)
    return found[:100] if isinstance(found, list) else []
