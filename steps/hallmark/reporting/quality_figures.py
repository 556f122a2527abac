"""Figures of the data's quality as inline SVG, from what validate-data's `figures` hold: groups, classes, leakage.

That is untrusted: each function leaves out what it cannot draw, and bounds what it draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from hallmark.reporting.figures import _field, _is_count, _number, _svg

MAXIMUM_FIGURES = 24
MAXIMUM_BARS = 40
MAXIMUM_ROWS = 200
_NAME_CHARACTERS = 26
_NAMES, _ROW = 178, 26
_FIRST, _SECOND = (190.0, 340.0), (430.0, 600.0)
"""Where the bars of shares, and the points of rates, begin and end."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    title: str
    picture: Markup


@dataclass(frozen=True, kw_only=True)
class FailingRows:
    """For a table: row numbers, and a text for each cell where the policy lets values be shown."""

    dataset: str
    check: str
    total: int
    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class _Bar:
    name: str
    rows: int
    share: float
    rate: float | None = None
    low: float | None = None
    high: float | None = None


def groups(value: Any) -> list[Drawing]:
    """A bar for each group's share of the rows, and beside it its rate or mean with the 95 % interval.

    From [{dataset, columns, rows, minimum_rows, minimum_share, measure, positive, groups: [{name, rows, share, rate,
    low, high}]}].
    """
    drawings = []
    for entry in _entries(value)[:MAXIMUM_FIGURES]:
        bars = _bars(_field(entry, "groups", list))
        if not bars:
            continue
        rows = _number(entry.get("rows"), 1, 1e15) or 1.0
        fewest = (_number(entry.get("minimum_rows"), 0, 1e15) or 0.0) / rows
        limit = max(fewest, _number(entry.get("minimum_share"), 0, 1) or 0.0)
        by = " and ".join(str(column) for column in _field(entry, "columns", list) or [])
        positive = entry.get("positive")
        rate = f"rate of {positive}" if entry.get("measure") == "rate" else "mean of the label"
        title = f"{entry.get('dataset', '')} data: groups by {by}"
        drawings.append(Drawing(title=title, picture=_picture(title, bars, limit, rate)))
    return drawings


def classes(value: Any) -> list[Drawing]:
    """A bar for each class's share of the rows, from [{dataset, label, classes: [{name, rows, share}]}]."""
    drawings = []
    for entry in _entries(value)[:MAXIMUM_FIGURES]:
        if bars := _bars(_field(entry, "classes", list)):
            title = f"{entry.get('dataset', '')} data: classes of {entry.get('label', '')}"
            drawings.append(Drawing(title=title, picture=_picture(title, bars, 0.0, "")))
    return drawings


def leakage(value: Any) -> Markup | None:
    """How well each feature alone predicts the label, with the limit, from [{feature, measure, score, maximum,
    allowed}]; the highest scores only."""
    entries = [entry for entry in _entries(value) if _number(entry.get("score"), 0, 1) is not None][:MAXIMUM_BARS]
    if not entries:
        return None
    start, end = _FIRST[0], _SECOND[1]
    bottom = 12 + _ROW * len(entries)
    limit = _number(entries[0].get("maximum"), 0, 1)
    measure = str(entries[0].get("measure") or "")
    parts = []
    for index, entry in enumerate(entries):
        score = _number(entry.get("score"), 0, 1) or 0.0
        y = 8 + _ROW * index
        said = f"{score:.4g}" + (" (allowed)" if entry.get("allowed") is True else "")
        parts.append(_label(_NAMES, y + 13, _short(entry.get("feature")), "end"))
        parts.append(_rect(start, y, (end - start) * score))
        # Inside its bar where there would be no place behind it.
        parts.append(_label(start + (end - start) * score + 6, y + 13, said, "start") if score < 0.8 else "")
        parts.append(_label(start + (end - start) * score - 6, y + 13, said, "end inside") if score >= 0.8 else "")
    if limit is not None:
        parts.append(_line(start + (end - start) * limit, 2, bottom))
        parts.append(_label(start + (end - start) * limit, bottom + 16, f"at most {limit:g}", "end"))
    parts.append(_label(start, bottom + 16, f"{measure} of the feature alone", "start unit"))
    best = f"highest {_short(entries[0].get('feature'))} with {_number(entries[0].get('score'), 0, 1):.4g}"
    return _svg(bottom + 24, f"{measure} of {len(entries)} features alone, {best}", parts)


