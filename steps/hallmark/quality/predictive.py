"""How well one column alone predicts the label: arrays in, a score out, no tables and no rules.

The column is cut into bins. What the bins say about the label is learned on one half of the rows and scored on the
other, and the other way round, so that a column with a value of its own for each row (an id) gains nothing by that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]

MAXIMUM_BINS = 64
ROWS_A_BIN = 25
_RARE = 5
"""Categories with fewer rows than this are one bin: alone they could not be learned from."""
_PRIOR = 1.0
"""Rows of the average kind that each bin is given, so that a bin of two rows does not shout."""
_LOOKED_AT = 100_000
"""Values that bins are cut by: their sizes need not be exact."""
_SEED = 20_260_101


@dataclass(frozen=True, kw_only=True)
class Score:
    value: float
    """0 (or 0.5 for an AUC) says nothing about the label, 1 says all of it."""
    strongest: int | None = None
    """The class that the column tells apart best, as its code; None for a number as label."""
    strongest_value: float | None = None


def halves(rows: int) -> NDArray[np.bool_]:
    """Which rows are in the second half: at random, but the same each time."""
    return np.random.default_rng(_SEED).random(rows) < 0.5


def number_bins(values: NDArray[np.float64]) -> Codes:
    """Bins of about equal size, the last of them for NaN; a number with few different values keeps them all."""
    missing = np.isnan(values)
    known = values[~missing]
    if len(known) > _LOOKED_AT:
        known = np.random.default_rng(_SEED).choice(known, _LOOKED_AT)
    bins = int(np.clip(len(known) // ROWS_A_BIN, 2, MAXIMUM_BINS))
    edges = np.unique(known)
    if len(edges) > bins:
        # Each edge is a value of the data, so that equal values share a bin.
        ordered = np.sort(known)
        edges = np.unique(ordered[np.linspace(0, len(ordered), bins, endpoint=False).astype(np.int64)[1:] - 1])
    codes = np.searchsorted(edges, values, side="left").astype(np.int64)
    codes[missing] = len(edges) + 1
    return codes


def category_bins(codes: Codes) -> Codes:
    """One bin for each category, given as a code; one for all that are rare."""
    _, dense, counts = np.unique(codes, return_inverse=True, return_counts=True)
    return np.where(counts[dense] < _RARE, 0, dense + 1).astype(np.int64)


def auc_of_bins(bins: Codes, classes: Codes, second: NDArray[np.bool_]) -> Score | None:
    """The mean over the classes of the area under the ROC curve of each class against the rest.

    The bins' shares of a class are its score, so a column that falls with the label counts as much as one that rises.
    The area is that of the Mann-Whitney statistic, ties count half (J. A. Hanley and B. J. McNeil, Radiology 143,
    1982, p. 29).

    Args:
        bins: a bin for each row, >= 0.
        classes: the label as codes from 0 without gaps.
        second: which half a row is in.

    Returns:
        None if no class has rows on both sides in both halves: too few to say anything.
    """
    width = int(classes.max()) + 1
    shape = (int(bins.max()) + 1, width)
    cells = bins * width + classes
    tables = [np.bincount(cells[half], minlength=shape[0] * width).reshape(shape) for half in (~second, second)]
    areas = np.full((2, width), np.nan)
    for index, (learned, asked) in enumerate((tables, tables[::-1])):
        share = learned.sum(axis=0) / max(1, learned.sum())
        scores = (learned + _PRIOR * share) / (learned.sum(axis=1, keepdims=True) + _PRIOR)
        for one in range(width):
            areas[index, one] = _area(scores[:, one], asked[:, one], asked.sum(axis=1) - asked[:, one])
    by_class = areas.mean(axis=0)
    told = ~np.isnan(by_class)
    if not told.any():
        return None
    strongest = int(np.nanargmax(by_class))
    return Score(value=float(by_class[told].mean()), strongest=strongest, strongest_value=float(by_class[strongest]))


def r_squared_of_bins(bins: Codes, label: NDArray[np.float64], second: NDArray[np.bool_]) -> Score | None:
    """The share of the label's variance that the bins' means explain on rows that they were not learned from.

    Returns:
        None if a half has fewer than two rows or a label that does not vary.
    """
    found = []
    size = int(bins.max()) + 1
    for learned, asked in ((~second, second), (second, ~second)):
        if learned.sum() < 2 or asked.sum() < 2:
            return None
        mean = label[learned].mean()
        counts = np.bincount(bins[learned], minlength=size)
        sums = np.bincount(bins[learned], weights=label[learned], minlength=size)
        told = ((sums + _PRIOR * mean) / (counts + _PRIOR))[bins[asked]]
        spread = float(np.square(label[asked] - mean).sum())
        if spread == 0:
            return None
        found.append(1 - float(np.square(label[asked] - told).sum()) / spread)
    return Score(value=max(0.0, float(np.mean(found))))


def _area(scores: NDArray[np.float64], inside: Codes, outside: Codes) -> float:
    """The AUC of bins with these scores, holding so many rows of a class and of the others; NaN without either."""
    order = np.argsort(scores, kind="stable")
    _, level = np.unique(scores[order], return_inverse=True)
    ours, others = np.bincount(level, weights=inside[order]), np.bincount(level, weights=outside[order])
    if not ours.sum() or not others.sum():
        return float("nan")
    below = np.cumsum(others) - others
    return float((ours * (below + others / 2)).sum() / (ours.sum() * others.sum()))
