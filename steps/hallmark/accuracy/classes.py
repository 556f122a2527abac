"""Metrics of a classifier, with the values that scikit-learn's functions of the same names give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hallmark.accuracy.bootstrap import Array, Measure, Values
from hallmark.documents.rules_model import OF_PROBABILITIES
from hallmark.errors import BadInputError

if TYPE_CHECKING:
    import polars as pl

BINS = 10
"""Of the calibration error, equally wide, each with its upper edge."""
AREAS = frozenset({"roc_auc", "pr_auc"})
_EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1 in the log loss, as scikit-learn does."""
Codes = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """True and predicted classes, as places in `classes`."""

    classes: tuple[str, ...]
    """In the order of their texts: those of the labels, and those that the model has a probability of."""
    truth: Codes
    predicted: Codes
    """`len(classes)` for whatever else the model answered: it counts as one class more that no row is of."""
    probabilities: Array | None
    """(rows, classes); 0 for a class that the model has no probability of. None for a model that gives none."""
    positive: int | None = None
    """Of two classes the one that f1, precision, recall and pr_auc are about; None: the mean over the classes."""

    @property
    def rows(self) -> int:
        return len(self.truth)

    @property
    def binary(self) -> bool:
        return len(self.classes) == 2

    @property
    def ranked(self) -> tuple[int, ...]:
        """The classes whose probability puts the rows in an order: of two classes for the ROC curve one is enough."""
        if self.probabilities is None:
            return ()
        return (self.positive,) if self.positive is not None else tuple(range(len(self.classes)))

    @property
    def rankings(self) -> int:
        return len(self.ranked)

    def take(self, rows: Codes) -> Answers:
        some = None if self.probabilities is None else self.probabilities[rows]
        return replace(self, truth=self.truth[rows], predicted=self.predicted[rows], probabilities=some)

    def parts(self, only: str | None = None) -> Iterator[Measure]:
        """Of all metrics, or of one and those that come with it."""
        if only is None or only not in OF_PROBABILITIES:
            yield _Confusion(self)
        if self.probabilities is not None and (only is None or only in AREAS):
            yield _Rankings(self, self.probabilities)
        if self.probabilities is not None and (only is None or only in OF_PROBABILITIES - AREAS):
            yield _Losses(self, self.probabilities)


def answers(
    truth: Sequence[str] | pl.Series,
    predicted: Sequence[str] | pl.Series,
    probabilities: dict[str, Array] | None = None,
    positive: str | None = None,
) -> Answers:
    """The rows' canonical labels and predictions, and the probabilities of each class, as codes.

    Raises:
        BadInputError: `positive` is no class of the labels, or there are not two classes.
    """
    import polars as pl

    true, told = pl.Series(truth, dtype=pl.String), pl.Series(predicted, dtype=pl.String)
    known = set(true.unique().to_list())
    classes = sorted(known | set(probabilities or {}))
    if positive is not None and (positive not in known or len(classes) != 2):
        raise BadInputError(
            f"model.positive names {positive!r}, but the classes are {', '.join(classes[:10])}"
            + (" and more" if len(classes) > 10 else ""),
            solution="name one of two classes, or take model.positive away: metrics are then means over classes",
        )
    places = range(len(classes))
    table = None
    if probabilities:
        none = np.zeros(len(true))
        table = np.column_stack([probabilities.get(name, none) for name in classes])
    return Answers(
        classes=tuple(classes),
        truth=true.replace_strict(classes, places, return_dtype=pl.Int64).to_numpy(),
        predicted=told.replace_strict(classes, places, default=len(classes), return_dtype=pl.Int64).to_numpy(),
        probabilities=table,
        positive=None if positive is None else classes.index(positive),
    )


class _Confusion:
    """Metrics of how often each true class was told each class. What divides by nothing is 0, as in scikit-learn."""

    def __init__(self, answers: Answers) -> None:
        self.size = len(answers.classes) + 1
        self.positive = answers.positive
        code = answers.truth * self.size + answers.predicted
        self.order = np.argsort(code, kind="stable")
        cells, self.starts = np.unique(code[self.order], return_index=True)
        self.true, self.told = np.divmod(cells, self.size)

    def __call__(self, counts: Array) -> Values:
        cells = np.add.reduceat(counts.take(self.order, axis=1), self.starts, axis=1)
        true, told = self._totals(cells, self.true), self._totals(cells, self.told)
        right = self._totals(cells * (self.true == self.told), self.true)
        recall, precision = _share(right, true), _share(right, told)
        f1 = _share(2 * right, true + told)
        found = {
            "accuracy": right.sum(axis=1) / cells.sum(axis=1),
            "balanced_accuracy": _mean(recall, true > 0),
        }
        for name, by_class in (("f1", f1), ("precision", precision), ("recall", recall)):
            one = self.positive
            found[name] = _mean(by_class, true + told > 0) if one is None else by_class[:, one]
        return found

    def _totals(self, cells: Array, of: Codes) -> Array:
        """(resamples, classes): the cells of each class together."""
        found = np.zeros((len(cells), self.size))
        order = np.argsort(of, kind="stable")
        classes, starts = np.unique(of[order], return_index=True)
        found[:, classes] = np.add.reduceat(cells[:, order], starts, axis=1)
        return found


