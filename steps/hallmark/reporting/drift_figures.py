"""Drift as inline SVG, from what a report's `figures.drift` holds: the reference as a line, the current data as bars.

That value is untrusted, as every figure's: what cannot be drawn is left out, and the number of drawings is bounded.
Colours are the page's style sheet's; the reference's line is drawn in the colour of the text.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from hallmark.reporting.figures import MAXIMUM_ROWS, WIDTH, _svg, _text, _ticks

MAXIMUM_DRAWN = 12
_BARS = 64
_TOP, _BOTTOM, _HEIGHT = 30, 150, 196
_LEFT, _RIGHT = 34, 24
_BEYOND = 0.06
"""Width of what lies beyond the edges, as a share of the figure's."""
_LINE = 'fill="none" stroke="currentColor" stroke-width="1.8"'


@dataclass(frozen=True, kw_only=True)
class Row:
    """One compared column, for a table; the drawing stands below it."""

    column: str
    role: str
    statistic: str
    value: float
    limit: float
    adjusted_p: float
    drifted: bool
    error: float
    drawing: Markup | None
    """Of a column that has drifted, the first `MAXIMUM_DRAWN` of them."""


def drift(value: Any) -> list[Row]:
    """From `find_drift`'s figure: what has drifted first, the largest statistic over its limit before the others."""
    entries = [row for entry in (value if isinstance(value, list) else [])[:MAXIMUM_ROWS] if (row := _row(entry))]
    entries.sort(key=lambda pair: (not pair[0]["drifted"], -pair[0]["value"] / pair[0]["limit"], pair[0]["column"]))
    rows = []
    for place, (fields, entry) in enumerate(entries):
        drawn = fields["drifted"] and place < MAXIMUM_DRAWN
        rows.append(Row(**fields, drawing=_drawing(fields, entry) if drawn else None))
    return rows


