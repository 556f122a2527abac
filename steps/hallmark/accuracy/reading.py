"""The tables that other tasks wrote, as the judge takes them: by row, in canonical labels, with sound probabilities."""

from __future__ import annotations

import numpy as np
import polars as pl

from hallmark.accuracy.bootstrap import Array
from hallmark.accuracy.classes import Answers, answers
from hallmark.accuracy.judge import numbers
from hallmark.accuracy.numbers import Numbers
from hallmark.behaviour.outcomes import rising
from hallmark.datasets import PREDICTION, PROBABILITY_PREFIX, QUANTILE_PREFIX, ROW
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
        names = canonical(known)
        same = found.dtype == pl.String and names == known
        texts = found if same else found.replace_strict(known, names, return_dtype=pl.String)
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise _not_its_writers(file, str(error)) from error
    ordered = pl.DataFrame({ROW: rows, VALUE: texts})
    if rows.null_count() == 0 and not rising(rows):
        ordered = ordered.sort(ROW)
    if rows.null_count() or not rising(ordered[ROW]):
        raise BadInputError(f"{file} has a row twice, or no number of a row", solution="start a new run")
    return ordered


def sample(truth: pl.DataFrame, table: pl.DataFrame, file: str, rules: ModelRules) -> Answers | Numbers:
    """What the predictions in `table` say of the rows of `truth` {row, value}.

    Raises:
        BadInputError: a row has no prediction, or the predictions are not of the policy's task.
    """
    predicted = _in_order(by_row(table, PREDICTION, file), truth[ROW])[VALUE]
    if truth.is_empty() or predicted.null_count():
        raise BadInputError(f"{file} is not about the same rows as the labels", solution=_ONE_RUN)
    if rules.task == "regression":
        return Numbers(
            truth=numbers(truth[VALUE], "a label"),
            predicted=numbers(predicted, "a prediction"),
            quantiles=quantiles(table, truth[ROW], file),
        )
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
    order = _in_order(frame.select(pl.col(ROW).cast(pl.Int64), *columns), rows)
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


def _in_order(frame: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """The rows of `frame`, whose own are distinct, with these numbers; null where there is none of a number."""
    # The independent rows come first and in order; to join them would copy them.
    if frame[ROW].head(len(rows)).equals(rows):
        return frame.head(len(rows))
    return pl.DataFrame({ROW: rows}).join(frame, on=ROW, how="left", maintain_order="left")


def quantiles(frame: pl.DataFrame, rows: pl.Series, file: str) -> dict[float, Array]:
    """By level, rising: the quantile of each of `rows`, in their order; empty where the model gave none.

    Raises:
        BadInputError: a column is of no level from 0 to 1, there is only one, or a value is no finite number.
    """
    columns = [name for name in frame.columns if name.startswith(QUANTILE_PREFIX)]
    try:
        levels = {float(name.removeprefix(QUANTILE_PREFIX)): name for name in columns}
    except ValueError as error:
        raise _not_its_writers(file, "a quantile is of no level") from error
    if columns and (len(levels) < 2 or len(levels) < len(columns) or not all(0 < level < 1 for level in levels)):
        raise _not_its_writers(file, "the quantiles are of no levels from 0 to 1")
    if any(frame.schema[name] != pl.Float64 or not frame[name].is_finite().all() for name in columns):
        raise _not_its_writers(file, "a quantile is no finite number")
    order = _in_order(frame.select(pl.col(ROW).cast(pl.Int64), *columns), rows)
    return {level: order[levels[level]].to_numpy() for level in sorted(levels)}


def _not_its_writers(file: str, what: str) -> BadInputError:
    return BadInputError(f"{file} is not what its writer writes: {what}", solution="start a new run")
