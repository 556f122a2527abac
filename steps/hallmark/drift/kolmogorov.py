"""p-values of the two-sample Kolmogorov-Smirnov test, two-sided, as scipy's `ks_2samp(method="auto")` gives them.

Up to 10,000 values on both sides the p-value is exact; beyond that it is that of the one-sample statistic at the
effective sample size, n m / (n + m). The one-sample distribution is split up as R. Simard and P. L'Ecuyer do in
"Computing the two-sided Kolmogorov-Smirnov distribution", J. Stat. Software 39 (11), 2011.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

EXACT_UP_TO = 10_000
_SUMMED_UP_TO = 1_000_000
"""Of the effective sample size: the one-sided probability is a sum with as many terms."""

Floats = npt.NDArray[np.float64]


def p_value(statistic: float, n: int, m: int) -> float:
    """The probability of a distance of at least `statistic` between samples of `n` and `m` values of one distribution.

    Ties make the test conservative: the true probability is lower then.
    """
    if max(n, m) <= EXACT_UP_TO:
        return two_sample(statistic, n, m)
    return one_sample(statistic, round(n * m / (n + m)))


def two_sample(statistic: float, n: int, m: int) -> float:
    """The exact probability, by walking all orders of the two samples at once.

    An order is a walk from (0, 0) to (n, m) with a step right for a value of the first sample and up for one of the
    second; all walks are equally likely, so that from (i, j) the next step is right with probability
    (n - i) / (n + m - i - j). The mass that leaves the band |i/n - j/m| < statistic is the answer. Only additions of
    positive numbers: the error grows with n + m, in units of the machine's precision.
    """
    common = math.gcd(n, m)
    right, up = m // common, n // common
    band = round(statistic * math.lcm(n, m))
    if band == 0:
        return 1.0
    total, slope = n + m, right + up
    place = np.arange(n + 2, dtype=np.float64)
    mass = np.zeros(n + 3)
    mass[1] = 1.0  # mass[i + 1] belongs to i, so that i - 1 always exists
    low = high = 0
    lost = 0.0
    for step in range(1, total + 1):
        here = place[low : high + 2]
        moved = mass[low + 1 : high + 3] * (m - step + 1 + here) + mass[low : high + 2] * (n + 1 - here)
        moved /= total - step + 1
        first = max((step * up - band) // slope + 1, low)
        last = min(-((-step * up - band) // slope) - 1, high + 1, n)
        if first > last:
            return 1.0
        lost += float(moved[: first - low].sum() + moved[last - low + 1 :].sum())
        mass[low + 1 : high + 3] = 0.0
        mass[first + 1 : last + 2] = moved[first - low : last - low + 1]
        low, high = first, last
    return min(1.0, lost)


def one_sample(statistic: float, n: int) -> float:
    """The probability that the distribution function of `n` values is at least `statistic` away from the true one."""
    x = statistic
    if x <= 0 or n <= 0:
        return 1.0
    if x >= 1:
        return 0.0
    squared = n * x * x
    if squared >= 370:
        return 0.0
    if x >= 0.5 or squared >= (4 if n <= 140 else 2.2):
        # Both one-sided events at once are so rare here that nothing is taken off: at most 4e-8.
        return min(1.0, 2 * _one_sided(n, x))
    exact = n <= 140 or (n <= 100_000 and n * x**1.5 <= 1.4)
    return min(1.0, max(0.0, 1 - (_matrix(n, x) if exact else _expansion(n, x))))


def _one_sided(n: int, x: float) -> float:
    """The one-sided probability: Smirnov's sum; beyond, U. Maag and G. Dicaire approximate it, Biometrika 58, 1971."""
    if n > _SUMMED_UP_TO:
        return math.exp(-((6 * n * x + 1) ** 2) / (18 * n))
    j = np.arange(0, math.floor(n * (1 - x)) + 1, dtype=np.float64)
    beyond = np.maximum(1 - x - j / n, 0.0)
    j, beyond = j[beyond > 0], beyond[beyond > 0]
    logs = _log_factorial(float(n)) - _log_factorial(j) - _log_factorial(n - j)
    logs += (j - 1) * np.log(x + j / n) + (n - j) * np.log(beyond)
    return float(x * np.exp(logs).sum())


