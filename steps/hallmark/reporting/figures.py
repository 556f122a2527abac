"""Figures as inline SVG or plain values, from what the reports' `figures` hold. That is untrusted: each function gives
None for what it cannot draw, and bounds what it draws. Colours are classes of the page's style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

WIDTH = 640
_LEFT, _RIGHT = 34, 24
MAXIMUM_CLASSES = 20
MAXIMUM_ROWS = 200
_BINS = 24


@dataclass(frozen=True, kw_only=True)
class Cell:
    count: int
    share: float
    """Of its row, from 0 to 1: what shades the cell."""
    right: bool


@dataclass(frozen=True, kw_only=True)
class ConfusionMatrix:
    """For a real table: rows are the true classes, columns the predicted ones."""

    labels: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Expectation:
    dataset: str
    column: str
    type: str
    result: str
    """`passed`, `refused`, or `warning`: not held, and the suite's author lets that pass."""
    unexpected_percent: float | None
    engine: str


def confusion_matrix(value: Any) -> ConfusionMatrix | None:
    """From {labels: [text], counts: [[int]]}; None also for more than `MAXIMUM_CLASSES` classes."""
    labels, counts = _field(value, "labels", list), _field(value, "counts", list)
    if not labels or not counts or len(labels) != len(counts) or len(labels) > MAXIMUM_CLASSES:
        return None
    rows = []
    for index, row in enumerate(counts):
        if not isinstance(row, list) or len(row) != len(labels) or not all(_is_count(count) for count in row):
            return None
        total = sum(row) or 1
        rows.append(
            tuple(Cell(count=count, share=count / total, right=index == other) for other, count in enumerate(row))
        )
    return ConfusionMatrix(labels=tuple(map(str, labels)), rows=tuple(rows))


