"""Confidence intervals by the bootstrap over rows (B. Efron, Annals of Statistics 7, 1979, p. 1).

A resample of n rows is n counts: how often each row was drawn. A metric is computed from the counts of many resamples
at once, and from counts of 1 for its value, so that no metric is called once for each resample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Values = dict[str, Array]
"""By metric: its value in each resample, NaN where the resample has none."""
Measure = Callable[[Array], Values]
"""From counts (resamples, rows) to values (resamples)."""

REPLICATES = 2000
MAXIMUM_CELLS = 200_000
"""Rows times rankings (see `Sample.rankings`) that are resampled; of more rows, so many drawn by chance."""
MINIMUM_ROWS = 2_000
_BLOCK = 1 << 18
"""Counts in memory at a time: they fit into a processor's cache."""
_SEED = 20_260_101


class Sample(Protocol):
    """Rows with what a model said of them."""

    @property
    def rows(self) -> int: ...

    @property
    def rankings(self) -> int:
        """How often the metrics go through all rows in another order: what a resample costs."""
        ...

    def take(self, rows: NDArray[np.intp]) -> Self: ...

    def parts(self, only: str | None = None) -> Iterator[Measure]:
        """Measures of all metrics, or of one and those that come with it, each made when it is its turn."""
        ...


@dataclass(frozen=True, kw_only=True)
class Estimate:
    value: float
    low: float
    """Lower bound of the 95 % interval."""
    high: float
    left_out: int = 0
    """Resamples that have no such metric, such as those of one class."""

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def counts(rows: int, replicates: int = REPLICATES, seed: int = _SEED) -> Iterator[Array]:
    """How often each row was drawn, in blocks of resamples (each a row of the array); the same each time."""
    generator = np.random.default_rng(seed)
    size = max(1, _BLOCK // rows)
    for start in range(0, replicates, size):
        count = min(size, replicates - start)
        drawn = generator.integers(0, rows, (count, rows))
        drawn += np.arange(count)[:, None] * rows
        yield np.bincount(drawn.ravel(), minlength=count * rows).reshape(count, rows).astype(np.float64)


def values(sample: Sample) -> dict[str, float]:
    """The sample's metrics; NaN where it has none."""
    once = np.ones((1, sample.rows))
    return {name: float(value[0]) for part in sample.parts() for name, value in part(once).items()}


def measure(sample: Sample, only: str | None = None) -> Measure:
    """All parts' measures as one."""
    parts = list(sample.parts(only))
    return lambda counts: {name: value for part in parts for name, value in part(counts).items()}


def replicate(sample: Sample, replicates: int = REPLICATES) -> Values:
    """The metrics of resamples, as they scatter around the sample's own.

    Of a large sample, rows drawn by chance without replacement are resampled, and how far the resamples are from their
    own value is scaled by the root of the share of rows: the interval is then as wide as that of all rows, up to a
    relative error of about one in the root of twice the rows of the rarest class among those drawn. By itself, 2,000
    resamples give an interval's end to a few hundredths of its width.
    """
    limit = max(MINIMUM_ROWS, MAXIMUM_CELLS // max(1, sample.rankings))
    if sample.rows <= limit:
        return _replicates(sample, replicates)
    drawn = np.random.default_rng(_SEED).choice(sample.rows, limit, replace=False, shuffle=False)
    part = sample.take(np.sort(drawn))
    whole, own = values(sample), values(part)
    scale = np.sqrt(limit / sample.rows)
    return {name: whole[name] + scale * (found - own[name]) for name, found in _replicates(part, replicates).items()}


def estimates(sample: Sample) -> dict[str, Estimate]:
    """Each metric that the sample has, with its 95 % percentile interval; the same sample gives the same interval.

    The interval always holds the value: resamples of a calibration error, which cannot be below 0, are larger than it.
    """
    found = {}
    replicates = replicate(sample)
    for name, value in values(sample).items():
        if np.isnan(value):
            continue
        again = replicates[name][~np.isnan(replicates[name])]
        low, high = np.quantile(again, (0.025, 0.975)) if len(again) else (value, value)
        found[name] = Estimate(
            value=value,
            low=min(float(low), value),
            high=max(float(high), value),
            left_out=len(replicates[name]) - len(again),
        )
    return found


def _replicates(sample: Sample, replicates: int) -> Values:
    of = measure(sample)
    blocks = [of(block) for block in counts(sample.rows, replicates)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