def failing_rows(value: Any) -> list[FailingRows]:
    """From [{dataset, check, total, rows, columns, values}]; entries of another shape are left out."""
    found = []
    for entry in _entries(value)[:MAXIMUM_FIGURES]:
        rows, columns, values = (_field(entry, name, list) for name in ("rows", "columns", "values"))
        total = entry.get("total")
        if rows is None or not all(map(_is_count, rows)) or not _is_count(total):
            continue
        shown = values if columns and values and len(values) == len(rows) else [[] for _ in rows]
        cells = [
            (number, tuple("missing" if cell is None else str(cell) for cell in row) if isinstance(row, list) else ())
            for number, row in zip(rows[:MAXIMUM_ROWS], shown, strict=False)
        ]
        found.append(
            FailingRows(
                dataset=str(entry.get("dataset", "")),
                check=str(entry.get("check", "")),
                total=int(total or 0),
                columns=tuple(map(str, columns or [])) if shown is values else (),
                rows=tuple(cells),
            )
        )
    return found


def _picture(title: str, bars: Sequence[_Bar], limit: float, rate: str) -> Markup:
    rated = [bar for bar in bars if bar.rate is not None]
    top = max((bar.share for bar in bars), default=0.0) or 1.0
    shown = bars[:MAXIMUM_BARS]
    bottom = 30 + _ROW * len(shown)
    start, end = _FIRST

    def x(share: float) -> float:
        return start + (end - start) * min(1.0, share / top)

    parts = [_label(start, 18, "share of the rows", "start unit")]
    for index, bar in enumerate(shown):
        y = 28 + _ROW * index
        low = " low" if bar.share < limit else ""
        parts.append(_label(_NAMES, y + 13, _short(bar.name), "end"))
        parts.append(_rect(start, y, max(1.0, x(bar.share) - start), low))
        parts.append(_label(x(bar.share) + 6, y + 13, f"{100 * bar.share:.3g} %", "start tick"))
    if 0 < limit <= top:
        parts.append(_line(x(limit), 24, bottom))
    if rated:
        parts.append(_label(_SECOND[0], 18, rate[:40], "start unit"))
        parts += _rates(shown)
    if len(bars) > len(shown):
        parts.append(_label(_NAMES, bottom + 14, f"and {len(bars) - len(shown)} more", "end tick"))
    smallest = min(bars, key=lambda bar: bar.share)
    said = f"{title}: {len(bars)}, the smallest {_short(smallest.name)} with {smallest.rows} rows"
    return _svg(bottom + (22 if len(bars) > len(shown) else 8), said, parts)


def _rates(bars: Sequence[_Bar]) -> list[str]:
    """A point for each rate on a common scale, with its interval."""
    ends = [edge for bar in bars for edge in (bar.rate, bar.low, bar.high) if edge is not None]
    bottom, top = min(0.0, *ends), max(0.0, *ends)
    start, end = _SECOND
    width = (top - bottom) or 1.0

    def x(rate: float) -> float:
        return start + (end - start) * (rate - bottom) / width

    parts = [f'<line class="axis" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="26" y2="{28 + _ROW * len(bars)}"/>']
    for index, bar in enumerate(bars):
        if bar.rate is None:
            continue
        y = 37 + _ROW * index
        if bar.low is not None and bar.high is not None:
            parts.append(
                f'<line class="interval idle" x1="{x(bar.low):.1f}" x2="{x(bar.high):.1f}" y1="{y}" y2="{y}"/>'
            )
        parts.append(f'<circle class="point idle" cx="{x(bar.rate):.1f}" cy="{y}" r="5"/>')
        # To the left of what is too far right to have a place behind it.
        edge, style = (bar.high or bar.rate, "start") if x(bar.rate) < end - 50 else (bar.low or bar.rate, "end")
        parts.append(_label(x(edge) + (10 if style == "start" else -10), y + 4, f"{bar.rate:.3g}", f"{style} tick"))
    return parts


def _bars(value: Any) -> list[_Bar]:
    bars = []
    for entry in _entries(value):
        share, rows = _number(entry.get("share"), 0, 1), entry.get("rows")
        if share is None or type(rows) is not int:
            continue
        rate, low, high = (_number(entry.get(name), -1e300, 1e300) for name in ("rate", "low", "high"))
        bars.append(_Bar(name=str(entry.get("name", "")), rows=rows, share=share, rate=rate, low=low, high=high))
    return bars


def _entries(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value[:1000] if isinstance(entry, dict)] if isinstance(value, list) else []


def _short(text: object) -> str:
    whole = str(text)
    return whole if len(whole) <= _NAME_CHARACTERS else f"{whole[: _NAME_CHARACTERS - 1]}…"


def _label(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.0f}">{escape(text)}</text>'


def _rect(x: float, y: float, width: float, style: str = "") -> str:
    return f'<rect class="bar{style}" x="{x:.1f}" y="{y:.0f}" width="{width:.1f}" height="18"/>'


def _line(x: float, top: float, bottom: float) -> str:
    return f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.0f}" y2="{bottom:.0f}"/>'
