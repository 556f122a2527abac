"""The changes that probes are made of. Each keeps the columns' types: the rows go into one table with the others.

A change takes the rows to be changed, all rows, the test and a source of chance, and gives the changed rows and which
of them differ from what they were: what a change leaves as it is would pass for nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from hallmark.behaviour.outcomes import require_known
from hallmark.behaviour.plan import Trial
from hallmark.documents.rules_behaviour import Directional, Invariance, Noise, OutOfRange
from hallmark.errors import BadInputError

Changed = tuple[pl.DataFrame, pl.Series]
Floats = npt.NDArray[np.float64]

_ATTEMPTS = 20
"""At finding another row whose values differ."""


def noise(rows: pl.DataFrame, all_rows: pl.DataFrame, test: Trial, generator: np.random.Generator) -> Changed:
    """Normal noise on every number; whole numbers stay whole."""
    assert isinstance(test.rule, Noise)  # noqa: S101 - for the types: the plan pairs kinds and rules
    changed = []
    for column in _numbers(all_rows, test):
        deviation = float(_floats(all_rows[column]).std())
        if deviation > 0:
            drawn = generator.normal(0.0, test.rule.scale * deviation, rows.height)
            changed.append(_fitted(_floats(rows[column]) + drawn, rows[column]))
    return _with(rows, changed)


def swap(rows: pl.DataFrame, all_rows: pl.DataFrame, test: Trial, generator: np.random.Generator) -> Changed:
    """One category of each row becomes another that occurs."""
    columns = [column for column in test.columns if test.named or all_rows.schema[column] in (pl.String, pl.Boolean)]
    known = {column: all_rows[column].drop_nulls().unique().sort() for column in columns}
    columns = [column for column in columns if known[column].len() > 1]
    changed = []
    for column, taken in _one_each(columns, rows.height, generator):
        values = known[column]
        old = rows[column].replace_strict(values, range(values.len()), default=None, return_dtype=pl.Int64)
        step = generator.integers(1, values.len(), rows.height)
        new = values[((old.fill_null(0).to_numpy() + step) % values.len()).tolist()]
        changed.append(_where(taken, new, rows[column]))
    return _with(rows, changed)


def missing(rows: pl.DataFrame, all_rows: pl.DataFrame, test: Trial, generator: np.random.Generator) -> Changed:
    """One value of each row is null."""
    changed = []
    for column, taken in _one_each(list(test.columns), rows.height, generator):
        none = pl.Series(column, [None], dtype=rows.schema[column]).new_from_index(0, rows.height)
        changed.append(_where(taken, none, rows[column]))
    return _with(rows, changed)


def out_of_range(rows: pl.DataFrame, all_rows: pl.DataFrame, test: Trial, generator: np.random.Generator) -> Changed:
    """One number of each row lies above the largest or below the smallest, by `factor` times the column's range."""
    assert isinstance(test.rule, OutOfRange)  # noqa: S101 - for the types
    changed = []
    columns = _numbers(all_rows, test)
    for column, taken in _one_each(columns, rows.height, generator):
        values = _floats(all_rows[column])
        least, most = float(values.min()), float(values.max())
        far = test.rule.factor * (most - least)
        up = generator.random(rows.height) < 0.5
        fitted = _fitted(np.where(up, most + far, least - far), rows[column])
        beyond = (_floats(fitted) > most) | (_floats(fitted) < least)
        changed.append(_where(taken & beyond, fitted, rows[column]))
    return _with(rows, changed)


def invariance(rows: pl.DataFrame, all_rows: pl.DataFrame, test: Trial, generator: np.random.Generator) -> Changed:
    """The columns take, together, what another row has; or a number is added to them."""
    assert isinstance(test.rule, Invariance)  # noqa: S101 - for the types
    if test.rule.shift is not None:
        return _with(rows, [_shifted(rows[column], test.rule.shift, test) for column in test.columns])
    columns = list(test.columns)
    places = np.zeros(rows.height, dtype=np.int64)
    open_rows = np.arange(rows.height)
    own = rows.select(columns)
    for _ in range(_ATTEMPTS):
        places[open_rows] = generator.integers(0, all_rows.height, len(open_rows))
        donors = all_rows.select(columns)[places[open_rows]]
        same = _same(own[open_rows], donors).to_numpy()
        open_rows = open_rows[same]
        if not len(open_rows):
            break
    donors = all_rows.select(columns)[places]
    return _with(rows, donors.get_columns())