def _row(entry: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    if not isinstance(entry, dict):
        return None
    numbers = {name: _number(entry.get(name)) for name in ("value", "limit", "adjusted_p")}
    if any(number is None for number in numbers.values()) or not numbers["limit"]:
        return None
    texts = {name: str(entry.get(name) or "")[:200] for name in ("column", "role", "statistic")}
    return {
        **texts, **numbers, "drifted": entry.get("drifted") is True, "error": _number(entry.get("error")) or 0.0,
    }, entry  # fmt: skip


def _drawing(fields: dict[str, Any], entry: dict[str, Any]) -> Markup | None:
    said = (
        f"{fields['column']}: {fields['statistic']} {fields['value']:.3g}, limit {fields['limit']:g}; "
        "line: reference, bars: current data"
    )
    histogram, categories = entry.get("histogram"), entry.get("categories")
    if isinstance(histogram, dict):
        return _histogram(histogram, said, _date if entry.get("kind") == "time" else None)
    if isinstance(categories, dict):
        return _categories(categories, said)
    return None


def _histogram(value: dict[str, Any], said: str, name: Callable[[float], str] | None) -> Markup | None:
    edges, reference, current = _numbers(value, "edges"), _numbers(value, "reference"), _numbers(value, "current")
    bars = len(reference)
    if not 3 <= bars <= _BARS or len(current) != bars or len(edges) != bars - 1 or not _rises(edges):
        return None
    inner = (WIDTH - _LEFT - _RIGHT) * (1 - 2 * _BEYOND)
    start = _LEFT + (WIDTH - _LEFT - _RIGHT) * _BEYOND

    def x(edge: float) -> float:
        return start + inner * (edge - edges[0]) / (edges[-1] - edges[0])

    places = [_LEFT, *map(x, edges), WIDTH - _RIGHT]
    names = [f"below {_short(edges[0], name)}"]
    names += [f"{_short(low, name)} to {_short(high, name)}" for low, high in itertools.pairwise(edges)]
    names.append(f"above {_short(edges[-1], name)}")
    parts = _bars(places, reference, current, names)
    for label, place, share in (
        ("less", 0, max(reference[0], current[0])),
        ("more", -2, max(reference[-1], current[-1])),
    ):
        if share >= 0.001:
            parts.append(_text((places[place] + places[place + 1]) / 2, _BOTTOM + 38, label, "tick"))
    shown = edges[:: max(1, (len(edges) - 1) // 4)] if name else _ticks(edges[0], edges[-1])
    return _svg(_HEIGHT, said, [*parts, _legend(), *(_tick(x(edge), _short(edge, name)) for edge in shown)])


def _categories(value: dict[str, Any], said: str) -> Markup | None:
    reference, current = _numbers(value, "reference"), _numbers(value, "current")
    given = value.get("names")
    names = [str(name) for name in given] if isinstance(given, list) else []
    if not 1 <= len(names) <= _BARS or len(names) != len(reference) or len(names) != len(current):
        return None
    width = (WIDTH - _LEFT - _RIGHT) / len(names)
    places = [_LEFT + width * index for index in range(len(names) + 1)]
    fits = max(4, int(width / 7))
    labels = [
        _tick((left + right) / 2, name if len(name) <= fits else f"{name[: fits - 1]}…")
        for left, right, name in zip(places, places[1:], names, strict=False)
    ]
    return _svg(_HEIGHT, said, [*_bars(places, reference, current, names), _legend(), *labels])


def _bars(
    places: Sequence[float], reference: Sequence[float], current: Sequence[float], names: Sequence[str]
) -> list[str]:
    """Bars of the current shares, and over them the reference's as a line of steps."""
    highest = max(*reference, *current, 1e-9)

    def y(share: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * share / highest

    parts = [f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{_BOTTOM}" y2="{_BOTTOM}"/>']
    steps = [f"M{places[0]:.1f} {_BOTTOM}"]
    for index, (before, now, name) in enumerate(zip(reference, current, names, strict=True)):
        left, right = places[index], places[index + 1]
        title = escape(f"{name}: {_percent(now)}, was {_percent(before)}")
        parts.append(
            f'<rect class="bar" x="{left + 1:.1f}" y="{y(now):.1f}" width="{max(0.5, right - left - 2):.1f}"'
            f' height="{_BOTTOM - y(now):.1f}"><title>{title}</title></rect>'
        )
        steps.append(f"V{y(before):.1f} H{right:.1f}")
    parts.append(f'<path class="reference" d="{" ".join(steps)} V{_BOTTOM}" {_LINE}/>')
    parts.append(_text(16, _TOP + 4, _percent(highest), "tick"))
    return parts


def _legend() -> str:
    return (
        f'<path class="reference" d="M{WIDTH - 236} 12 h22" {_LINE}/>'
        f"{_text(WIDTH - 176, 16, 'reference', 'tick')}"
        f'<rect class="bar" x="{WIDTH - 132}" y="6" width="14" height="11"/>'
        f"{_text(WIDTH - 72, 16, 'current data', 'tick')}"
    )


def _tick(x: float, label: str) -> str:
    mark = f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{_BOTTOM}" y2="{_BOTTOM + 5}"/>'
    return f"{mark}{_text(x, _BOTTOM + 20, label, 'tick')}"


def _short(value: float, name: Callable[[float], str] | None) -> str:
    return name(value) if name else f"{value:.4g}"


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat() if abs(seconds) < 6e10 else f"{seconds:.4g} s"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _rises(edges: Sequence[float]) -> bool:
    width = edges[-1] - edges[0]
    return math.isfinite(width) and all(low < high for low, high in itertools.pairwise(edges))


def _numbers(value: dict[str, Any], name: str) -> list[float]:
    given = value.get(name)
    found = [_number(entry) for entry in given[: _BARS + 1]] if isinstance(given, list) else []
    kept = [number for number in found if number is not None]
    if name != "edges" and any(not 0 <= number <= 1.000001 for number in kept):
        return []
    return kept if len(kept) == len(found) else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        return None
    return float(value)