class _Losses:
    """Means over rows, and the calibration error: sums of weights times what was computed once for each row.

    The calibration error is that of the likeliest class (C. Guo and others, On calibration of modern neural networks,
    ICML 2017): over bins of its probability, by their rows, how far that is on average from how often it is right.
    """

    def __init__(self, answers: Answers, probabilities: Array) -> None:
        rows, truth = np.arange(answers.rows), answers.truth
        of_truth = probabilities[rows, truth]
        squares = np.square(probabilities).sum(axis=1) - 2 * of_truth + 1
        likeliest, confidence, bins = top(probabilities)
        self.order = np.argsort(bins, kind="stable")
        self.gaps = ((likeliest == truth) - confidence)[self.order]
        self.starts = np.unique(bins[self.order], return_index=True)[1]
        self.log_loss = -np.log(np.clip(of_truth, _EPSILON, 1 - _EPSILON))
        self.brier = squares / 2 if answers.binary else squares

    def __call__(self, counts: Array) -> Values:
        rows = counts.sum(axis=1)
        gaps = np.add.reduceat(counts.take(self.order, axis=1) * self.gaps, self.starts, axis=1)
        return {
            "log_loss": np.einsum("ij,j->i", counts, self.log_loss) / rows,
            "brier": np.maximum(np.einsum("ij,j->i", counts, self.brier) / rows, 0),
            "calibration_error": np.abs(gaps).sum(axis=1) / rows,
        }


def top(probabilities: Array) -> tuple[Codes, Array, Codes]:
    """Of each row the likeliest class, its probability, and in which bin of calibration that is."""
    likeliest = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(probabilities)), likeliest]
    bins = np.clip(np.ceil(confidence * BINS).astype(np.intp) - 1, 0, BINS - 1)
    return likeliest, confidence, bins


class _Rankings:
    """Areas under the curves of each class against the rest; those of several classes are their plain mean.

    A class of which a resample has no row, or nothing but its rows, has no curve there and is left out of the mean.
    """

    def __init__(self, answers: Answers, probabilities: Array) -> None:
        # Of two classes both ROC curves have the same area.
        self.one_area = answers.binary
        self.curves = [Ranking(answers.truth == index, probabilities[:, index]) for index in answers.ranked]

    def __call__(self, counts: Array) -> Values:
        areas = [curve(counts) for curve in self.curves]
        roc, pr = np.stack([area[0] for area in areas], axis=1), np.stack([area[1] for area in areas], axis=1)
        known = ~np.isnan(roc)
        return {
            "roc_auc": _mean(roc[:, -1:] if self.one_area else roc, known[:, -1:] if self.one_area else known),
            "pr_auc": _mean(pr, known),
        }


class Ranking:
    """Rows by falling score, equal scores together: the area under the ROC curve, and the average precision."""

    def __init__(self, positive: NDArray[np.bool_], score: Array) -> None:
        self.order = np.argsort(-score, kind="stable")
        self.positive = positive[self.order].astype(np.float64)
        ordered = score[self.order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self.starts = None if len(starts) == len(score) else starts

    def __call__(self, counts: Array) -> tuple[Array, Array]:
        """Both areas for each resample; NaN without a positive or without a negative row."""
        drawn = counts.take(self.order, axis=1)
        hits = drawn * self.positive
        if self.starts is not None:
            drawn, hits = (np.add.reduceat(part, self.starts, axis=1) for part in (drawn, hits))
        above, all_above = np.cumsum(hits, axis=1), np.cumsum(drawn, axis=1)
        positives, rows = above[:, -1].copy(), all_above[:, -1].copy()
        negatives = rows - positives
        # Of each negative row: the positive ones before it, and half of those beside it. All rows but the positive ones
        # are the negative ones, and the positive ones have half of their square of pairs among themselves.
        pairs = _dot(drawn, above) - (positives * positives + _dot(drawn, hits)) / 2
        np.maximum(all_above, 1, out=all_above)
        precise = _dot(hits, np.divide(above, all_above, out=above))
        none = (positives == 0) | (negatives == 0)
        roc = pairs / np.where(none, np.nan, positives * negatives)
        return roc, precise / np.where(none, np.nan, positives)

    def curve(self, points: int) -> list[list[float]]:
        """At most `points` of the ROC curve's points [false positive rate, true positive rate], its ends among them."""
        ends = (
            np.r_[self.starts[1:] - 1, len(self.order) - 1] if self.starts is not None else np.arange(len(self.order))
        )
        true, false = np.cumsum(self.positive)[ends], np.cumsum(1 - self.positive)[ends]
        chosen = np.unique(np.linspace(0, len(ends) - 1, min(len(ends), points - 1)).astype(np.intp))
        found = np.column_stack([false[chosen] / false[-1], true[chosen] / true[-1]])
        return [[0.0, 0.0], *([round(float(x), 5), round(float(y), 5)] for x, y in found)]


def _dot(one: Array, other: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", one, other))


def _share(part: Array, whole: Array) -> Array:
    return part / np.where(whole > 0, whole, 1.0)


def _mean(by_class: Array, counted: NDArray[np.bool_]) -> Array:
    """The mean over the classes that are counted; NaN where none is."""
    number = counted.sum(axis=1)
    total = np.where(counted, by_class, 0.0).sum(axis=1)
    return np.asarray(total / np.where(number > 0, number, np.nan))
