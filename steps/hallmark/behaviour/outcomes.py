"""Labels and predictions as the parts of this package take them: by row, canonical, complete."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from hallmark.datasets import LABEL, PREDICTION, ROW
from hallmark.errors import BadInputError
from hallmark.labels import canonical
from hallmark.nearest import did_you_mean

Task = Literal["classification", "regression"]
Floats = npt.NDArray[np.float64]

LIMITS_OF: dict[Task, tuple[str, ...]] = {
    "classification": (
        "minimum",
        "maximum_gap",
        "maximum_drop",
        "maximum_changed",
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equalized_odds_difference",
        "equalized_odds_ratio",
        "equal_opportunity_difference",
        "accuracy_difference",
    ),
    "regression": (
        "maximum_error",
        "maximum_ratio",
        "maximum_error_ratio",
        "mean_error_difference",
        "mae_difference",
    ),
}
"""Limits that have a meaning for one task only."""


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """The truth and what the model said, for every row, in the order of the rows' numbers."""

    task: Task
    rows: pl.Series
    """Int64, ascending."""
    truth: pl.Series
    """Canonical text for classes, Float64 for numbers."""
    predicted: pl.Series

    @property
    def height(self) -> int:
        return self.rows.len()

    @property
    def scores(self) -> Floats:
        """Of each row: 1 for a right class and 0 for a wrong one; the absolute error of a number."""
        if self.task == "classification":
            return (self.truth == self.predicted).cast(pl.Float64).to_numpy()
        return (self.predicted - self.truth).abs().to_numpy()


def outcomes(labels: pl.DataFrame, predictions: pl.DataFrame, task: Task) -> Outcomes:
    """The rows of `labels` {row, label} with their answers from `predictions` {row, prediction}, which may have more.

    Raises:
        BadInputError: no rows, a row twice or without an answer, or a label or an answer that is none of its task.
    """
    rows = by_row(labels, "the labels")
    if rows.is_empty():
        raise BadInputError("there are no labels, so nothing can be judged", solution="provide independent data")
    answers = answers_of(by_row(predictions, "the predictions"), rows[ROW], PREDICTION)
    return Outcomes(
        task=task,
        rows=rows[ROW],
        truth=plain(rows[LABEL], task, "a label"),
        predicted=plain(answers, task, "a prediction"),
    )


def by_row(frame: pl.DataFrame, what: str) -> pl.DataFrame:
    """`frame` in the order of its rows' numbers. Raises BadInputError where one is missing or stands twice."""
    if ROW not in frame.columns or not frame.schema[ROW].is_integer() or frame[ROW].null_count():
        raise BadInputError(f"{what} do not number their rows", solution="start a new run")
    ordered = frame.with_columns(pl.col(ROW).cast(pl.Int64))
    if not rising(ordered[ROW]):
        ordered = ordered.sort(ROW)
        if not rising(ordered[ROW]):
            raise BadInputError(f"{what} have a row twice", solution="start a new run")
    return ordered


def rising(rows: pl.Series) -> bool:
    """Whether each number is above the one before it: as the steps write them, so that no copy has to be sorted."""
    return bool((rows[1:] > rows[:-1]).all())


def answers_of(predictions: pl.DataFrame, rows: pl.Series, column: str) -> pl.Series:
    """The values of `column` for `rows`. Raises BadInputError where a row or the column is missing."""
    if column not in predictions.columns:
        raise BadInputError(f"the predictions have no column {column}", solution="start a new run")
    # The independent rows come first and in order; to join them would copy them.
    if rows.len() and rows.equals(predictions[ROW].head(rows.len())):
        return predictions[column].head(rows.len())
    found = rows.alias(ROW).to_frame().join(
        predictions.select(ROW, pl.col(column).alias("value"), pl.lit(value=True).alias("there")),
        on=ROW, how="left", maintain_order="left",
    )  # fmt: skip
    absent = found["there"].null_count()
    if absent:
        raise BadInputError(
            f"the predictions leave out {absent} of {rows.len()} rows", solution="hand over the results of one run"
        )
    return found["value"]


def plain(values: pl.Series, task: Task, what: str) -> pl.Series:
    """Canonical texts of classes, or finite numbers. Raises BadInputError for a value that is none."""
    if values.null_count():
        raise BadInputError(f"{what} is missing", solution="start a new run, with labels for all rows")
    if task == "regression":
        numbers = values.cast(pl.Float64, strict=False)
        if not numbers.is_finite().fill_null(value=False).all():
            raise BadInputError(
                f"{what} is no finite number, which a regression needs", solution="correct the label in the policy"
            )
        return numbers
    distinct = values.unique()
    try:
        names = canonical(distinct.to_list())
    except ValueError as error:
        raise BadInputError(f"{what} is no class: {error}", solution="use class names as labels") from error
    if values.dtype == pl.String and names == distinct.to_list():
        return values
    return values.replace_strict(distinct, pl.Series(names, dtype=pl.String), return_dtype=pl.String)


def require_limits_of(task: Task, limits: Collection[str], where: str) -> None:
    """Raises BadInputError for a limit that says nothing about this task."""
    other: Task = "regression" if task == "classification" else "classification"
    for name in limits:
        if name in LIMITS_OF[other]:
            raise BadInputError(
                f"{where} limits {name}, which a {task} has not",
                solution=f"use some of {', '.join(sorted(LIMITS_OF[task]))} there",
            )


def require_known(names: Collection[str], known: Collection[str], where: str, what: str = "column") -> None:
    """Raises BadInputError, with the nearest known name, where one is unknown."""
    for name in names:
        if name not in known:
            raise BadInputError(
                f"{where} names {what} {name}, which is not there",
                solution=did_you_mean(name, known, f"name one of {', '.join(sorted(known)[:10])}"),
            )