def directional(rows: pl.DataFrame, all_rows: pl.DataFrame, test: Trial, generator: np.random.Generator) -> Changed:
    """One column is shifted, or takes a given value."""
    assert isinstance(test.rule, Directional)  # noqa: S101 - for the types
    (column,) = test.columns
    if test.rule.shift is not None:
        return _with(rows, [_shifted(rows[column], test.rule.shift, test)])
    value = _value(all_rows[column], test.rule.to, test)
    return _with(rows, [value.new_from_index(0, rows.height)])


def permute(rows: pl.DataFrame, all_rows: pl.DataFrame, test: Trial, generator: np.random.Generator) -> Changed:
    """The column's values, in an order that has nothing to do with the rows. All rows count, changed or not."""
    (column,) = test.columns
    repeats = -(-rows.height // all_rows.height)
    places = np.concatenate([generator.permutation(all_rows.height) for _ in range(repeats)])[: rows.height]
    return rows.with_columns(all_rows[column][places]), pl.repeat(value=True, n=rows.height, eager=True)


def _numbers(all_rows: pl.DataFrame, test: Trial) -> list[str]:
    numbers = [column for column in test.columns if all_rows.schema[column].is_numeric()]
    if test.named and len(numbers) < len(test.columns):
        other = next(column for column in test.columns if column not in numbers)
        raise _not_a_number(other, all_rows.schema[other], test)
    return numbers


def _not_a_number(column: str, dtype: pl.DataType, test: Trial) -> BadInputError:
    return BadInputError(
        f"the test {test.name!r} ({test.by}) calculates with {column}, which is of type {dtype}",
        solution="name columns of numbers there",
    )


def _floats(values: pl.Series) -> Floats:
    return values.cast(pl.Float64).to_numpy()


def _fitted(values: Floats, like: pl.Series) -> pl.Series:
    """`values` as the column's type: whole where that is, and no further than it reaches."""
    if like.dtype.is_integer():
        info = np.iinfo(like.to_numpy().dtype)
        # The largest 64-bit integers are no exact floats.
        values = np.clip(np.round(values), max(info.min, -(2**62)), min(info.max, 2**62))
    elif like.dtype == pl.Float32:
        most = float(np.finfo(np.float32).max)
        values = np.clip(values, -most, most)
    return pl.Series(like.name, values).cast(like.dtype)


def _shifted(values: pl.Series, shift: float, test: Trial) -> pl.Series:
    if not values.dtype.is_numeric():
        raise _not_a_number(values.name, values.dtype, test)
    if values.dtype.is_integer() and shift != round(shift):
        raise BadInputError(
            f"the test {test.name!r} ({test.by}) shifts {values.name}, a column of whole numbers, by {shift:g}",
            solution="shift it by a whole number",
        )
    return _fitted(_floats(values) + shift, values)


def _value(values: pl.Series, wanted: Any, test: Trial) -> pl.Series:
    """The value `wanted` as one of the column's type, and for texts one that occurs."""
    dtype = values.dtype
    fits = (
        isinstance(wanted, str) if dtype == pl.String
        else isinstance(wanted, bool) if dtype == pl.Boolean
        else isinstance(wanted, int | float) and not isinstance(wanted, bool)
    )  # fmt: skip
    whole = not dtype.is_integer() or (fits and float(wanted).is_integer())
    if not fits or not whole:
        raise BadInputError(
            f"the test {test.name!r} ({test.by}) sets {values.name}, which is of type {dtype}, to {wanted!r}",
            solution="give a value of that type",
        )
    if dtype == pl.String:
        require_known([wanted], values.unique().drop_nulls().to_list(), f"the test {test.name!r}", "value")
        return pl.Series(values.name, [wanted])
    return pl.Series(values.name, [wanted]).cast(dtype)


def _one_each(
    columns: list[str], height: int, generator: np.random.Generator
) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """For each row one of the columns, at random: each column with the rows whose turn it is."""
    if not columns:
        return []
    turns = generator.integers(0, len(columns), height)
    return [(column, turns == place) for place, column in enumerate(columns)]


def _where(taken: npt.NDArray[np.bool_], new: pl.Series, old: pl.Series) -> pl.Series:
    return new.zip_with(pl.Series(taken), old).alias(old.name)


def _with(rows: pl.DataFrame, changed: list[pl.Series]) -> Changed:
    if not changed:
        return rows, pl.repeat(value=False, n=rows.height, eager=True)
    after = rows.with_columns(changed)
    names = [values.name for values in changed]
    return after, ~_same(rows.select(names), after.select(names))


def _same(one: pl.DataFrame, other: pl.DataFrame) -> pl.Series:
    """Which rows of two frames of the same columns are equal; two missing values are."""
    equal = [one[name].eq_missing(other[name]) for name in one.columns]
    return pl.select(pl.all_horizontal(equal)).to_series()
