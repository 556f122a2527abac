"""Metrics of a regression, with the values that scikit-learn's functions of the same names give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hallmark.accuracy.bootstrap import Array, Measure, Values

_WORST = 1e300
"""The largest error, and the largest ratio of squared errors to the truth's own spread, that is told: JSON has no
infinity."""
_SAME = 1e-24
"""Truths whose spread, as a share of their squares, is no more than this may differ by rounding alone."""
_LEAST = 1e-300
"""What a spread is taken for that has no square."""
_EPSILON = float(np.finfo(np.float64).eps)
"""A true number is taken to be no nearer to 0 than this in the percentage error, as scikit-learn does."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """True and predicted finite numbers, in the label's unit."""

    truth: Array
    predicted: Array
    rankings = 1

    @property
    def rows(self) -> int:
        return len(self.truth)

    @property
    def errors(self) -> Array:
        """Predicted less true."""
        with np.errstate(over="ignore"):
            return np.clip(self.predicted - self.truth, -_WORST, _WORST)

    def take(self, rows: NDArray[np.intp]) -> Numbers:
        return Numbers(truth=self.truth[rows], predicted=self.predicted[rows])

    def parts(self, only: str | None = None) -> Iterator[Measure]:
        """Of all metrics: they come together."""
        yield _Errors(self)


class _Errors:
    """Errors are divided by the largest of them before they are squared: huge or tiny ones have no square."""

    def __init__(self, sample: Numbers) -> None:
        size = np.abs(sample.errors)
        self.largest = float(size.max()) or 1.0
        squares = np.square(size / self.largest)
        with np.errstate(over="ignore"):
            shares = np.minimum(size / np.maximum(np.abs(sample.truth), _EPSILON), _WORST)
        self.columns = np.column_stack([squares, size, shares])
        self.scale = float(np.abs(sample.truth).max()) or 1.0
        self.truth = sample.truth / self.scale

    def __call__(self, counts: Array) -> Values:
        rows = counts.sum(axis=1)
        # A share of a true 0 may be as large as a number gets, and many of them larger.
        with np.errstate(over="ignore"):
            squares, size, shares = np.minimum(counts @ self.columns / rows[:, None], _WORST).T
        return {
            "r2": self._r2(counts, rows, squares),
            "rmse": self.largest * np.sqrt(squares),
            "mae": size,
            "mape": shares,
        }

    def _r2(self, counts: Array, rows: Array, squares: Array) -> Array:
        """NaN for a resample whose truths are all the same."""
        middle = counts @ self.truth / rows
        spread = np.einsum("ij,ij->i", counts, np.square(self.truth - middle[:, None])) / rows
        for index in np.flatnonzero(spread <= _SAME * (counts @ np.square(self.truth)) / rows):
            drawn = self.truth[counts[index] > 0]
            spread[index] = np.nan if drawn.min() == drawn.max() else max(spread[index], _LEAST)
        with np.errstate(over="ignore"):
            unit = np.minimum(np.float64(self.largest) / self.scale, _WORST)
            ratio = np.minimum(squares / spread * unit * unit, _WORST)
        return np.asarray(1 - ratio)
