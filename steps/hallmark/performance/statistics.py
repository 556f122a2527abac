"""Estimates and intervals of what was measured in several rounds.

Questions of one round share a process, its memory layout and the state of the machine, so they are not independent:
rounds are drawn first, then questions within each (two-stage bootstrap; Davison and Hinkley, Bootstrap Methods and
their Application, 1997, section 3.8). Few rounds make such intervals too narrow by sqrt((R - 1) / R), which is undone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hallmark.performance.document import Measure, Unit

Floats = np.ndarray[Any, np.dtype[np.float64]]
Statistic = Callable[[Floats], Any]
"""Of values (replicates, samples) along the last axis."""

REPLICATES = 400
LEVEL = 0.95
_SEED = 1


def measure(rounds: Sequence[Sequence[float]], statistic: Statistic, unit: Unit) -> Measure:
    """The statistic of all samples, with its interval over rounds.

    Args:
        rounds: the samples of each round, as many in each, at least one; at least one round.
    """
    values = np.array(rounds, dtype=np.float64)
    estimate = float(statistic(values.reshape(1, -1))[0])
    count, samples = values.shape
    if count == 1:
        return Measure(value=estimate, low=estimate, high=estimate, unit=unit, samples=samples)
    dice = np.random.default_rng(_SEED)
    drawn = dice.integers(count, size=(REPLICATES, count, 1))
    within = dice.integers(samples, size=(REPLICATES, count, samples))
    replicates = statistic(values[drawn, within].reshape(REPLICATES, -1))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    wider = math.sqrt(count / (count - 1))
    return Measure(
        value=estimate,
        low=max(0.0, estimate - wider * max(0.0, estimate - float(low))),
        high=estimate + wider * max(0.0, float(high) - estimate),
        unit=unit,
        samples=values.size,
    )


def mean(values: Floats) -> Any:
    """Along the last axis."""
    return values.mean(axis=-1)


def percentile(share: float) -> Statistic:
    """The statistic below which `share` (0 to 1) of the values lie."""
    return lambda values: np.quantile(values, share, axis=-1)


def exactly(value: float, unit: Unit) -> Measure:
    """What is no matter of chance."""
    return Measure(value=value, low=value, high=value, unit=unit, samples=1)


def histogram(values: Sequence[float], bins: int = 30) -> list[tuple[float, int]]:
    """Upper edges and counts, equally wide up to the 99th percentile; the last bin holds the rest."""
    array = np.array(values, dtype=np.float64)
    top = float(np.quantile(array, 0.99)) or float(array.max()) or 1.0
    counts, edges = np.histogram(np.minimum(array, top), bins=bins, range=(0.0, top))
    upper = [*edges[1:-1].tolist(), float(max(array.max(), top))]
    return [(edge, int(count)) for edge, count in zip(upper, counts.tolist(), strict=True)]
