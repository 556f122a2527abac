"""Proposes an expectation suite from data that is taken for good: a start that its reader makes stricter or wider.

Written as great-expectations 1.x reads it: https://docs.greatexpectations.io/docs/reference/api/ExpectationSuite_class
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from hallmark.drift.profile import Profile, ProfileColumn
from hallmark.files import write_text

FEW = 50
"""Up to as many categories are listed; with more of them the list would be found wrong too soon."""
_CENTURIES = 7e9
"""Seconds around 1970, about 220 years: pandas' dates end soon after."""
_KEY = 100
"""From as many rows on, a column without any repetition is taken for a key."""


def propose_suite(profile: Profile, schema: Mapping[str, pl.DataType], *, name: str, margin: float) -> dict[str, Any]:
    """The suite as a JSON object. Everything that it expects holds for the data that it was made from.

    Args:
        profile: of all columns that the suite is about.
        schema: the data's types.
        margin: by how much of a number's range values may lie outside of it, and by how much more may be missing.
    """
    entries = [
        _entry("expect_table_row_count_to_be_between", min_value=max(1, profile.rows // 2), max_value=2 * profile.rows),
        _entry("expect_table_columns_to_match_set", column_set=list(profile.columns), exact_match=False),
    ]
    for column, found in profile.file.columns.items():
        entries.extend(_about(column, found, schema[column], margin))
    return {
        "name": name,
        "expectations": entries,
        "meta": {"note": f"proposed by `hallmark profile` from {profile.rows} rows; read it before you rely on it"},
    }


def write_suite(suite: dict[str, Any], target: Path) -> None:
    """Write it as JSON; the same suite gives the same bytes."""
    write_text(target, json.dumps(suite, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _about(name: str, found: ProfileColumn, dtype: pl.DataType, margin: float) -> Iterator[dict[str, Any]]:
    if found.missing == 0:
        yield _entry("expect_column_values_to_not_be_null", column=name)
    else:
        mostly = found.count / (found.count + found.missing) - margin
        if mostly > 0:
            yield _entry("expect_column_values_to_not_be_null", column=name, mostly=math.floor(mostly * 100) / 100)
    whole = dtype.is_integer()
    yield from _type(name, found, dtype)
    if found.kind == "time" and found.minimum is not None and found.maximum is not None and _has_no_zone(dtype):
        by = margin * (found.maximum - found.minimum) or 86_400.0
        first, last = math.floor(found.minimum - by), math.ceil(found.maximum + by)
        if -_CENTURIES < first < last < _CENTURIES:
            limits = {"min_value": _moment(first), "max_value": _moment(last)}
            yield _entry("expect_column_values_to_be_between", column=name, **limits)
    if found.kind == "numeric" and dtype.is_numeric() and found.minimum is not None and found.maximum is not None:
        low, high = _widened(found.minimum, found.maximum, margin, whole=whole)
        yield _entry("expect_column_values_to_be_between", column=name, min_value=low, max_value=high)
    if found.kind == "text" and found.minimum is not None and found.maximum is not None:
        low, high = _widened(found.minimum, found.maximum, margin, whole=True)
        yield _entry("expect_column_value_lengths_to_be_between", column=name, min_value=low, max_value=high)
    if found.kind == "categorical" and found.distinct <= FEW:
        # Only the label may be of numbers here.
        names = sorted(category for category, _ in found.categories or [])
        values: list[Any] = [_value(category, found.family, whole=whole) for category in names]
        yield _entry("expect_column_values_to_be_in_set", column=name, value_set=values)
    if (found.kind == "text" or whole) and found.distinct == found.count >= _KEY and found.missing == 0:
        yield _entry("expect_column_values_to_be_unique", column=name)


def _type(name: str, found: ProfileColumn, dtype: pl.DataType) -> Iterator[dict[str, Any]]:
    """The type, by pandas' names, which are great-expectations'. Integers and booleans with gaps are others there."""
    integers = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
    if dtype in (pl.Float32, pl.Float64):
        yield _entry("expect_column_values_to_be_in_type_list", column=name, type_list=["float32", "float64"])
    elif dtype.is_integer() and dtype.is_numeric() and dtype not in (pl.Int128, pl.UInt128):
        allowed = ["float64"] if found.missing else integers
        yield _entry("expect_column_values_to_be_in_type_list", column=name, type_list=allowed)
    elif dtype == pl.Boolean and not found.missing:
        yield _entry("expect_column_values_to_be_of_type", column=name, type_="bool")
    elif dtype == pl.String:
        yield _entry("expect_column_values_to_be_of_type", column=name, type_="str")


def _has_no_zone(dtype: pl.DataType) -> bool:
    return dtype == pl.Date or (isinstance(dtype, pl.Datetime) and dtype.time_zone is None)


def _moment(seconds: float) -> str:
    """Seconds since 1970 as date and time without a zone."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def _value(category: str, family: str, *, whole: bool) -> object:
    if family == "boolean":
        return category == "true"
    if family == "number":
        return int(category) if whole else float(category)
    return category


def _widened(low: float, high: float, margin: float, *, whole: bool) -> tuple[float, float]:
    """The range, widened at both ends; what was never negative does not become so."""
    by = margin * (high - low or abs(high) or 1.0)
    start, end = low - by, high + by
    if low >= 0:
        start = max(0.0, start)
    if whole:
        return math.floor(start), math.ceil(end)
    if not (math.isfinite(start) and math.isfinite(end)):
        return low, high
    # Two digits of the margin are enough for people to read; rounding goes outwards.
    digits = 1 - math.floor(math.log10(by)) if by > 0 else 15
    if digits > 15 or digits < -300:
        return start, end
    unit = 10.0**digits
    return min(low, math.floor(start * unit) / unit), max(high, math.ceil(end * unit) / unit)


def _entry(kind: str, **kwargs: object) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "meta": {}}
