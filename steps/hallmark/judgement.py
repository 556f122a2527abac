"""The interval of a share, and what a ratio asks for."""

from __future__ import annotations

import math

_Z95 = 1.959963984540054
"""The standard normal distribution's 97.5 % quantile."""


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a share of `total` > 0 (E. B. Wilson, JASA 22, 1927, p. 209).

    Unlike the usual `p ± 1.96 s` it holds for few rows and for shares near 0 and 1, where good models are.

    >>> [round(bound, 4) for bound in wilson_interval(57, 60)]
    [0.863, 0.9829]
    """
    share, squared = correct / total, _Z95 * _Z95
    centre = share + squared / (2 * total)
    spread = _Z95 * math.sqrt(share * (1 - share) / total + squared / (4 * total * total))
    scale = 1 + squared / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def needed_by_ratio(champion: float, ratio: float, *, less_is_better: bool) -> float:
    """What a candidate has to reach at least (at most, where less is better) to be better by `ratio` >= 1.

    A metric that may be below 0, as R² may, has to rise by that share of its size.

    >>> needed_by_ratio(0.8, 1.25, less_is_better=False), needed_by_ratio(-0.8, 1.25, less_is_better=False)
    (1.0, -0.6000000000000001)
    """
    return champion / ratio if less_is_better else champion + (ratio - 1) * abs(champion)
