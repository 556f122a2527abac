"""The interval of a share."""

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
