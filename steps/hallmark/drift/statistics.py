"""How far two distributions are apart, and how likely that distance is by chance: numpy only, equal to scipy's.

Samples are arrays of float64 in any order. NaN is no value: it is taken out before (a share of missing values is
compared by itself). Infinities are values, the largest and the smallest, for everything but the Wasserstein distance.
Counts and shares are arrays of the same length, one entry a category or a bin.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from hallmark.drift import kolmogorov

Floats = npt.NDArray[np.float64]

SMALLEST_SHARE = 1e-4
"""What the population stability index takes an empty bin for; its logarithm would be infinite."""


def kolmogorov_smirnov(reference: Floats, current: Floats) -> tuple[float, float]:
    """The largest distance of the two distribution functions (0 to 1), and its two-sided p-value.

    Equals `scipy.stats.ks_2samp(reference, current)`.
    """
    first, second = _sample(reference), _sample(current)
    points = np.concatenate([first, second])
    shares = [np.searchsorted(sample, points, side="right") / len(sample) for sample in (first, second)]
    distance = float(np.abs(shares[0] - shares[1]).max())
    return distance, kolmogorov.p_value(distance, len(first), len(second))


def wasserstein(reference: Floats, current: Floats) -> float:
    """The first Wasserstein distance, the area between the two distribution functions, in the values' own unit.

    Equals `scipy.stats.wasserstein_distance(reference, current)`. Raises ValueError for an infinite value.
    """
    first, second = _sample(reference), _sample(current)
    if not (np.isfinite(first[[0, -1]]).all() and np.isfinite(second[[0, -1]]).all()):
        raise ValueError("an infinite value is infinitely far away")
    points = np.sort(np.concatenate([first, second]))
    shares = [np.searchsorted(sample, points[:-1], side="right") / len(sample) for sample in (first, second)]
    return float((np.abs(shares[0] - shares[1]) * np.diff(points)).sum())


def jensen_shannon(reference: Floats, current: Floats) -> float:
    """The Jensen-Shannon distance of two rows of counts or shares: 0 to sqrt(ln 2), which is 0.8326.

    Equals `scipy.spatial.distance.jensenshannon(reference, current)`: the root of the divergence in natural units.
    """
    p, q = _shares(reference), _shares(current)
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return math.sqrt(max(0.0, divergence))


def population_stability(reference: Floats, current: Floats) -> float:
    """The population stability index, sum((q - p) ln(q / p)), of two rows of counts or shares; 0 where they are equal.

    A share below `SMALLEST_SHARE` counts as that; a bin that is empty on both sides is left out.
    """
    p, q = _shares(reference), _shares(current)
    used = (p > 0) | (q > 0)
    p, q = np.maximum(p[used], SMALLEST_SHARE), np.maximum(q[used], SMALLEST_SHARE)
    return float(((q - p) * np.log(q / p)).sum())


def chi_square(reference: Floats, current: Floats) -> tuple[float, float]:
    """Pearson's chi-square of two rows of counts, and its p-value; categories that neither has are left out.

    Equals `scipy.stats.chi2_contingency([reference, current], correction=False)`; of one category it is (0, 1).
    """
    observed = np.vstack([np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)])
    observed = observed[:, observed.sum(axis=0) > 0]
    if (observed.sum(axis=1) <= 0).any():
        raise ValueError("a sample without values has no distribution")
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / observed.sum()
    statistic = float(((observed - expected) ** 2 / expected).sum())
    return statistic, chi_square_tail(statistic, observed.shape[1] - 1)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """The probability of at least `statistic` under chi-square's distribution with `freedom` degrees of freedom.

    The upper incomplete gamma function at whole and half numbers, Q(a + 1, x) = Q(a, x) + x^a e^-x / Gamma(a + 1)
    (DLMF 8.8.6): a sum of positive terms, so that small probabilities keep their digits.
    """
    x = statistic / 2
    if freedom <= 0 or x <= 0:
        return 1.0
    tail = 0.0 if freedom % 2 == 0 else math.erfc(math.sqrt(x))
    start = 0.0 if freedom % 2 == 0 else 0.5
    orders = np.arange(start, freedom / 2 - 0.25)
    logs = orders * math.log(x) - x - np.fromiter((math.lgamma(a + 1) for a in orders), np.float64, len(orders))
    return min(1.0, tail + float(np.exp(logs).sum()))


def effect(statistic: float, reference: float, current: float) -> float:
    """A chi-square as a distance that does not grow with the samples' sizes: Cohen's w between the two rows of shares.

    Its square is the statistic over n m / (n + m), the sum of (p - q)^2 over the shares of both together.
    """
    return math.sqrt(statistic * (reference + current) / (reference * current))


def adjusted(p_values: Floats, correction: str) -> Floats:
    """p-values of a family of tests, adjusted so that they may be compared with the limit of a single one.

    `holm` (S. Holm, 1979) and `bonferroni` hold the probability of any false alarm, `bh` (Y. Benjamini and
    Y. Hochberg, 1995) the expected share of false ones among the alarms; `none` leaves them as they are.
    """
    p = np.asarray(p_values, dtype=np.float64)
    count = len(p)
    if correction == "none" or count == 0:
        return p
    if correction == "bonferroni":
        return np.minimum(1.0, p * count)
    order = np.argsort(p, kind="stable")
    if correction == "holm":
        steps = np.maximum.accumulate(p[order] * np.arange(count, 0, -1))
    elif correction == "bh":
        steps = np.minimum.accumulate((p[order] * count / np.arange(1, count + 1))[::-1])[::-1]
    else:
        raise ValueError(f"unknown correction {correction}")
    result = np.empty(count)
    result[order] = np.minimum(1.0, steps)
    return result


def _sample(values: Floats) -> Floats:
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not len(ordered):
        raise ValueError("a sample without values has no distribution")
    if np.isnan(ordered[-1]):  # numpy sorts NaN to the end
        raise ValueError("NaN is no value: take it out before")
    return ordered


def _shares(counts: Floats) -> Floats:
    values = np.asarray(counts, dtype=np.float64)
    total = float(values.sum())
    if not total > 0:
        raise ValueError("a sample without values has no distribution")
    return values / total


def _relative_entropy(p: Floats, q: Floats) -> float:
    used = p > 0
    return float((p[used] * np.log(p[used] / q[used])).sum())
