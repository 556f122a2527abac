"""The interval of a share, what a ratio asks for, and when two numbers are the same prediction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Shares = TypeVar("Shares", float, "npt.NDArray[np.float64]")

_Z95 = 1.959963984540054
"""The standard normal distribution's 97.5 % quantile."""


def wilson(hits: Shares, totals: Shares, z: float = _Z95) -> tuple[Shares, Shares]:
    """The score interval of a share of `totals` > 0, or of many (E. B. Wilson, JASA 22, 1927, p. 209).

    Its ends may lie outside 0 and 1 by the rounding of the last digit.

    Args:
        z: the standard normal distribution's quantile for one side of the interval, by default of 95 % in all.
    """
    share, squared = hits / totals, z * z
    centre = share + squared / (2 * totals)
    spread = z * (share * (1 - share) / totals + squared / (4 * totals * totals)) ** 0.5
    scale = 1 + squared / totals
    return (centre - spread) / scale, (centre + spread) / scale


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a share of `total` > 0.

    Unlike the usual `p ± 1.96 s` it holds for few rows and for shares near 0 and 1, where good models are.

    >>> [round(bound, 4) for bound in wilson_interval(57, 60)]
    [0.863, 0.9829]
    """
    low, high = wilson(float(correct), float(total))
    return max(0.0, low), min(1.0, high)


def needed_by_ratio(champion: float, ratio: float, *, less_is_better: bool) -> float:
    """What a candidate has to reach at least (at most, where less is better) to be better by `ratio` >= 1.

    A metric that may be below 0, as R² may, has to rise by that share of its size.

    >>> needed_by_ratio(0.8, 1.25, less_is_better=False), needed_by_ratio(-0.8, 1.25, less_is_better=False)
    (1.0, -0.6000000000000001)
    """
    return champion / ratio if less_is_better else champion + (ratio - 1) * abs(champion)


def same_number(one: str, other: str, tolerance: float) -> bool:
    """Whether two canonical labels are the same number, up to a relative `tolerance`; of no number, never.

    A library that multiplies a row alone and in a batch may round the last digits otherwise.

    >>> same_number("112.5", "112.50000000000001", 1e-9), same_number("nan", "nan", 1)
    (True, False)
    """
    try:
        return math.isclose(float(one), float(other), rel_tol=tolerance, abs_tol=1e-12)
    except ValueError:
        return False
