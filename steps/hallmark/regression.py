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
_WORST = 1e300
"""The largest ratio of squared errors to the truth's own spread that is told."""


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
    return {
        "r2": _r2(errors, truth - truth.mean()),
        "rmse": math.sqrt(float(np.square(errors).mean())),
        "mae": float(np.abs(errors).mean()),
    }


def _r2(errors: NDArray[np.float64], deviations: NDArray[np.float64]) -> float:
    scale = float(np.abs(deviations).max())
    if not scale:
        return math.nan
    # Squares of tiny deviations would vanish; and a report has no infinity.
    with np.errstate(over="ignore"):
        ratio = float(np.square(errors / scale).mean() / np.square(deviations / scale).mean())
    return 1 - min(ratio, _WORST)


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
