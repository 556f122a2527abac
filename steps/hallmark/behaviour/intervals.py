"""Intervals and tests for many things at once: plain functions of arrays."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

REPEATS = 2000
_BLOCK = 4_000_000
"""Drawn places that are held at a time."""


def wilson(hits: Floats, totals: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """The score intervals of many shares (E. B. Wilson, JASA 22, 1927, p. 209); `totals` > 0.

    >>> low, high = wilson(np.array([57.0]), np.array([60.0]))
    >>> float(low[0].round(4)), float(high[0].round(4))
    (0.863, 0.9829)
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, squared = hits / totals, z * z
    centre = share + squared / (2 * totals)
    spread = z * np.sqrt(share * (1 - share) / totals + squared / (4 * totals * totals))
    scale = 1 + squared / totals
    return np.maximum(0.0, (centre - spread) / scale), np.minimum(1.0, (centre + spread) / scale)


def mean_interval(values: Floats, generator: np.random.Generator) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a mean (B. Efron, Annals of Statistics 7, 1979, p. 1).

    Equal values give an interval of no width, which says only that none of so few rows differed.
    """
    means = _resampled(values[:, None], generator)[:, 0]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def ratio_interval(above: Floats, below: Floats, generator: np.random.Generator) -> tuple[float, float] | None:
    """The 95 % percentile bootstrap interval of `mean(above) / mean(below)` over the same rows.

    None where a draw has nothing below, so that the ratio has no upper bound.
    """
    means = _resampled(np.column_stack([above, below]), generator)
    if (means[:, 1] == 0).any():
        return None
    low, high = np.quantile(means[:, 0] / means[:, 1], (0.025, 0.975))
    return float(low), float(high)


def _resampled(values: Floats, generator: np.random.Generator) -> Floats:
    """Means of the columns in `REPEATS` draws of rows, with replacement."""
    count = len(values)
    step = max(1, _BLOCK // count)
    parts = []
    for start in range(0, REPEATS, step):
        places = generator.integers(0, count, (min(step, REPEATS - start), count))
        parts.append(values[places].mean(axis=1))
    return np.concatenate(parts)


def binomial_tail(hits: Floats, totals: Floats, share: float) -> Floats:
    """The probability of at most `hits` of `totals` where each has the probability `share`: one-sided, exact."""
    from scipy.stats import binom  # type: ignore[import-untyped]

    found: Floats = np.asarray(binom.cdf(hits, totals, min(1.0, max(0.0, share))), dtype=np.float64)
    return found


def welch(mean: Floats, variance: Floats, count: Floats, others: tuple[Floats, Floats, Floats]) -> Floats:
    """One-sided p-values for a `mean` above the others', by B. L. Welch's test (Biometrika 34, 1947, p. 28).

    Equals `scipy.stats.ttest_ind_from_stats(..., equal_var=False, alternative="greater")`; without any spread, 0 for
    a higher mean and 1 otherwise.

    Args:
        variance: with n - 1 below; `others` holds the other sample's mean, variance and count, of infinite count
            where its mean is a given number.
    """
    from scipy.stats import t

    mean_b, variance_b, count_b = others
    first, second = variance / count, variance_b / count_b
    total = first + second
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = total**2 / (first**2 / (count - 1) + np.where(np.isinf(count_b), 0, second**2 / (count_b - 1)))
        statistic = (mean - mean_b) / np.sqrt(total)
    freedom = np.where(np.isfinite(freedom) & (freedom > 0), freedom, 1.0)
    p = t.sf(np.where(total > 0, statistic, 0.0), freedom)
    return np.where(total > 0, p, np.where(mean > mean_b, 0.0, 1.0))


def rounded(value: float) -> float | None:
    """A number for a report: None where it is not finite, which JSON cannot say."""
    return value if math.isfinite(value) else None
