"""The answers to changed rows, beside those to the same rows unchanged, test by test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from hallmark.behaviour.outcomes import Floats, Outcomes, Task, answers_of, plain
from hallmark.behaviour.plan import Trial
from hallmark.behaviour.probes import BASE, TEST
from hallmark.datasets import PREDICTION, PROBABILITY_PREFIX, ROW
from hallmark.errors import BadInputError

Bools = npt.NDArray[np.bool_]

NEAR_ZERO = 1e-12
"""A difference that is none, of whatever numbers."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One test's rows: what was said of them changed and unchanged."""

    trial: Trial
    task: Task
    truth: pl.Series
    before: pl.Series
    after: pl.Series
    """Null where there is no answer."""
    base: npt.NDArray[np.int64]
    """The row that each was made of."""
    probabilities: dict[str, tuple[Floats, Floats]]
    """By class, before and after; NaN where there is none. Empty for a model that gives none."""

    @property
    def rows(self) -> int:
        return self.after.len()

    @property
    def unanswered(self) -> int:
        return self.after.null_count()

    def only(self, places: npt.NDArray[np.int64]) -> Answered:
        """The same of some rows, in the order of their places here."""
        return replace(
            self,
            truth=self.truth[places],
            before=self.before[places],
            after=self.after[places],
            base=self.base[places],
            probabilities={name: (one[places], other[places]) for name, (one, other) in self.probabilities.items()},
        )

    def differs(self, tolerance: float) -> Bools:
        """Which answers are others: another class, or a number that differs by more than `tolerance`, relative."""
        if self.task == "classification":
            return ~self.before.eq_missing(self.after).to_numpy()
        return ~close(self.before.to_numpy(), with_nan(self.after), tolerance)


def close(one: Floats, other: Floats, tolerance: float) -> Bools:
    """Which numbers are the same up to a relative `tolerance`; NaN never is."""
    with np.errstate(invalid="ignore"):
        near: Bools = np.abs(one - other) <= np.maximum(tolerance * np.maximum(np.abs(one), np.abs(other)), NEAR_ZERO)
    return near


def with_nan(values: pl.Series) -> Floats:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def answered(
    key: pl.DataFrame, predictions: pl.DataFrame, found: Outcomes, trials: Sequence[Trial]
) -> Iterator[Answered]:
    """The tests' rows, in the plan's order."""
    for column in (BASE, TEST):
        if column not in key.columns or key[column].null_count():
            raise BadInputError(f"the probes' key has no complete column {column}", solution="start a new run")
    wanted = {trial.name for trial in trials if trial.columns or not trial.untouched}
    there = set(key[TEST].unique().to_list())
    if there != wanted:
        odd = sorted(there ^ wanted)[0]
        raise BadInputError(
            f"the probes and the rules do not fit together: {'no rows for' if odd in wanted else 'unknown test'} {odd}",
            solution="let one run make the probes and judge them, with the same policy and hallmark.yaml",
        )
    if predictions.height != found.height + key.height or key[ROW].is_in(found.rows.implode()).any():
        raise BadInputError(
            f"there are {predictions.height} predictions for {found.height} rows and {key.height} probes",
            solution="hand over the results of one run",
        )
    bases = key[BASE].cast(pl.Int64)
    # Some thousands of perhaps millions.
    predictions = predictions.with_columns(pl.col(ROW).cast(pl.Int64)).filter(
        pl.col(ROW).is_in(pl.concat([bases.alias(ROW), key[ROW]]).unique().implode())
    )
    answers = answers_of(predictions, key[ROW], PREDICTION)
    places = np.clip(found.rows.search_sorted(bases).to_numpy(), 0, found.height - 1)
    if not found.rows[places].equals(bases.alias(found.rows.name)):
        raise BadInputError("the probes' key names base rows that are not there", solution="start a new run")
    probabilities = {
        column.removeprefix(PROBABILITY_PREFIX): (
            with_nan(answers_of(predictions, bases, column)),
            with_nan(answers_of(predictions, key[ROW], column)),
        )
        for column in predictions.columns
        if column.startswith(PROBABILITY_PREFIX)
    }
    for trial in trials:
        if trial.name not in wanted:
            continue
        mine = (key[TEST] == trial.name).arg_true().to_numpy()
        base = places[mine]
        yield Answered(
            trial=trial,
            task=found.task,
            truth=found.truth[base],
            before=found.predicted[base],
            after=_plain_or_null(answers[mine], found),
            base=base,
            probabilities={name: (one[mine], other[mine]) for name, (one, other) in probabilities.items()},
        )


def _plain_or_null(values: pl.Series, found: Outcomes) -> pl.Series:
    """Canonical answers; null for none, and for a number that is not finite."""
    known = values.is_not_null()
    if found.task == "regression":
        numbers = values.cast(pl.Float64, strict=False)
        return numbers.zip_with(numbers.is_finite().fill_null(value=False), pl.Series([None], dtype=pl.Float64))
    if not known.any():
        return pl.Series(values.name, [None] * values.len(), dtype=pl.String)
    texts = plain(values.filter(known), found.task, "a prediction")
    return pl.Series(np.flatnonzero(known.to_numpy())).to_frame("place").with_columns(texts.alias("text")).join(
        pl.DataFrame({"place": np.arange(values.len())}), on="place", how="right", maintain_order="right"
    )["text"]  # fmt: skip