def expectations(value: Any) -> list[Expectation]:
    """From [{dataset, type, column, severity, passed, unexpected_percent, engine}]; others are left out."""
    entries = [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    return [
        Expectation(
            dataset=str(entry.get("dataset") or ""),
            column=str(entry.get("column") or ""),
            type=str(entry.get("type") or ""),
            result=_held(entry),
            unexpected_percent=_number(entry.get("unexpected_percent"), 0, 100),
            engine={"gx": "great-expectations"}.get(str(entry.get("engine")), str(entry.get("engine") or "")),
        )
        for entry in entries[:MAXIMUM_ROWS]
    ]


@dataclass(frozen=True, kw_only=True)
class Tests:
    passed: int
    failed: int
    skipped: int
    coverage: float | None
    minimum_coverage: float


def tests(value: Any) -> Tests | None:
    """From {passed, failed, skipped, coverage, minimum_coverage}, the last two in percent."""
    counts = [_field(value, name, int) for name in ("passed", "failed", "skipped")]
    if not all(_is_count(count) for count in counts):
        return None
    return Tests(
        passed=counts[0],
        failed=counts[1],
        skipped=counts[2],
        coverage=_number(value.get("coverage"), 0, 100),
        minimum_coverage=_number(value.get("minimum_coverage"), 0, 100) or 0.0,
    )


def rows(value: Any, columns: Sequence[str]) -> list[list[str]]:
    """The texts of a list of objects, in the order of `columns`; entries of another shape are left out."""
    entries = [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    return [[str(entry.get(column, "")) for column in columns] for entry in entries[:MAXIMUM_ROWS]]


def settings(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """A tree of objects as dotted names and texts, such as the content of training.json."""
    found: list[tuple[str, str]] = []
    for name, inner in value.items() if isinstance(value, dict) else ():
        if isinstance(inner, dict) and prefix.count(".") < 3:
            found.extend(settings(inner, f"{prefix}{name}."))
        else:
            found.append((f"{prefix}{name}", ", ".join(map(str, inner)) if isinstance(inner, list) else str(inner)))
    return found[:MAXIMUM_ROWS]


def _held(entry: dict[str, Any]) -> str:
    if entry.get("passed") is True:
        return "passed"
    return "refused" if entry.get("severity", "critical") == "critical" else "warning"


def histogram(value: Any) -> Markup | None:
    """The distribution of measured seconds, with median and 95th percentile in milliseconds, from [seconds, ...]."""
    if not isinstance(value, list):
        return None
    seconds = sorted(number for entry in value[:100_000] if (number := _number(entry, 0, 3600)) is not None)
    if not seconds:
        return None
    milliseconds = [1000 * second for second in seconds]
    top = max(milliseconds[-1], 0.001)
    counts = [0] * _BINS
    for entry in milliseconds:
        counts[min(_BINS - 1, int(entry / top * _BINS))] += 1
    x = _scale(0.0, top)
    median, p95 = _quantile(milliseconds, 0.5), _quantile(milliseconds, 0.95)
    highest = max(counts)
    parts = [_axis(x, 148, _ticks(0.0, top), lambda tick: f"{tick:.4g}")]
    for index, count in enumerate(counts):
        if count:
            height = max(1.0, 100 * count / highest)
            left, right = x(top * index / _BINS), x(top * (index + 1) / _BINS)
            title = f"{count} between {top * index / _BINS:.3g} and {top * (index + 1) / _BINS:.3g} ms"
            parts.append(
                f'<rect class="bar" x="{left + 1:.1f}" y="{148 - height:.1f}" width="{right - left - 2:.1f}"'
                f' height="{height:.1f}"><title>{title}</title></rect>'
            )
    for quantile, y, name in ((median, 16, "median"), (p95, 34, "p95")):
        parts.append(f'<line class="limit" x1="{x(quantile):.1f}" x2="{x(quantile):.1f}" y1="{y + 4}" y2="148"/>')
        parts.append(_text(x(quantile), y, f"{name} {quantile:.3g} ms", "limit-label"))
    parts.append(_text(WIDTH / 2, 186, "milliseconds", "unit"))
    said = f"{len(seconds)} answers: median {median:.3g} ms, 95th percentile {p95:.3g} ms, slowest {top:.3g} ms"
    return _svg(192, said, parts)


def bar(percent: float, limit: float | None = None) -> Markup:
    """A small bar of 0 to 100 percent, with a mark at the limit; it decorates a number that stands beside it."""
    mark = "" if limit is None else f'<line class="limit" x1="{limit:.1f}" x2="{limit:.1f}" y1="0" y2="10"/>'
    return Markup(  # noqa: S704  # nosec B704: numbers only
        '<svg class="small" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="track" width="100" height="10"/>'
        f'<rect class="bar" width="{min(100.0, max(0.0, percent)):.1f}" height="10"/>{mark}</svg>'
    )


def _svg(height: int, said: str, parts: Sequence[str]) -> Markup:
    body = "".join(parts)
    return Markup(  # noqa: S704  # nosec B704: numbers, and text escaped in _text and here
        f'<svg class="figure" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(said)}">'
        f"<title>{escape(said)}</title>{body}</svg>"
    )


def _text(x: float, y: float, text: str, style: str) -> str:
    """A centred text, moved aside where it would leave the figure."""
    half = 3.6 * len(text)
    return f'<text class="{style}" x="{min(max(x, half), WIDTH - half):.1f}" y="{y}">{escape(text)}</text>'


def _axis(x: Callable[[float], float], y: int, ticks: Sequence[float], name: Callable[[float], str]) -> str:
    line = f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
    marks = "".join(
        f'<line class="axis" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{y}" y2="{y + 5}"/>'
        f"{_text(x(tick), y + 19, name(tick), 'tick')}"
        for tick in ticks
    )
    return line + marks


def _scale(start: float, end: float) -> Callable[[float], float]:
    """From a value to its horizontal place."""
    width = WIDTH - _LEFT - _RIGHT
    return lambda value: _LEFT + width * (value - start) / (end - start)


def _ticks(start: float, end: float) -> list[float]:
    """Three to eleven round values from `start` to `end`.

    >>> _ticks(0.85, 1.0)
    [0.85, 0.9, 0.95, 1.0]
    """
    rough = (end - start) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _field(value: Any, name: str, kind: type | tuple[type, ...]) -> Any:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, kind) else None


def _number(value: Any, low: float, high: float) -> float | None:
    """`value` as a number in the bounds, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if low <= value <= high else None


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 53
