"""How good predicted numbers are: plain functions of numbers, without files and without a model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAXIMUM_REPEATS = 1000
_MINIMUM_REPEATS = 100
_DRAWS = 20_000_000
"""Rows that are drawn in all the bootstrap's repeats together: many rows need few repeats."""
_SEED = 20_260_101


@dataclass(frozen=True, kw_only=True)
class Score:
    value: float
    low: float
    """Lower bound of the 95 % interval."""
    high: float


def numbers(texts: Iterable[str]) -> NDArray[np.float64]:
    """Canonical labels as finite numbers. Raises ValueError where one is none."""
    found = np.array([float(text) for text in texts])
    if not np.isfinite(found).all():
        raise ValueError("a number is not finite")
    return found


def scores(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, Score]:
    """`r2`, `rmse` and `mae`, with intervals by the percentile bootstrap over rows (B. Efron, Annals of Statistics 7,
    1979, p. 1); the same rows give the same intervals.

    `rmse` and `mae` are in the label's own unit.

    Args:
        truth: at least two different values: R² compares with always saying their mean.
    """
    generator = np.random.default_rng(_SEED)
    count = int(np.clip(_DRAWS // len(truth), _MINIMUM_REPEATS, _MAXIMUM_REPEATS))
    drawn = (generator.integers(0, len(truth), len(truth)) for _ in range(count))
    repeats = [_scores(truth[rows], predicted[rows]) for rows in drawn]
    found: dict[str, Score] = {}
    for name, value in _scores(truth, predicted).items():
        # A draw of equal truths has no R².
        again = [repeat[name] for repeat in repeats if not math.isnan(repeat[name])]
        low, high = np.quantile(again, (0.025, 0.975)) if again else (value, value)
        found[name] = Score(value=value, low=float(low), high=float(high))
    return found


def _scores(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    errors = predicted - truth
    squared = float(np.square(errors).mean())
    spread = float(np.square(truth - truth.mean()).mean())
    return {
        "r2": 1 - squared / spread if spread else math.nan,
        "rmse": math.sqrt(squared),
        "mae": float(np.abs(errors).mean()),
    }


def same_number(one: str, other: str, tolerance: float) -> bool:
    """Whether two canonical labels are the same number, up to a relative `tolerance`; of no number, never.

    A library that multiplies a row alone and in a batch may round the last digits otherwise.

    >>> same_number("112.5", "112.50000000000001", 1e-9), same_number("nan", "nan", 1)
    (True, False)
    """
    try:
        return math.isclose(float(one), float(other), rel_tol=tolerance, abs_tol=1e-12)
    except ValueError:
        return False
