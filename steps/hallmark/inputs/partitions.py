"""Puts several files together into one frame: the same columns in each, and hive's from the folders' names."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote

import polars as pl

from hallmark.errors import BadInputError
from hallmark.nearest import nearest

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name of the folder whose key is null."""


def together(frames: Mapping[str, pl.LazyFrame], what: str) -> pl.LazyFrame:
    """The rows of all frames, in the order of their names.

    Args:
        frames: by the file's relative name. In text formats a column without a value in one file has the other
            files' type, and integers of one are floats if another's are.

    Raises:
        BadInputError: two files differ in columns or types, or in the keys of their folders.
    """
    schemas = {name: frame.collect_schema() for name, frame in frames.items()}
    first = next(iter(schemas))
    for name, schema in schemas.items():
        _require_same_columns(first, schemas[first].names(), name, schema.names(), what)
    types = {column: _type(column, schemas, frames, what) for column in schemas[first]}
    keys = _keys(list(frames), set(types), what)
    parts = []
    for name, frame in frames.items():
        columns = [pl.col(column).cast(dtype) for column, dtype in types.items()]
        parts.append(frame.select(*columns, *(keys[key][name].alias(key) for key in keys)))
    return parts[0] if len(parts) == 1 else pl.concat(parts, how="vertical", rechunk=False)


def _require_same_columns(first: str, expected: Sequence[str], name: str, found: Sequence[str], what: str) -> None:
    if found == expected:
        return
    missing = [column for column in expected if column not in found]
    extra = [column for column in found if column not in expected]
    if missing:
        near = nearest(missing[0], extra)
        hint = f"did you mean {missing[0]} by {near}? " if near else ""
        raise BadInputError(
            f"{what}: {name} has no column {missing[0]}, which {first} has",
            solution=f"{hint}write all files with the same columns",
        )
    if extra:
        raise BadInputError(
            f"{what}: {name} has a column {extra[0]}, which {first} does not have",
            solution="write all files with the same columns",
        )


def _type(column: str, schemas: Mapping[str, pl.Schema], frames: Mapping[str, pl.LazyFrame], what: str) -> pl.DataType:
    """The type that the column has in every file."""
    by_type: dict[pl.DataType, list[str]] = {}
    for name, schema in schemas.items():
        by_type.setdefault(schema[column], []).append(name)
    if len(by_type) > 1:
        # A file without a value of this column says nothing about its type.
        for dtype in (pl.Null(), pl.String()):
            names = by_type.get(dtype, [])
            if names and all(_is_empty(frames[name], column) for name in names):
                del by_type[dtype]
    if set(by_type) == {pl.Int64(), pl.Float64()}:
        return pl.Float64()
    if len(by_type) > 1:
        (one, ones), (other, others) = list(by_type.items())[:2]
        raise BadInputError(
            f"{what}: the column {column} is {one} in {ones[0]} and {other} in {others[0]}",
            solution="write it with one type in all files",
        )
    return next(iter(by_type), pl.Null())


def _is_empty(frame: pl.LazyFrame, column: str) -> bool:
    return bool(frame.select(pl.col(column).is_null().all()).collect(engine="streaming").item())


def _keys(names: Sequence[str], columns: set[str], what: str) -> dict[str, dict[str, pl.Expr]]:
    """For each hive key its value in each file: integers or dates if all its values are, text otherwise."""
    pairs = {name: _hive(name, what) for name in names}
    first = pairs[names[0]]
    for name, found in pairs.items():
        if list(found) != list(first):
            raise BadInputError(
                f"{what}: {name} lies in folders with the keys {', '.join(found) or 'none'}, "
                f"{names[0]} in folders with {', '.join(first) or 'none'}",
                solution="put all files at the same depth, in folders named key=value",
            )
    for key in first:
        if key in columns:
            raise BadInputError(
                f"{what}: {key} is a column and a folder's key too", solution="rename one of both, or drop the column"
            )
    return {key: _values({name: pairs[name][key] for name in names}) for key in first}


def _hive(name: str, what: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part in PurePosixPath(name).parent.parts:
        key, equals, value = part.partition("=")
        if not equals or not key:
            continue
        if key in found:
            raise BadInputError(f"{what}: {name} names {key} twice", solution="name each key once")
        found[unquote(key)] = None if value == NO_VALUE else unquote(value)
    return found


def _values(by_name: Mapping[str, str | None]) -> dict[str, pl.Expr]:
    values = {value for value in by_name.values() if value is not None}
    if values and all(_is_integer(value) for value in values):
        return {name: pl.lit(None if value is None else int(value), pl.Int64) for name, value in by_name.items()}
    if values and all(_is_date(value) for value in values):
        dates = {name: None if value is None else datetime.date.fromisoformat(value) for name, value in by_name.items()}
        return {name: pl.lit(value, pl.Date) for name, value in dates.items()}
    return {name: pl.lit(value, pl.String) for name, value in by_name.items()}


def _is_integer(value: str) -> bool:
    """Not `007`: what has a leading zero is a name, not a number."""
    return value.isascii() and value.isdigit() and len(value) < 18 and str(int(value)) == value


def _is_date(value: str) -> bool:
    try:
        return len(value) == 10 and bool(datetime.date.fromisoformat(value))
    except ValueError:
        return False
