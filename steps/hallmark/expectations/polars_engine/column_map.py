"""Expectations about every value of a column (great-expectations' column map expectations)."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from hallmark.expectations.polars_engine.plan import Arguments, Column, Plan, Unsupported
from hallmark.expectations.regexes import contains
from hallmark.expectations.results import Outcome, most_hold, of_rows

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
_NEAR = 1e-9
"""Relative: two orders of summation differ by less."""


def of_values(
    arguments: Arguments, column: Column, holds: pl.Expr, *unless: pl.Expr, near: pl.Expr | None = None
) -> Plan:
    """The plan of an expectation about values.

    Args:
        holds: for each of the column's values whether it is as expected, and null where there is no value.
        near: how many values are so near to the limit that rounding decides.
    """
    mostly = arguments.mostly()

    def conclude(found: Mapping[str, Any]) -> Outcome:
        elements, there, unexpected = found["elements"], found["there"], found["unexpected"]
        outcome = of_rows(
            success=most_hold(there, unexpected, mostly),
            elements=elements,
            missing=elements - there,
            unexpected=unexpected,
        )
        return Outcome(success=outcome.success, result=outcome.result, close=bool(found.get("near")))

    values = {"elements": column.rows, "there": column.values.count(), "unexpected": (~holds).sum()}
    values |= {} if near is None else {"near": near}
    return Plan(values=values, conclude=conclude, failing=~holds, unless=unless)


def between(arguments: Arguments) -> Plan:
    arguments.only("column", "mostly", "min_value", "max_value", "strict_min", "strict_max")
    column = arguments.column()
    if column.is_moment:
        if isinstance(column.dtype, pl.Datetime) and column.dtype.time_unit == "ns":
            raise Unsupported("nanoseconds")
        first, last = _moment(arguments, "min_value"), _moment(arguments, "max_value")
        return of_values(arguments, column, within(arguments, column.values.cast(pl.Datetime("us")), first, last))
    if not column.is_number:
        raise Unsupported(f"column {column.name} is of type {column.dtype}")
    least, most = arguments.number("min_value"), arguments.number("max_value")
    return of_values(arguments, column, within(arguments, column.numbers, least, most), *column.beyond_exact)


def within(arguments: Arguments, values: pl.Expr, least: Any, most: Any) -> pl.Expr:
    """Whether each value lies between the limits, of which the arguments say whether they are inside."""
    if (least is None and most is None) or (least is not None and most is not None and least > most):
        raise Unsupported("limits that great-expectations refuses")
    checks: list[pl.Expr] = []
    if least is not None:
        checks.append(values > least if arguments.flag("strict_min", default=False) else values >= least)
    if most is not None:
        checks.append(values < most if arguments.flag("strict_max", default=False) else values <= most)
    return checks[0] if len(checks) == 1 else checks[0] & checks[1]


def _moment(arguments: Arguments, key: str) -> datetime.datetime | None:
    found = arguments.entry.kwargs.get(key)
    if found is None:
        return None
    # great-expectations takes a date alone for a date, which pandas does not compare with times.
    if not isinstance(found, str) or not _MOMENT.fullmatch(found):
        raise Unsupported(f"{key} is no date and time")
    try:
        return datetime.datetime.fromisoformat(found)
    except ValueError as error:
        raise Unsupported(f"{key} is no date and time") from error


def in_set(arguments: Arguments, *, wanted: bool = True) -> Plan:
    arguments.only("column", "mostly", "value_set")
    column = arguments.column()
    values = arguments.same_kind("value_set", column)
    inside = (column.numbers if column.is_number else column.values).is_in(values)
    return of_values(arguments, column, inside if wanted else ~inside, *column.beyond_exact)


def missing(arguments: Arguments, *, wanted: bool) -> Plan:
    """About values that are missing: `wanted` or not."""
    arguments.only("column", "mostly")
    column, mostly = arguments.column(), arguments.mostly()

    def conclude(found: Mapping[str, Any]) -> Outcome:
        elements, there = found["elements"], found["there"]
        unexpected = there if wanted else elements - there
        return of_rows(
            success=elements == 0 or (elements - unexpected) / elements >= mostly,
            elements=elements,
            missing=None,
            unexpected=unexpected,
        )

    # A row that is not asked for has no value here either.
    failing = column.values.is_not_null() if wanted else column.values.is_null()
    return Plan(
        values={"elements": column.rows, "there": column.values.count()},
        conclude=conclude,
        failing=failing if column.where is None else failing & column.where,
    )


def unique(arguments: Arguments) -> Plan:
    arguments.only("column", "mostly")
    column, mostly = arguments.column(), arguments.mostly()
    _ = column.kind
    gaps = pl.col(column.name).null_count() > 0
    values = column.values.drop_nulls()

    def counted(found: Mapping[str, Any], unexpected: int) -> Outcome:
        elements, there = found["elements"], found["there"]
        success = most_hold(there, unexpected, mostly)
        return of_rows(success=success, elements=elements, missing=elements - there, unexpected=unexpected)

    def conclude(found: Mapping[str, Any]) -> Outcome | Plan:
        if found["distinct"] == found["there"]:
            return counted(found, 0)
        # Only now: it takes several times the memory.
        return Plan(
            values={"unexpected": values.is_duplicated().sum()},
            conclude=lambda second: counted(found, second["unexpected"]),
        )

    unless = tuple(gaps & beyond for beyond in column.beyond_exact)
    failing = column.values.is_not_null() & column.values.is_duplicated()
    counts = {"elements": column.rows, "there": column.values.count()}
    told_apart = Plan(
        values=counts | {"distinct": values.n_unique()}, heavy=True, conclude=conclude, failing=failing, unless=unless
    )
    if not column.is_integer:
        return told_apart

    def rising(found: Mapping[str, Any]) -> Outcome | Plan:
        return counted(found, 0) if found["rising"] else told_apart

    # Numbers that rise from row to row, as keys often do, need not be told apart in memory.
    above = (values > values.shift(1)).all().fill_null(value=True)
    return Plan(values=counts | {"rising": above}, conclude=rising, failing=failing, unless=unless)


def lengths_between(arguments: Arguments) -> Plan:
    arguments.only("column", "mostly", "min_value", "max_value", "strict_min", "strict_max")
    column = _text(arguments)
    least, most = arguments.integer("min_value"), arguments.integer("max_value")
    lengths = column.values.str.len_chars().cast(pl.Int64)
    if least is not None and most is not None and least > most:
        # Nothing is; great-expectations says so and does not refuse it.
        return of_values(arguments, column, (lengths >= least) & (lengths <= most))
    return of_values(arguments, column, within(arguments, lengths, least, most))


def lengths_equal(arguments: Arguments) -> Plan:
    arguments.only("column", "mostly", "value")
    column, value = _text(arguments), arguments.number("value")
    if value is None:
        raise Unsupported("value")
    return of_values(arguments, column, column.values.str.len_chars().cast(pl.Float64) == value)


def _text(arguments: Arguments) -> Column:
    column = arguments.column()
    if not column.is_text:
        raise Unsupported(f"column {column.name} is of type {column.dtype}")
    return column


def regex(arguments: Arguments, *, wanted: bool) -> Plan:
    arguments.only("column", "mostly", "regex")
    column = _text(arguments)
    found = _contains(column, arguments.entry.kwargs.get("regex"))
    return of_values(arguments, column, found if wanted else ~found)


def regex_list(arguments: Arguments, *, wanted: bool) -> Plan:
    arguments.only("column", "mostly", "regex_list", *(["match_on"] if wanted else []))
    column, patterns = _text(arguments), arguments.entry.kwargs.get("regex_list")
    if not isinstance(patterns, list) or not patterns:
        raise Unsupported("regex_list")
    each = [_contains(column, pattern) for pattern in patterns]
    if not wanted:
        return of_values(arguments, column, ~pl.any_horizontal(each))
    every = arguments.choice("match_on", "any", "all") == "all"
    return of_values(arguments, column, pl.all_horizontal(each) if every else pl.any_horizontal(each))


def _contains(column: Column, pattern: object) -> pl.Expr:
    if not isinstance(pattern, str):
        raise Unsupported("a regular expression that is no text")
    try:
        return contains(column.values, pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise Unsupported("a regular expression that Python does not take") from error


def ordered(arguments: Arguments, *, rising: bool) -> Plan:
    arguments.only("column", "mostly", "strictly")
    column, strictly = arguments.column(), arguments.flag("strictly", default=False)
    if column.dtype not in (pl.Int32, pl.Int64, pl.Float64) and not column.is_moment:
        # pandas takes differences of short numbers in float32, and those of unsigned ones without a sign.
        raise Unsupported(f"column {column.name} is of type {column.dtype}")
    values = column.numbers if column.is_number else column.values.cast(pl.Int64)
    # The difference of two infinities is no number, and the first value has none before it: both hold.
    steps = values.drop_nulls().diff().cast(pl.Float64).fill_nan(None)
    steps = steps if rising else -steps
    # Of neighbours: the rows that are left are no longer the table's.
    plan = of_values(
        arguments, column, ((steps > 0) if strictly else (steps >= 0)).fill_null(True), *column.beyond_exact
    )
    return dataclasses.replace(plan, failing=None)


def z_scores(arguments: Arguments) -> Plan:
    arguments.only("column", "mostly", "threshold", "double_sided")
    column, threshold = _double(arguments), arguments.number("threshold")
    if threshold is None or "double_sided" not in arguments.entry.kwargs:
        raise Unsupported("threshold or double_sided")
    values = column.numbers
    spread = values.std()
    scores = (values - values.mean()) / spread
    if arguments.flag("double_sided", default=True):
        scores, threshold = scores.abs(), abs(threshold)
    # Without a spread nothing is far from the mean.
    holds = ((scores < threshold) | scores.is_nan()).fill_null(True) | (spread == 0).fill_null(True)
    largest = values.abs().max()
    rounding = (
        ((scores - threshold).abs() <= _NEAR * (1 + abs(threshold))).sum().cast(pl.Boolean)
        | ((spread <= _NEAR * largest) & (largest > 0))
        | (largest.is_finite() & (largest > 1e150))
    ).fill_null(False)
    return of_values(arguments, column, pl.when(values.is_not_null()).then(holds), *column.beyond_exact, near=rounding)


def _double(arguments: Arguments) -> Column:
    column = arguments.column()
    if not column.is_double:
        raise Unsupported(f"column {column.name} is of type {column.dtype}")
    return column


def not_outliers(arguments: Arguments) -> Plan:
    arguments.only("column", "mostly", "method", "multiplier")
    column = _double(arguments)
    method = arguments.choice("method", "iqr", "std")
    multiplier = arguments.number("multiplier") if "multiplier" in arguments.entry.kwargs else 1.5
    if multiplier is None or multiplier < 0:
        raise Unsupported("multiplier")
    values = column.numbers
    largest = values.abs().max()
    unless: tuple[pl.Expr, ...] = ()
    if method == "iqr":
        unless = column.infinite
        low, high = values.quantile(0.25, "linear"), values.quantile(0.75, "linear")
        reach = (high - low) * multiplier
        holds = (values >= low - reach) & (values <= high + reach)
        known = low.is_finite() & high.is_finite()
        limits = [low - reach, high + reach]
    else:
        low = values.mean()
        reach = values.std() * multiplier
        holds = pl.when(reach <= 0).then(values == low).otherwise((values - low).abs() < reach)
        known = low.is_finite() & values.std().is_finite()
        limits = [low - reach, low + reach]
    near = pl.any_horizontal(((values - limit).abs() <= _NEAR * largest).any() for limit in limits).fill_null(False)
    # An infinite statistic leaves every value alone.
    holds = pl.when(values.is_not_null()).then(holds | ~known.fill_null(False))
    return of_values(
        arguments, column, holds, *unless, *column.beyond_exact, near=near | (largest.is_finite() & (largest > 1e150))
    )


def by_python(arguments: Arguments, parses: Callable[[str], object], *keys: str) -> Plan:
    """About text that a function of Python takes without a ValueError or OverflowError."""
    arguments.only("column", "mostly", *keys)
    column = _text(arguments)

    def taken(value: str) -> bool:
        try:
            parses(value)
        except (ValueError, OverflowError, RecursionError):
            return False
        return True

    holds = column.values.map_batches(
        lambda values: pl.Series([None if value is None else taken(value) for value in values], dtype=pl.Boolean),
        return_dtype=pl.Boolean,
        is_elementwise=True,
    )
    return of_values(arguments, column, holds)


def json_parseable(arguments: Arguments) -> Plan:
    return by_python(arguments, json.loads)


def strftime_format(arguments: Arguments) -> Plan:
    shape = arguments.entry.kwargs.get("strftime_format")
    if not isinstance(shape, str):
        raise Unsupported("strftime_format")
    try:
        # great-expectations tries the format at once, too.
        datetime.datetime.strptime(datetime.datetime(2020, 1, 2).strftime(shape), shape)
    except ValueError as error:
        raise Unsupported("strftime_format") from error
    return by_python(arguments, lambda value: datetime.datetime.strptime(value, shape), "strftime_format")


PLANNERS: dict[str, Callable[[Arguments], Plan]] = {
    "expect_column_value_lengths_to_be_between": lengths_between,
    "expect_column_value_lengths_to_equal": lengths_equal,
    "expect_column_value_z_scores_to_be_less_than": z_scores,
    "expect_column_values_to_be_between": between,
    "expect_column_values_to_be_decreasing": lambda arguments: ordered(arguments, rising=False),
    "expect_column_values_to_be_in_set": in_set,
    "expect_column_values_to_be_increasing": lambda arguments: ordered(arguments, rising=True),
    "expect_column_values_to_be_json_parseable": json_parseable,
    "expect_column_values_to_be_null": lambda arguments: missing(arguments, wanted=True),
    "expect_column_values_to_be_unique": unique,
    "expect_column_values_to_match_regex": lambda arguments: regex(arguments, wanted=True),
    "expect_column_values_to_match_regex_list": lambda arguments: regex_list(arguments, wanted=True),
    "expect_column_values_to_match_strftime_format": strftime_format,
    "expect_column_values_to_not_be_in_set": lambda arguments: in_set(arguments, wanted=False),
    "expect_column_values_to_not_be_null": lambda arguments: missing(arguments, wanted=False),
    "expect_column_values_to_not_be_outliers": not_outliers,
    "expect_column_values_to_not_match_regex": lambda arguments: regex(arguments, wanted=False),
    "expect_column_values_to_not_match_regex_list": lambda arguments: regex_list(arguments, wanted=False),
}
