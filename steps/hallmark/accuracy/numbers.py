"""Metrics of a regression, with the values that scikit-learn's functions of the same names give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hallmark.accuracy.bootstrap import Array, Measure, Values
from hallmark.documents.rules_model import OF_QUANTILES

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
    quantiles: dict[float, Array] = field(default_factory=dict)
    """By level, rising: the number that the truth should be at most, in so large a share of the rows."""
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
        quantiles = {level: values[rows] for level, values in self.quantiles.items()}
        return Numbers(truth=self.truth[rows], predicted=self.predicted[rows], quantiles=quantiles)

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Which rows lie between the lowest and the highest quantile, both included."""
        low, high = self.quantiles[min(self.quantiles)], self.quantiles[max(self.quantiles)]
        return np.asarray((low <= self.truth) & (self.truth <= high))

    def parts(self, only: str | None = None) -> Iterator[Measure]:
        """Of the errors, and of the quantiles where there are any: each come together."""
        if only is None or only not in OF_QUANTILES:
            yield _Errors(self)
        if self.quantiles and (only is None or only in OF_QUANTILES):
            yield _Quantiles(self)


class _Quantiles:
    """How often the truth is where it should be, and the pinball loss (R. Koenker and G. Bassett, Econometrica 46,
    1978, p. 33) as the plain mean over the levels."""

    def __init__(self, sample: Numbers) -> None:
        self.levels = np.array(list(sample.quantiles))
        below = [sample.truth <= values for values in sample.quantiles.values()]
        with np.errstate(over="ignore"):
            gaps = {level: sample.truth - values for level, values in sample.quantiles.items()}
            losses = [np.where(gap >= 0, level * gap, (level - 1) * gap) for level, gap in gaps.items()]
            loss = np.minimum(np.mean(losses, axis=0), _WORST)
        self.columns = np.column_stack([*below, sample.covered, loss]).astype(np.float64)

    def __call__(self, counts: Array) -> Values:
        with np.errstate(over="ignore"):
            shares = np.minimum(counts @ self.columns / counts.sum(axis=1)[:, None], _WORST)
        return {
            "coverage": shares[:, -2],
            "coverage_error": np.abs(shares[:, :-2] - self.levels).max(axis=1),
            "pinball_loss": shares[:, -1],
        }


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
