"""What polars is to compute for one entry, and strict reading of the entry's arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from hallmark.expectations.results import Outcome
from hallmark.expectations.suite import Entry

EXACT = 1 << 53
"""Up to here a float64 holds every integer, so that integers and floats compare the same."""

_SMALL_INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32)
_LARGE_INTEGERS = (pl.Int64, pl.UInt64)
_MISSING_ONLY = (pl.Categorical, pl.Enum, pl.Decimal, pl.Null, pl.Time, pl.Duration)
"""Types of which polars answers only whether a value is there."""


class Unsupported(Exception):  # noqa: N818 - no error: great-expectations is asked instead
    """polars would not answer as great-expectations does; says why."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One entry's aggregates and what follows from them."""

    values: Mapping[str, pl.Expr]
    """Expressions of one value each."""
    conclude: Callable[[Mapping[str, Any]], Outcome | Plan]
    """Gives another plan where what was found asks for another pass."""
    heavy: bool = False
    """The values take a whole column into memory, to sort it or to tell its values apart."""
    failing: pl.Expr | None = None
    """For each row whether it is unexpected, where that can be said of a row."""
    unless: tuple[pl.Expr, ...] = ()
    """Boolean values: where one is true, the data is such that only great-expectations answers as itself."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as an expectation sees it: null where the value is missing, NaN, or not of a row that is asked for."""

    name: str
    dtype: pl.DataType
    where: pl.Expr | None

    @property
    def values(self) -> pl.Expr:
        found = pl.col(self.name)
        if self.dtype.is_float():
            found = found.fill_nan(None)
        return found if self.where is None else pl.when(self.where).then(found)

    @property
    def rows(self) -> pl.Expr:
        """How many rows are asked for."""
        return pl.len() if self.where is None else self.where.sum()

    @property
    def is_integer(self) -> bool:
        return self.dtype in _SMALL_INTEGERS or self.dtype in _LARGE_INTEGERS

    @property
    def is_number(self) -> bool:
        return self.is_integer or self.dtype in (pl.Float32, pl.Float64)

    @property
    def is_double(self) -> bool:
        """pandas computes statistics of integers and of float64 in float64, those of float32 in float32."""
        return self.is_integer or self.dtype == pl.Float64

    @property
    def is_text(self) -> bool:
        return self.dtype == pl.String

    @property
    def is_bool(self) -> bool:
        return self.dtype == pl.Boolean

    @property
    def is_moment(self) -> bool:
        """A date or a time without a zone: pandas' datetime64."""
        return self.dtype == pl.Date or (isinstance(self.dtype, pl.Datetime) and self.dtype.time_zone is None)

    @property
    def kind(self) -> str:
        """`number`, `text`, `bool` or `moment`: values of one kind compare with each other.

        Raises:
            Unsupported: the type is none of them.
        """
        for kind, holds in (
            ("number", self.is_number), ("text", self.is_text), ("bool", self.is_bool), ("moment", self.is_moment),
        ):  # fmt: skip
            if holds:
                return kind
        raise Unsupported(f"column {self.name} is of type {self.dtype}")

    @property
    def numbers(self) -> pl.Expr:
        """The values as float64."""
        return self.values.cast(pl.Float64)

    @property
    def infinite(self) -> tuple[pl.Expr, ...]:
        """Whether it holds an infinity, between which and its neighbour there is nothing for numpy to interpolate."""
        return (self.values.is_infinite().any().fill_null(False),) if self.dtype.is_float() else ()

    @property
    def beyond_exact(self) -> tuple[pl.Expr, ...]:
        """Whether it holds an integer that a float64 does not."""
        if self.dtype not in _LARGE_INTEGERS:
            return ()
        column = pl.col(self.name)
        above = (column.max() > EXACT).fill_null(False)
        return (above, (column.min() < -EXACT).fill_null(False)) if self.dtype == pl.Int64 else (above,)


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """An entry's kwargs, read strictly: whatever great-expectations would convert or reject is left to it."""

    entry: Entry
    schema: Mapping[str, pl.DataType]
    where: pl.Expr | None
    """The row condition, never null."""

    def only(self, *keys: str) -> None:
        """Raises Unsupported if there is an argument beside `keys` and the row condition."""
        known = {*keys, "row_condition", "condition_parser"}
        for key in self.entry.kwargs:
            if key not in known:
                raise Unsupported(f"argument {key}")

    def column(self, key: str = "column") -> Column:
        name = self.entry.kwargs.get(key)
        if not isinstance(name, str):
            raise Unsupported(f"{key} is no name")
        return self.named(name)

    def named(self, name: str) -> Column:
        if name not in self.schema:
            raise Unsupported(f"column {name} is not there")
        dtype = self.schema[name]
        if dtype.is_nested() or dtype in (pl.Object, pl.Binary):
            raise Unsupported(f"column {name} is of type {dtype}")
        return Column(name=name, dtype=dtype, where=self.where)

    def columns(self) -> list[Column]:
        names = self.entry.kwargs.get("column_list")
        if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
            raise Unsupported("column_list")
        if len(set(names)) < len(names):
            raise Unsupported("column_list repeats a column")
        return [self.named(name) for name in names]

    def number(self, key: str) -> float | None:
        value = self.entry.kwargs.get(key)
        return None if value is None else float(number(value, key))

    def integer(self, key: str) -> int | None:
        value = self.entry.kwargs.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unsupported(f"{key} is no integer")
        return int(number(value, key))

    def flag(self, key: str, *, default: bool) -> bool:
        value = self.entry.kwargs.get(key, default)
        if not isinstance(value, bool):
            raise Unsupported(f"{key} is neither true nor false")
        return value

    def choice(self, key: str, *known: str) -> str:
        """One of `known`, of which the first is what holds without the argument."""
        value = self.entry.kwargs.get(key, known[0])
        if value not in known:
            raise Unsupported(f"{key} {value!r}")
        return str(value)

    def mostly(self) -> float:
        share = self.number("mostly") if "mostly" in self.entry.kwargs else 1.0
        if share is None or not 0 <= share <= 1:
            raise Unsupported("mostly")
        return share

    def same_kind(self, key: str, column: Column) -> list[Any]:
        """A value set of which every value is of the column's kind: numbers, texts or booleans."""
        return same_kind(self.entry.kwargs.get(key), column, key)


def same_kind(found: object, column: Column, key: str) -> list[Any]:
    """`found` if it is a list of values of the column's kind, numbers as floats. Raises Unsupported if not."""
    if not isinstance(found, list) or not found:
        raise Unsupported(f"{key} is no list of values")
    kind = column.kind
    if kind == "number":
        return [float(number(value, key)) for value in found]
    wanted: type = {"text": str, "bool": bool}.get(kind, type(None))
    if kind == "moment" or not all(isinstance(value, wanted) for value in found):
        raise Unsupported(f"{key} holds values of another type than column {column.name}")
    return list(found)


def number(value: object, key: str) -> float:
    """A finite number that a float64 holds exactly as JSON has it. Raises Unsupported if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unsupported(f"{key} is no number")
    if not math.isfinite(value) or (isinstance(value, int) and abs(value) > EXACT):
        raise Unsupported(f"{key} is beyond what a float64 holds")
    return value


def any_true(conditions: list[pl.Expr]) -> pl.Expr:
    return conditions[0] if len(conditions) == 1 else pl.any_horizontal(conditions)
