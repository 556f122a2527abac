"""Types that text formats do not have: dates, datetimes, decimals and booleans, made of texts if every one fits."""

from __future__ import annotations

import polars as pl

from hallmark.documents.rules_inputs import Schema
from hallmark.errors import BadInputError

DIGITS = 38
"""Of a decimal, before and after the point: what 128 bits hold."""
_PLAIN_DECIMAL = r"^[+-]?\d{1,38}(\.\d{1,38})?$"
_DATETIME = "%Y-%m-%dT%H:%M:%S%.f"
AS_TEXT = frozenset({"string", "date", "datetime", "decimal"})
"""Types whose columns a CSV parser must not guess: `007` may be a name, and 0.10 has two digits after the point."""


def typed(frame: pl.LazyFrame, schema: Schema | None) -> pl.LazyFrame:
    """`frame` with the columns that `schema` gives such a type. A column with one value that does not fit stays text.

    One pass over those columns; none if there is none.
    """
    if schema is None:
        return frame
    kinds = frame.collect_schema()
    wanted = {column.name: column.type for column in schema.columns if kinds.get(column.name) == pl.String()}
    candidates = {name: made for name, kind in wanted.items() if (made := _conversions(frame, name, kind))}
    if not candidates:
        return frame
    lost = frame.select(
        (pl.col(name).is_not_null() & conversion.is_null()).sum().alias(f"{place}:{name}")
        for name, conversions in candidates.items()
        for place, conversion in enumerate(conversions)
    ).collect(engine="streaming")
    chosen = {}
    for name, conversions in candidates.items():
        for place, conversion in enumerate(conversions):
            if name not in chosen and lost[f"{place}:{name}"].item() == 0:
                chosen[name] = conversion
    return frame.with_columns(conversion.alias(name) for name, conversion in chosen.items())


def _conversions(frame: pl.LazyFrame, name: str, kind: str) -> list[pl.Expr]:
    column = pl.col(name)
    if kind == "boolean":
        return [column.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None)]
    if kind == "date":
        return [column.str.to_date("%Y-%m-%d", strict=False)]
    if kind == "datetime":
        with_t = column.str.replace(" ", "T", literal=True)
        return [
            with_t.str.to_datetime(_DATETIME, time_unit="us", strict=False),
            with_t.str.replace(r"Z$", "+00:00").str.to_datetime(f"{_DATETIME}%:z", time_unit="us", strict=False),
        ]
    if kind == "decimal":
        scale = _scale(frame, name)
        return [] if scale is None else [column.str.to_decimal(scale=scale)]
    return []


def as_decimal(frame: pl.LazyFrame, name: str, scale: int | None, what: str) -> pl.Expr:
    """The text column `name` as decimals, with `scale` digits after the point, or as many as it takes.

    Raises:
        BadInputError: a value is no decimal of at most `DIGITS` digits (PostgreSQL's NUMERIC may be NaN or infinite).
    """
    found = _scale(frame, name)
    if found is None:
        raise BadInputError(
            f"{what}: the column {name} has values that are no decimals of up to {DIGITS} digits",
            solution=f"cast it in sql.query: {name}::double precision",
        )
    return pl.col(name).str.to_decimal(scale=max(found, scale or 0))


def _scale(frame: pl.LazyFrame, name: str) -> int | None:
    """The most digits after the point; None if a value is no plain decimal, or needs too many digits."""
    column = pl.col(name)
    fraction = column.str.extract(r"\.(\d+)$").str.len_chars().fill_null(0).max()
    whole = column.str.extract(r"^[+-]?(\d+)").str.len_chars().fill_null(0).max()
    row = (
        frame.select(
            plain=column.str.contains(_PLAIN_DECIMAL).all(),
            fraction=fraction,
            whole=whole,
            any=column.is_not_null().any(),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    if not row["any"]:
        return 0
    scale = int(row["fraction"] or 0)
    return scale if row["plain"] and scale + int(row["whole"] or 0) <= DIGITS else None
