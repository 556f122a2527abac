"""Columns of two tables brought to one form, so that equal values are equal however their files type them."""

from __future__ import annotations

import polars as pl

from hallmark.errors import BadInputError

_WORDS = {"true": 1.0, "false": 0.0}


def comparable(column: str, own: pl.DataType, other: pl.DataType, digits: int | None) -> list[pl.Expr]:
    """`column` of the table where it has the type `own`, to be compared with one of the type `other`.

    Both sides must be asked for, each with its own type first. Whole numbers are compared exactly, also where they
    are wider than a float's 53 bits; a number is the same as integer, float, boolean and as text; a date the same as
    midnight of it, and as its ISO text.

    Args:
        digits: floating point numbers are rounded to so many significant digits; None: not at all. Values on the two
            sides of a rounding edge stay different.

    Raises:
        BadInputError: lists, structs and other types that have no such form.
    """
    value = pl.col(column)
    kinds = {_kind(column, own), _kind(column, other)}
    if "nothing" in kinds:
        # One side has no value at all: only nulls can be equal, and both sides need one type for that.
        return [value.cast(pl.String)]
    if kinds == {"text"}:
        return [value.cast(pl.String)]
    if len(kinds) == 1 and kinds <= {"boolean", "time of day"}:
        return [value]
    if kinds == {"whole"}:
        return [value.cast(pl.Int128 if pl.UInt64 in (own, other) or pl.Int128 in (own, other) else pl.Int64)]
    if kinds == {"time"}:
        return [_naive(value, own).cast(pl.Datetime("us"))]
    if "text" in kinds and kinds & {"time", "time of day"}:
        return [_naive(value, own).dt.to_string("iso") if own.is_temporal() else value.cast(pl.String)]
    if kinds & {"time", "time of day"}:
        raise BadInputError(
            f"column {column} is of type {own} in one of the data sets and of type {other} in the other",
            solution="give it the same type in both, or compare other columns",
        )
    return _numbers(column, own, digits, mixed="text" in kinds)


def _kind(column: str, dtype: pl.DataType) -> str:
    if dtype == pl.Null:
        return "nothing"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_integer():
        return "whole"
    if dtype in (pl.Date, pl.Datetime):
        return "time"
    if dtype == pl.Time:
        return "time of day"
    if dtype.is_numeric():
        return "number"
    raise BadInputError(
        f"column {column} is of type {dtype}, whose values cannot be compared",
        solution="name columns of numbers, texts, booleans or times",
    )


def _naive(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Times with a zone as UTC without one: the same moment is the same, wherever it was written down."""
    zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    return value.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zoned else value


def _numbers(column: str, own: pl.DataType, digits: int | None, *, mixed: bool) -> list[pl.Expr]:
    """The numbers and, where one side holds texts, also the texts that are none."""
    value = pl.col(column)
    text = own in (pl.String, pl.Categorical, pl.Enum)
    number = _parsed(value.cast(pl.String)) if text else value.cast(pl.Float64)
    rounded = number if digits is None else number.round_sig_figs(digits)
    # Adding zero turns -0.0 into 0.0.
    found = [(rounded + 0.0).alias(column)]
    if mixed:
        rest = pl.when(number.is_null()).then(value.cast(pl.String)) if text else pl.lit(None, pl.String)
        found.append(rest.alias(f"{column}\0text"))
    return found


def _parsed(text: pl.Expr) -> pl.Expr:
    plain = text.str.strip_chars().str.to_lowercase()
    words = plain.replace_strict(_WORDS, default=None, return_dtype=pl.Float64)
    return words.fill_null(plain.cast(pl.Float64, strict=False))
