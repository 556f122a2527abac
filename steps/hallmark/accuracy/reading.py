"""The tables that other tasks wrote, as the judge takes them: by row, in canonical labels, with sound probabilities."""

from __future__ import annotations

import numpy as np
import polars as pl

from hallmark.accuracy.bootstrap import Array
from hallmark.accuracy.classes import Answers, answers
from hallmark.accuracy.judge import numbers
from hallmark.accuracy.numbers import Numbers
from hallmark.datasets import PREDICTION, PROBABILITY_PREFIX, ROW
from hallmark.documents.rules_model import ModelRules
from hallmark.errors import BadInputError
from hallmark.labels import canonical

VALUE = "value"
_ONE_RUN = "hand over the results of one run"
_TOLERANCE = 1e-6
"""How far a row's probabilities together may be from 1."""


def by_row(frame: pl.DataFrame, column: str, file: str) -> pl.DataFrame:
    """{row, value}: the canonical labels in `column` by rising row.

    Raises:
        BadInputError: a column is missing, a value is no label, or a row stands twice.
    """
    try:
        rows, found = frame[ROW].cast(pl.Int64), frame[column]
        known = found.unique().to_list()
        texts = found.replace_strict(known, canonical(known), return_dtype=pl.String)
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise _not_its_writers(file, str(error)) from error
    if rows.null_count() or rows.n_unique() != len(rows):
        raise BadInputError(f"{file} has a row twice, or no number of a row", solution="start a new run")
    return pl.DataFrame({ROW: rows, VALUE: texts}).sort(ROW)


def sample(truth: pl.DataFrame, table: pl.DataFrame, file: str, rules: ModelRules) -> Answers | Numbers:
    """What the predictions in `table` say of the rows of `truth` {row, value}.

    Raises:
        BadInputError: a row has no prediction, or the predictions are not of the policy's task.
    """
    told = truth.join(by_row(table, PREDICTION, file), on=ROW, how="left", suffix="_told", maintain_order="left")
    predicted = told[f"{VALUE}_told"]
    if truth.is_empty() or predicted.null_count():
        raise BadInputError(f"{file} is not about the same rows as the labels", solution=_ONE_RUN)
    if rules.task == "regression":
        return Numbers(truth=numbers(truth[VALUE], "a label"), predicted=numbers(predicted, "a prediction"))
    positive = None if rules.positive is None else canonical([rules.positive])[0]
    return answers(truth[VALUE], predicted, probabilities(table, truth[ROW], file), positive)


def require_rows(found: pl.Series, wanted: list[pl.Series], file: str) -> None:
    """Check that the rows of a file are just those that were asked for. Raises BadInputError."""
    rows = pl.concat([each.cast(pl.Int64) for each in wanted]).unique()
    if len(found) != len(rows) or len(found) != found.to_frame(ROW).join(rows.to_frame(ROW), on=ROW, how="semi").height:
        raise BadInputError(f"{file} is not about the same rows as the labels", solution=_ONE_RUN)


def probabilities(frame: pl.DataFrame, rows: pl.Series, file: str) -> dict[str, Array] | None:
    """Of each class the probabilities of `rows`, in their order; None where the model gave none.

    Raises:
        BadInputError: a column is of no canonical class, or a row's are no probabilities that together are 1.
    """
    columns = [name for name in frame.columns if name.startswith(PROBABILITY_PREFIX)]
    if not columns:
        return None
    classes = [name.removeprefix(PROBABILITY_PREFIX) for name in columns]
    if any(text != name for text, name in zip(canonical(classes), classes, strict=True)):
        raise _not_its_writers(file, "a probability is of no canonical class")
    if any(frame.schema[name] != pl.Float64 or frame[name].null_count() for name in columns):
        raise _not_its_writers(file, "a probability is no number")
    order = pl.DataFrame({ROW: rows}).join(
        frame.select(pl.col(ROW).cast(pl.Int64), *columns), on=ROW, how="left", maintain_order="left"
    )
    found = {name: order[column].to_numpy() for name, column in zip(classes, columns, strict=True)}
    together = np.zeros(len(rows))
    for values in found.values():
        # NaN is in no range.
        if not ((values >= 0) & (values <= 1)).all():
            raise _not_its_writers(file, "a probability is not from 0 to 1")
        together += values
    if (np.abs(together - 1) > _TOLERANCE).any():
        raise _not_its_writers(file, "the probabilities of a row are not 1 together")
    return found


def _not_its_writers(file: str, what: str) -> BadInputError:
    return BadInputError(f"{file} is not what its writer writes: {what}", solution="start a new run")
