"""What the page shows of a model's evidence: a picture, and beside it always a table with the same numbers.

The numbers come from reports and are untrusted: whatever is none is left out, and what is drawn is bounded. State is
told by a word and by a shape, not by colour alone, so that the page can be printed in black and white.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

from hallmark.reporting.figures import _ticks

MAXIMUM_ENTRIES = 60
NOTHING = "-"
"""What a cell says that has nothing to say."""
_WIDTH, _HEIGHT, _EDGE = 215, 24, 12


@dataclass(frozen=True, kw_only=True)
class Row:
    """Of a table; the first cell is its header."""

    cells: tuple[str, ...]
    result: str = ""
    """`passed`, `refused`, `warning` or empty."""
    picture: Markup | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    axis: Markup | None = None
    """The scale of the rows' pictures, which stand in a last column; None: there are none."""

    @property
    def judged(self) -> bool:
        """Whether any row has a result."""
        return any(row.result for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One piece of evidence."""

    title: str
    note: str = ""
    picture: Markup | None = None
    table: Table | None = None
    folded: bool = False
    """Whether the table is long and opens on demand; a printed page shows it all the same."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A value with its interval, to be drawn in a row of its own."""

    cells: tuple[str, ...]
    value: float
    low: float | None = None
    high: float | None = None
    limits: tuple[float, ...] = ()
    """Drawn as dashed lines across the row."""
    reference: float | None = None
    """Drawn as a thin line, such as the value of all rows."""
    result: str = ""
    extra: tuple[float, ...] = field(default=())
    """What the scale has to hold too."""


def forest(columns: Sequence[str], entries: Sequence[Entry], *, bars: bool = False, shares: bool = False) -> Table:
    """A table whose last column holds, on one scale, each row's value as a dot with its interval and limits.

    Args:
        columns: the names of the cells.
        bars: draw bars from 0 instead of dots.
        shares: the scale stays within 0 to 1.
    """
    shown = entries[:MAXIMUM_ENTRIES]
    known = [
        number
        for entry in shown
        for number in (entry.value, entry.low, entry.high, entry.reference, *entry.limits, *entry.extra)
        if number is not None
    ]
    if bars:
        known.append(0.0)
    if not known:
        return Table(columns=tuple(columns), rows=())
    start, end = _range(min(known), max(known), within=(0.0, 1.0) if shares else None)
    x = _scale(start, end)
    rows = tuple(Row(cells=entry.cells, result=entry.result, picture=_cell(entry, x, bars=bars)) for entry in shown)
    return Table(columns=tuple(columns), rows=rows, axis=_axis(x, start, end))


def told(value: float | None, other: float | None = None, digits: int = 4) -> str:
    """`value` with few digits, but with as many as are needed to stand on the same side of `other` as it does.

    >>> told(0.123456), told(0.79999996, 0.8), told(0.8, 0.79999996), told(None)
    ('0.1235', '0.79999996', '0.8', '-')
    """
    if value is None:
        return NOTHING
    for places in range(digits, 18):
        text = f"{value:.{places}g}"
        if other is None or _side(float(text), other) == _side(value, other):
            return text
    return repr(value)


def interval(low: float | None, high: float | None, other: float | None = None) -> str:
    """Both ends in words; a missing one is unbounded."""
    if low is None and high is None:
        return NOTHING
    return f"{'unknown' if low is None else told(low, other)} to {'unknown' if high is None else told(high, other)}"


def chance(p: float | None) -> str:
    """A p-value in words."""
    return "< 0.0001" if p is not None and p < 1e-4 else told(p, digits=2)


def number(value: Any, low: float = -1e300, high: float = 1e300) -> float | None:
    """`value` as a number in the bounds, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return None
    return float(value)


def count(value: Any) -> int | None:
    """`value` as a number of rows, else None."""
    return value if type(value) is int and 0 <= value < 1 << 53 else None


def text(value: Any, characters: int = 200) -> str:
    """`value` as a text that is not too long; empty for what is none."""
    known = isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    return str(value)[:characters] if known else ""


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; others are left out."""
    return [entry for entry in value[:1000] if isinstance(entry, dict)] if isinstance(value, list) else []


def mapping(value: Any) -> dict[str, Any]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def picture(width: int, height: int, said: str, parts: Sequence[str], style: str = "figure") -> Markup:
    """An SVG with a title and a description for those who do not see it. Texts in `parts` have to be escaped."""
    body = "".join(parts)
    return Markup(  # noqa: S704  # nosec B704: numbers, and text escaped by whoever wrote it
        f'<svg class="{style}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(said)}">'
        f"<title>{escape(said)}</title>{body}</svg>"
    )


def label(x: float, y: float, words: str, style: str = "tick") -> str:
    """A text of an SVG; `start` and `end` in `style` say which of its ends is at `x`."""
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def line(style: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """A line of an SVG."""
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _side(value: float, other: float) -> int:
    # Shares are no exact numbers.
    if math.isclose(value, other, rel_tol=1e-12, abs_tol=1e-15):
        return 0
    return (value > other) - (value < other)


def _range(low: float, high: float, within: tuple[float, float] | None) -> tuple[float, float]:
    """A little more than what has to be shown."""
    width = high - low
    room = 0.06 * width if width > 1e-12 * max(abs(low), abs(high)) else max(0.05 * abs(high), 0.01)
    start, end = low - room, high + room
    if low >= 0 > start:
        start = 0.0
    if within is None:
        return start, end
    # What lies beyond is an error of somebody's, but is shown where it is.
    return max(start, min(within[0], low)), min(end, max(within[1], high))


def _scale(start: float, end: float) -> Callable[[float], float]:
    return lambda value: _EDGE + (_WIDTH - 2 * _EDGE) * (value - start) / (end - start)


def _axis(x: Callable[[float], float], start: float, end: float) -> Markup:
    ticks = _ticks(start, end)
    # Labels need some 40 units each.
    ticks = ticks[:: math.ceil(len(ticks) / 5)]
    parts = [line("axis", _EDGE, _HEIGHT - 1, _WIDTH - _EDGE, _HEIGHT - 1)]
    for tick in ticks:
        parts.append(line("axis", x(tick), _HEIGHT - 5, x(tick), _HEIGHT - 1))
        parts.append(label(min(max(x(tick), 14), _WIDTH - 14), _HEIGHT - 9, f"{tick:.4g}"))
    return picture(_WIDTH, _HEIGHT, f"scale from {start:.4g} to {end:.4g}", parts, "cell")


def _cell(entry: Entry, x: Callable[[float], float], *, bars: bool) -> Markup:
    """Passed: a filled dot; refused: a cross; a warning: a hollow dot."""
    middle = _HEIGHT / 2
    state = {"passed": "good", "refused": "bad", "warning": "broken"}.get(entry.result, "idle")
    parts = []
    if entry.reference is not None:
        parts.append(line("axis", x(entry.reference), 0, x(entry.reference), _HEIGHT))
    if bars:
        left, right = sorted((x(0.0), x(entry.value)))
        parts.append(line("axis", x(0.0), 0, x(0.0), _HEIGHT))
        parts.append(f'<rect class="bar" x="{left:.1f}" y="5" width="{max(right - left, 1):.1f}" height="14"/>')
        if entry.low is not None and entry.high is not None:
            parts.append(line("whisker", x(entry.low), middle, x(entry.high), middle))
    else:
        if entry.low is not None and entry.high is not None:
            parts.append(line(f"interval {state}", x(entry.low), middle, x(entry.high), middle))
        parts.append(_mark(x(entry.value), middle, entry.result, state))
    parts += [line("limit", x(limit), 0, x(limit), _HEIGHT) for limit in entry.limits]
    ends = "" if entry.low is None and entry.high is None else f", 95 % interval {interval(entry.low, entry.high)}"
    limits = "".join(f", limit {limit:.4g}" for limit in entry.limits)
    said = f"{entry.cells[0] if entry.cells else ''}: {entry.value:.4g}{ends}{limits}"
    return picture(_WIDTH, _HEIGHT, said[:300], parts, "cell")


def _mark(x: float, y: float, result: str, state: str) -> str:
    if result == "refused":
        return f'<path class="cross {state}" d="M{x - 5:.1f} {y - 5} l10 10 m0 -10 l-10 10"/>'
    hollow = " hollow" if result == "warning" else ""
    return f'<circle class="point {state}{hollow}" cx="{x:.1f}" cy="{y}" r="5"/>'
