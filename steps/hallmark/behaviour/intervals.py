"""Intervals and tests for many things at once: plain functions of arrays."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from hallmark import judgement

Floats = npt.NDArray[np.float64]

REPEATS = 2000
_BLOCK = 4_000_000
"""Drawn places that are held at a time."""


def wilson(hits: Floats, totals: Floats, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """The score intervals of many shares, from 0 to 1; `totals` > 0.

    >>> low, high = wilson(np.array([57.0]), np.array([60.0]))
    >>> float(low[0].round(4)), float(high[0].round(4))
    (0.863, 0.9829)
    """
    low, high = judgement.wilson(hits, totals, NormalDist().inv_cdf(0.5 + confidence / 2))
    return np.maximum(0.0, low), np.minimum(1.0, high)


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
    """The probability of at most `hits` of `totals` where each has the probability `share`: `scipy.stats.binom.cdf`."""
    from scipy.special import betainc  # type: ignore[import-untyped]

    rest = np.maximum(totals - hits, 0.5)
    found: Floats = np.where(hits >= totals, 1.0, betainc(rest, hits + 1, 1 - min(1.0, max(0.0, share))))
    return found


def hypergeometric_tail(hits: Floats, counts: Floats, rows: float, total: float) -> Floats:
    """The probability of at most `hits` among `counts` rows drawn from `rows`, of which `total` are hits.

    That is R. A. Fisher's exact one-sided test, `scipy.stats.hypergeom.cdf`, without the time that its import takes:
    the terms are summed from `hits` outwards, by their ratios, on that side of the mean on which they fall.
    """
    from scipy.special import gammaln

    def chosen(of: Floats, some: Floats) -> Floats:
        found: Floats = gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1)
        return found

    lower = hits <= counts * total / rows
    # Above the mean it is one less the sum from the next hit on.
    start = np.where(lower, hits, hits + 1)
    possible = (start >= np.maximum(0, counts - (rows - total))) & (start <= np.minimum(counts, total))
    x = np.where(possible, start, np.clip(start, np.maximum(0, counts - (rows - total)), np.minimum(counts, total)))
    logs = (
        chosen(np.full_like(x, total), x) + chosen(np.full_like(x, rows - total), counts - x)
        - chosen(np.full_like(x, rows), counts)
    )  # fmt: skip
    term = np.where(possible, 1.0, 0.0)
    sums, open_cells = term.copy(), np.flatnonzero(possible)
    while len(open_cells):
        at, n = x[open_cells], counts[open_cells]
        below = lower[open_cells]
        # A ratio is 0 at the last hit that is possible.
        down = at * (rows - total - n + at) / ((total - at + 1) * (n - at + 1))
        up = (total - at) * (n - at) / ((at + 1) * (rows - total - n + at + 1))
        term[open_cells] *= np.where(below, down, up)
        sums[open_cells] += term[open_cells]
        x[open_cells] = at + np.where(below, -1, 1)
        open_cells = open_cells[term[open_cells] > 1e-17 * sums[open_cells]]
    tail = np.exp(logs) * sums
    return np.clip(np.where(lower, tail, 1 - tail), 0.0, 1.0)


def student_quantile(share: float, freedom: Floats) -> Floats:
    """`scipy.stats.t.ppf`."""
    from scipy.special import stdtrit

    found: Floats = stdtrit(freedom, share)
    return found


def welch(mean: Floats, variance: Floats, count: Floats, others: tuple[Floats, Floats, Floats]) -> Floats:
    """One-sided p-values for a `mean` above the others', by B. L. Welch's test (Biometrika 34, 1947, p. 28).

    Equals `scipy.stats.ttest_ind_from_stats(..., equal_var=False, alternative="greater")`; without any spread, 0 for
    a higher mean and 1 otherwise.

    Args:
        variance: with n - 1 below; `others` holds the other sample's mean, variance and count, of infinite count
            where its mean is a given number.
    """
    from scipy.special import stdtr

    mean_b, variance_b, count_b = others
    first, second = variance / count, variance_b / count_b
    total = first + second
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = total**2 / (first**2 / (count - 1) + np.where(np.isinf(count_b), 0, second**2 / (count_b - 1)))
        statistic = (mean - mean_b) / np.sqrt(total)
    freedom = np.where(np.isfinite(freedom) & (freedom > 0), freedom, 1.0)
    p = stdtr(freedom, -np.where(total > 0, statistic, 0.0))
    return np.where(total > 0, p, np.where(mean > mean_b, 0.0, 1.0))


def rounded(value: float) -> float | None:
    """A number for a report: None where it is not finite, which JSON cannot say."""
    return value if math.isfinite(value) else None