def _log_factorial(k: Floats | float) -> Floats:
    """ln k! by Stirling's series from 16 on, where its error is below 1e-15."""
    k = np.asarray(k, dtype=np.float64)
    small = np.cumsum(np.log(np.maximum(np.arange(16, dtype=np.float64), 1.0)))
    z = np.maximum(k, 16.0)
    series = (
        (z + 0.5) * np.log(z) - z + 0.5 * math.log(2 * math.pi) + (1 / 12 - (1 / 360 - 1 / (1260 * z**2)) / z**2) / z
    )
    return np.where(k < 16, small[np.minimum(k, 15.0).astype(np.int64)], series)


def _matrix(n: int, x: float) -> float:
    """P(D < x), exact, by a matrix's n-th power: G. Marsaglia, W. Tsang, J. Wang, J. Stat. Software 8 (18), 2003."""
    k = math.ceil(n * x)
    size, h = 2 * k - 1, k - n * x
    rows, columns = np.indices((size, size))
    matrix = (rows - columns + 1 >= 0).astype(np.float64)
    powers = h ** np.arange(1, size + 1)
    matrix[:, 0] -= powers
    matrix[-1, :] -= powers[::-1]
    matrix[-1, 0] += max(0.0, 2 * h - 1) ** size
    distance = np.maximum(rows - columns + 1, 0).astype(np.float64)
    matrix *= np.exp(-_log_factorial(distance))
    result, exponent = np.eye(size), 0
    factor, factor_exponent, left = matrix, 0, n
    while left:
        if left & 1:
            result, exponent = result @ factor, exponent + factor_exponent
            result, exponent = _scaled(result, exponent)
        factor, factor_exponent = _scaled(factor @ factor, 2 * factor_exponent)
        left >>= 1
    middle = float(result[k - 1, k - 1])
    if middle <= 0:
        return 0.0
    return math.exp(math.log(middle) + exponent * math.log(2) + float(_log_factorial(float(n))) - n * math.log(n))


def _scaled(matrix: Floats, exponent: int) -> tuple[Floats, int]:
    """The matrix with its largest element near one, and the power of two that was taken out."""
    shift = math.frexp(float(np.abs(matrix).max()))[1]
    return np.ldexp(matrix, -shift), exponent + shift


def _expansion(n: int, x: float) -> float:
    """P(D < x) to the order n^(-3/2): W. Pelz and I. Good, J. R. Stat. Soc. B 38 (2), 1976."""
    z = math.sqrt(n) * x
    if z < 0.05:  # less than 1e-200
        return 0.0
    whole = np.arange(1, 40, dtype=np.float64)
    h = (math.pi * (whole - 0.5)) ** 2
    w = (math.pi * whole) ** 2
    halves, wholes = np.exp(-h / (2 * z**2)), np.exp(-w / (2 * z**2))
    root = math.sqrt(math.pi / 2)

    def both(terms: Floats, weights: Floats) -> float:
        """The sum over all integers: every term stands for itself and its mirror image."""
        return 2 * float((terms * weights).sum())

    order_0 = math.sqrt(2 * math.pi) / z * float(halves.sum())
    order_1 = root / (6 * z**4) * both(h - z**2, halves)
    order_2 = root / (72 * z**7) * both(6 * z**6 + 2 * z**4 + h * (2 * z**4 - 5 * z**2) + h**2 * (1 - 2 * z**2), halves)
    order_2 -= root / (36 * z**3) * both(w, wholes)
    cubic = h**3 * (5 - 30 * z**2) + h**2 * (212 * z**4 - 60 * z**2) + h * (135 * z**4 - 96 * z**6)
    order_3 = root / (6480 * z**10) * both(cubic - 30 * z**6 - 90 * z**8, halves)
    order_3 += root / (216 * z**6) * both(3 * w * z**2 - w**2, wholes)
    return float(order_0 + order_1 / math.sqrt(n) + order_2 / n + order_3 / n**1.5)
