"""Pictures with two axes, as inline SVG: curves and points in a plane, and bars over a scale.

Series are told apart by dashes and by outlines too, not by colour alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from hallmark.reporting.exhibits import label, line, picture
from hallmark.reporting.figures import WIDTH, _ticks

_SIDE = 360
"""Of a square plane."""
_LEFT, _TOP, _RIGHT, _BOTTOM = 58, 14, 16, 48
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 4", "1 4", "9 3 2 3 2 3", "14 3 3 3", "5 2")
_BAR_HEIGHT, _BARS_LEFT = 210, 52


@dataclass(frozen=True, kw_only=True)
class Curve:
    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Point:
    x: float
    y: float
    low: float
    high: float


def plane(
    said: str, *, across: str, up: str, curves: Sequence[Curve] = (), points: Sequence[Point] = (),
    diagonal: bool = False, unit: bool = False,
) -> Markup:  # fmt: skip
    """Curves and points with vertical intervals; both axes are the same where there is a diagonal.

    Args:
        said: for those who do not see the picture.
        across, up: what the axes are.
        unit: both go from 0 to 1.
    """
    xs = [x for curve in curves for x, _ in curve.points] + [point.x for point in points]
    ys = [y for curve in curves for _, y in curve.points]
    ys += [end for point in points for end in (point.low, point.high, point.y)]
    if diagonal:
        xs = ys = xs + ys
    horizontal = (0.0, 1.0) if unit else _wider(min(xs), max(xs))
    vertical = (0.0, 1.0) if unit else _wider(min(ys), max(ys))
    right, bottom = _SIDE - _RIGHT, _SIDE - _BOTTOM
    x, y = _scale(*horizontal, _LEFT, right), _scale(*vertical, bottom, _TOP)
    parts = [*_frame(x, y, horizontal, vertical), _words(across, up, (_LEFT + right) / 2, (_TOP + bottom) / 2)]
    if diagonal:
        parts.append(line("axis", x(horizontal[0]), y(horizontal[0]), x(horizontal[1]), y(horizontal[1])))
    for curve, dashes in zip(curves, _DASHES, strict=False):
        path = " ".join(f"{'L' if place else 'M'}{x(a):.1f} {y(b):.1f}" for place, (a, b) in enumerate(curve.points))
        parts.append(
            f'<path class="curve" d="{path}" stroke-dasharray="{dashes}"><title>{escape(curve.name)}</title></path>'
        )
    if len(curves) > 1:
        parts += _legend(curves, right, bottom)
    for point in points:
        parts.append(line("whisker", x(point.x), y(point.low), x(point.x), y(point.high)))
        parts.append(f'<circle class="point idle" cx="{x(point.x):.1f}" cy="{y(point.y):.1f}" r="5"/>')
    return picture(_SIDE, _SIDE, said, parts, "figure square")


def bars(
    said: str, edges: Sequence[float], series: Sequence[tuple[str, Sequence[int]]], across: str, *,
    zero: bool = False, marks: Sequence[tuple[str, float]] = (),
) -> Markup:  # fmt: skip
    """Counts over a scale, several series on top of one another; the second one is hollow.

    Args:
        edges: rising, one more than counts.
        zero: draw a line at 0.
        marks: names and places of dashed lines.
    """
    # Names of marks stand on their right.
    right_edge = WIDTH - (120 if marks else 20)
    marks = sorted(marks, key=lambda mark: mark[1])
    top = 26 + 16 * len(marks)
    bottom = top + _BAR_HEIGHT - 60
    x = _scale(edges[0], edges[-1], _BARS_LEFT, right_edge)
    totals = [sum(counts) for counts in zip(*(counts for _, counts in series), strict=True)]
    highest = max(max(totals), 1)
    y = _scale(0, highest, bottom, top)
    parts = []
    for tick in [tick for tick in _ticks(0, highest) if tick == int(tick)]:
        parts.append(line("grid", _BARS_LEFT, y(tick), right_edge, y(tick)))
        parts.append(label(_BARS_LEFT - 8, y(tick) + 4, f"{tick:g}", "end tick"))
    below = [0] * len(totals)
    for place, (name, counts) in enumerate(series):
        style = "bar" if place == 0 else "bar second"
        for index, rows in enumerate(counts):
            if not rows:
                continue
            left, right = x(edges[index]), x(edges[index + 1])
            high, low = y(below[index] + rows), y(below[index])
            what = f"{edges[index]:.4g} to {edges[index + 1]:.4g}: {rows} {name}"
            parts.append(
                f'<rect class="{style}" x="{left + 0.7:.1f}" y="{high:.1f}" width="{max(right - left - 1.4, 0.5):.1f}"'
                f' height="{max(low - high, 0.8):.1f}"><title>{escape(what)}</title></rect>'
            )
            below[index] += rows
    if zero and edges[0] < 0 < edges[-1]:
        parts.append(line("limit", x(0), top - 6, x(0), bottom))
    parts += [line("axis", _BARS_LEFT, bottom, right_edge, bottom)]
    for tick in _ticks(edges[0], edges[-1]):
        parts.append(line("axis", x(tick), bottom, x(tick), bottom + 5))
        parts.append(label(x(tick), bottom + 19, f"{tick:.4g}"))
    parts.append(label(WIDTH / 2, bottom + 38, across, "unit"))
    parts += [part for place, mark in enumerate(marks) for part in _marked(x, place, mark, bottom)]
    parts += _series([name for name, _ in series])
    return picture(WIDTH, bottom + 46, said, parts)


def _marked(x: Callable[[float], float], place: int, mark: tuple[str, float], bottom: float) -> list[str]:
    """A dashed line with its name, each name in a line of its own."""
    name, value = mark
    if not _BARS_LEFT <= x(value) <= WIDTH - 110:
        return []
    height = 14 + 16 * place
    return [line("limit", x(value), height - 8, x(value), bottom), label(x(value) + 5, height, name, "start")]


def _series(names: Sequence[str]) -> list[str]:
    parts = []
    for place, name in enumerate(names if len(names) > 1 else ()):
        left = WIDTH - 20 - 90 * (len(names) - place)
        style = "bar" if place == 0 else "bar second"
        parts.append(f'<rect class="{style}" x="{left}" y="4" width="14" height="11"/>')
        parts.append(label(left + 20, 14, name, "start tick"))
    return parts


def _frame(
    x: Callable[[float], float], y: Callable[[float], float], horizontal: tuple[float, float],
    vertical: tuple[float, float],
) -> list[str]:  # fmt: skip
    bottom, right = _SIDE - _BOTTOM, _SIDE - _RIGHT
    parts = []
    for tick in _few(_ticks(*horizontal)):
        parts.append(line("grid", x(tick), _TOP, x(tick), bottom))
        parts.append(label(x(tick), bottom + 17, f"{tick:.4g}"))
    for tick in _few(_ticks(*vertical)):
        parts.append(line("grid", _LEFT, y(tick), right, y(tick)))
        parts.append(label(_LEFT - 7, y(tick) + 4, f"{tick:.4g}", "end tick"))
    return [*parts, line("axis", _LEFT, bottom, right, bottom), line("axis", _LEFT, _TOP, _LEFT, bottom)]


def _few(ticks: Sequence[float]) -> Sequence[float]:
    return ticks if len(ticks) <= 7 else ticks[::2]


def _words(across: str, up: str, middle: float, centre: float) -> str:
    turned = f'<text class="unit" transform="translate(14 {centre:.0f}) rotate(-90)">{escape(up)}</text>'
    return label(middle, _SIDE - 10, across, "unit") + turned


def _legend(curves: Sequence[Curve], right: float, bottom: float) -> list[str]:
    """In the lower right corner, where no good curve is."""
    parts = []
    for place, (curve, dashes) in enumerate(zip(curves, _DASHES, strict=False)):
        height = bottom - 12 - 17 * (min(len(curves), len(_DASHES)) - 1 - place)
        name = curve.name if len(curve.name) <= 18 else f"{curve.name[:17]}…"
        parts.append(
            f'<path class="curve" d="M{right - 160} {height - 4} h34" stroke-dasharray="{dashes}"/>'
            f"{label(right - 120, height, name, 'start')}"
        )
    return parts


def _wider(low: float, high: float) -> tuple[float, float]:
    room = 0.05 * (high - low) or max(0.05 * abs(high), 0.01)
    return low - room, high + room


def _scale(start: float, end: float, left: float, right: float) -> Callable[[float], float]:
    return lambda value: left + (right - left) * (value - start) / (end - start)
