"""A column's reference distribution as a step function, from all of its values or from the quantiles of a profile.

Counting the current values at the steps is all that is needed of them, so they may come in batches of any number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

QUANTILES = 2_048
"""What a profile keeps of a column with many distinct values."""
DISTINCT = 1_024
"""Up to as many distinct values a profile keeps them all, with their counts, and is exact."""

_SHOWN, _BEYOND = 20, 6
"""Bars of a histogram over the reference's middle 99 %, and on either side of it for a current one that has moved."""
_FAR = 1e150


@dataclass(frozen=True, kw_only=True, eq=False)
class Distribution:
    """The share of values at most as large as each of `values`."""

    values: Floats
    """Distinct and ascending, the first the smallest and the last the largest value there was."""
    cumulative: Floats
    """For each of them the share of values that are not larger; the last is 1."""
    count: int
    """Of the values that it stands for."""
    error: float = 0.0
    """No share, at any value, is further than this from the true one. Neither is then the KS distance to any sample."""

    @classmethod
    def of(cls, values: Floats) -> Distribution:
        """All of `values` (at least one, no NaN, any order), exact."""
        ordered = np.sort(values)
        last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
        return cls(values=ordered[last], cumulative=(last + 1) / len(ordered), count=len(ordered))

    @classmethod
    def of_counts(cls, values: Floats, counts: Counts) -> Distribution:
        """Distinct ascending values with their counts, exact."""
        total = int(counts.sum())
        return cls(values=values, cumulative=np.cumsum(counts) / total, count=total)

    @classmethod
    def of_quantiles(cls, quantiles: Floats, count: int) -> Distribution:
        """What :func:`quantiles` kept of `count` values.

        Between two neighbouring quantiles the true share lies between the rank of the one and the rank below the
        other; the middle of the two is taken, so the error is at most half their distance: 1 / (2 (k - 1)) for k
        quantiles.
        """
        ranks = _ranks(len(quantiles), count)
        last = np.append(np.flatnonzero(quantiles[1:] != quantiles[:-1]), len(quantiles) - 1)
        lowest = ranks[last]
        highest = np.append(ranks[last[:-1] + 1] - 1, count)
        return cls(
            values=quantiles[last],
            cumulative=(lowest + highest) / (2 * count),
            count=count,
            error=float((highest - lowest).max() / (2 * count)),
        )

    @cached_property
    def below(self) -> Floats:
        """For each of the values the share of smaller ones."""
        return np.concatenate([[0.0], self.cumulative[:-1]])

    @property
    def counts(self) -> Counts:
        """How often each of the values stands in an exact distribution."""
        upto = np.rint(self.cumulative * self.count).astype(np.int64)
        return np.concatenate([upto[:1], upto[1:] - upto[:-1]])

    def quantile(self, share: float) -> float:
        """The smallest of the values that at least `share` of them do not exceed."""
        return float(self.values[min(int(np.searchsorted(self.cumulative, share - 1e-12)), len(self.values) - 1)])

    def share_up_to(self, points: Floats) -> Floats:
        """The share of values that are at most each of `points`."""
        place = np.searchsorted(self.values, points, side="right")
        return np.concatenate([[0.0], self.cumulative])[place]

    def area_to(self, ordered: Floats) -> float:
        """The first Wasserstein distance to ascending finite values, in the values' own unit."""
        points = np.sort(np.concatenate([self.values, ordered]))
        found = np.searchsorted(ordered, points[:-1], side="right") / len(ordered)
        return float((np.abs(self.share_up_to(points[:-1]) - found) * np.diff(points)).sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class Cuts:
    """Where a distribution's range is cut into bins: after, or before, some of its values."""

    place: Counts
    """Index into the distribution's values."""
    after: npt.NDArray[np.bool_]
    """Whether the value itself belongs to the bin on the left."""

    def bins(self, below: npt.NDArray[np.number], upto: npt.NDArray[np.number], total: float) -> Floats:
        """What lies in each bin, from what lies below, and up to, each of the distribution's values."""
        at = np.where(self.after, upto[self.place], below[self.place]).astype(np.float64)
        return np.diff(np.concatenate([[0.0], at, [total]]))


def cuts(reference: Distribution, bins: int) -> Cuts:
    """Cuts into about `bins` bins that hold equally much of the reference.

    A value that alone fills a bin has one of its own, so that moving away from a constant is seen on either side.
    """
    wanted = np.arange(1, bins + 1) / bins
    place = np.unique(np.minimum(np.searchsorted(reference.cumulative, wanted - 1e-12), len(reference.values) - 1))
    alone = (reference.cumulative - reference.below)[place] >= 1 / bins
    # After the largest value there is nothing of the reference, unless that value has a bin of its own.
    after = alone | (place < len(reference.values) - 1)
    both = np.concatenate([2 * place[alone], 2 * place[after] + 1])
    both.sort()
    return Cuts(place=both // 2, after=both % 2 == 1)


@dataclass(kw_only=True, eq=False)
class Tally:
    """Counts the current values at a reference's steps and at a histogram's edges, batch by batch."""

    reference: Distribution
    count: int = 0
    below: Counts = field(init=False)
    """How many current values are smaller than each of the reference's values."""
    upto: Counts = field(init=False)
    """How many are at most as large."""
    edges: Floats = field(init=False)
    up_to_edge: Counts = field(init=False)

    def __post_init__(self) -> None:
        steps = len(self.reference.values)
        self.below, self.upto = np.zeros(steps, np.int64), np.zeros(steps, np.int64)
        self.edges = _edges(self.reference)
        self.up_to_edge = np.zeros(len(self.edges), np.int64)

    def add(self, values: Floats) -> None:
        """Count a batch: values in any order, no NaN. The array is sorted in place."""
        values.sort()
        self.count += len(values)
        steps = self.reference.values
        below = np.searchsorted(values, steps, side="left")
        # Only where a step is a current value too do the two sides differ: mostly nowhere, or at a few steps.
        equal = np.flatnonzero(values[np.minimum(below, len(values) - 1)] == steps) if len(values) else below[:0]
        self.below += below
        self.upto += below
        self.upto[equal] += np.searchsorted(values, steps[equal], side="right") - below[equal]
        self.up_to_edge += np.searchsorted(values, self.edges, side="right")

    def distance(self) -> float:
        """The KS distance: the reference's function is level between its steps and the current one rises, so the
        largest distance is at a step, or just below one."""
        at = np.abs(self.upto / self.count - self.reference.cumulative).max()
        before = np.abs(self.below / self.count - self.reference.below).max()
        return float(max(at, before))

    def bins(self, number: int) -> tuple[Floats, Floats]:
        """Counts of the reference and of the current values in bins that hold equally much of the reference."""
        where = cuts(self.reference, number)
        shares = where.bins(self.reference.below, self.reference.cumulative, 1.0)
        return shares * self.reference.count, where.bins(self.below, self.upto, self.count)

    def histogram(self) -> dict[str, list[float]]:
        """Shares of both in equally wide bars, for drawing: {edges, reference, current}, where the first and the last
        share are of what lies beyond the edges. The edges are round numbers: no value of the data is in it."""
        expected = np.diff(np.concatenate([[0.0], self.reference.share_up_to(self.edges), [1.0]]))
        found = np.diff(np.concatenate([[0], self.up_to_edge, [self.count]])) / self.count
        used = np.flatnonzero((expected[1:-1] > 0) | (found[1:-1] > 0))
        first, last = (int(used[0]), int(used[-1])) if len(used) else (0, len(self.edges) - 2)
        return {
            "edges": [float(edge) for edge in self.edges[first : last + 2]],
            "reference": _trimmed(expected, first, last),
            "current": _trimmed(found, first, last),
        }


def quantiles(whole: Distribution, number: int = QUANTILES) -> Floats:
    """`number` of an exact distribution's values, evenly spaced by rank, the first and the last among them."""
    upto = np.rint(whole.cumulative * whole.count)
    return whole.values[np.searchsorted(upto, _ranks(number, whole.count), side="left")]


def _ranks(number: int, count: int) -> Counts:
    """The ranks, from 1, of `number` evenly spaced quantiles of `count` values: ceil(i n / (number - 1))."""
    return np.maximum(1, -(-np.arange(number, dtype=np.int64) * count // (number - 1)))


def _edges(reference: Distribution) -> Floats:
    """Round numbers, so that no value of the data is told, at about the twentieth of the reference's middle 99 %."""
    # Further out are infinities, and numbers whose differences are.
    low, high = (min(max(reference.quantile(share), -_FAR), _FAR) for share in (0.005, 0.995))
    largest = max(abs(low), abs(high))
    rough = max((high - low) / _SHOWN, 1e-12 * largest) if high > low else max(largest, 1.0) / _SHOWN
    power = 10.0 ** math.floor(math.log10(rough))
    width = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    places = np.arange(math.floor(low / width) - _BEYOND, math.ceil(high / width) + _BEYOND + 1, dtype=np.float64)
    return np.asarray(places * width, dtype=np.float64)


def _trimmed(shares: Floats, first: int, last: int) -> list[float]:
    """The shares of the bars from `first` to `last`, with everything outside of them at both ends."""
    inner = shares[1 + first : 2 + last]
    return [float(shares[: 1 + first].sum()), *map(float, inner), float(shares[2 + last :].sum())]
