"""Expectations about one statistic of a column (great-expectations' column aggregate expectations), and its type."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from hallmark.expectations.polars_engine.plan import EXACT, Arguments, Column, Plan, Unsupported, number
from hallmark.expectations.results import Outcome

_NEAR = 1e-9
_LIMITS = ("min_value", "max_value", "strict_min", "strict_max")
_OVERFLOWS = 1e150
"""Above, a square or a sum may be infinite for one order of summation and not for another."""


def judged(arguments: Arguments, value: Any, *, rounding: float = 0) -> Outcome:
    """Whether a statistic lies between the arguments' limits.

    Args:
        rounding: how far another order of summation may end, in the statistic's unit.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Outcome(success=False, result={"observed_value": None})
    least, most = arguments.number("min_value"), arguments.number("max_value")
    above = least is None or (value > least if arguments.flag("strict_min", default=False) else value >= least)
    below = most is None or (value < most if arguments.flag("strict_max", default=False) else value <= most)
    limits = [limit for limit in (least, most) if limit is not None]
    close = rounding > 0 and any(abs(value - limit) <= rounding + _NEAR * abs(limit) for limit in limits)
    return Outcome(success=above and below, result={"observed_value": value}, close=close)


def _require_limits(arguments: Arguments) -> None:
    """Reads the limits before the data is read. Raises Unsupported if there are none, or not of numbers."""
    least, most = arguments.number("min_value"), arguments.number("max_value")
    arguments.flag("strict_min", default=False)
    arguments.flag("strict_max", default=False)
    if (least is None and most is None) or (least is not None and most is not None and least > most):
        raise Unsupported("limits")


def _double(arguments: Arguments) -> Column:
    column = arguments.column()
    if not column.is_double:
        raise Unsupported(f"column {column.name} is of type {column.dtype}")
    return column


def extreme(arguments: Arguments, *, largest: bool) -> Plan:
    arguments.only("column", *_LIMITS)
    _require_limits(arguments)
    column = _double(arguments)
    found = column.values.max() if largest else column.values.min()
    return Plan(
        values={"value": found}, conclude=lambda found: judged(arguments, found["value"]), unless=column.beyond_exact
    )


def statistic(
    arguments: Arguments,
    of: Callable[[pl.Expr], pl.Expr],
    *,
    exact: bool,
    grows: bool = False,
    middle: bool = False,
) -> Plan:
    """About a statistic in which rounding shows.

    Args:
        exact: of integers it has no rounding as long as their sum is exact.
        grows: its rounding grows with the number of values.
        middle: it lies between two values and takes the column into memory.
    """
    arguments.only("column", *_LIMITS)
    _require_limits(arguments)
    column = _double(arguments)
    values = column.numbers

    def conclude(found: Mapping[str, Any]) -> Outcome:
        largest, count = found["largest"] or 0.0, found["count"]
        if exact and column.is_integer and largest * count < EXACT:
            return judged(arguments, found["value"])
        rounding = 1e-13 * largest * (count if grows else 1) if math.isfinite(largest) else 0.0
        outcome = judged(arguments, found["value"], rounding=rounding + _NEAR * abs(found["value"] or 0))
        vast = math.isfinite(largest) and largest * max(1, count) > _OVERFLOWS
        return Outcome(success=outcome.success, result=outcome.result, close=outcome.close or vast)

    return Plan(
        values={"value": of(values), "largest": values.abs().max(), "count": values.count()},
        conclude=conclude,
        heavy=middle,
        unless=(*column.infinite, *column.beyond_exact) if middle else column.beyond_exact,
    )


def distinct_count(arguments: Arguments, *, share: bool) -> Plan:
    """How many distinct values there are, or their share of those that are there (0 where there is none)."""
    arguments.only("column", *_LIMITS)
    _require_limits(arguments)
    column = arguments.column()
    _ = column.kind
    if not share:
        arguments.integer("min_value")
        arguments.integer("max_value")

    def conclude(found: Mapping[str, Any]) -> Outcome:
        distinct, there = found["distinct"], found["there"]
        return judged(arguments, (distinct / there if there else 0) if share else distinct)

    return Plan(
        values={"distinct": column.values.drop_nulls().n_unique(), "there": column.values.count()},
        heavy=True,
        conclude=conclude,
        unless=column.beyond_exact,
    )


def share_there(arguments: Arguments) -> Plan:
    arguments.only("column", *_LIMITS)
    _require_limits(arguments)
    column = arguments.column()
    return Plan(
        values={"rows": column.rows, "there": column.values.count()},
        conclude=lambda found: judged(arguments, found["there"] / found["rows"] if found["rows"] else 0),
    )


def quantiles(arguments: Arguments) -> Plan:
    arguments.only("column", "quantile_ranges", "allow_relative_error")
    column = _double(arguments)
    wanted, ranges = _quantile_ranges(arguments.entry.kwargs.get("quantile_ranges"))
    method = arguments.entry.kwargs.get("allow_relative_error", False) or "nearest"
    if method not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise Unsupported("allow_relative_error")
    # numpy takes percents, and pandas makes them from shares: the same rounding as there.
    shares = [share * 100 / 100 for share in wanted]
    values = column.numbers
    found = {"count": values.count()}
    for place, share in enumerate(shares):
        found[f"lower {place}"] = values.quantile(share, "lower")
        found[f"higher {place}"] = values.quantile(share, "higher")

    def conclude(found: Mapping[str, Any]) -> Outcome:
        observed = [
            _interpolated(found[f"lower {place}"], found[f"higher {place}"], (found["count"] - 1) * share, method)
            for place, share in enumerate(shares)
        ]
        held = [_in_range(value, *limits) for value, limits in zip(observed, ranges, strict=True)]
        shown = [None if value is None or math.isnan(value) else value for value in observed]
        # A place that is nearly a value's own may be taken for it, or for the next one.
        parts = [math.modf((found["count"] - 1) * share)[0] for share in shares]
        close = any(0 < min(part, 1 - part) < _NEAR for part in parts)
        return Outcome(
            success=all(held), result={"observed_value": {"quantiles": wanted, "values": shown}}, close=close
        )

    unless = column.infinite if method in ("linear", "midpoint") else ()
    return Plan(values=found, conclude=conclude, heavy=True, unless=(*unless, *column.beyond_exact))


def _quantile_ranges(found: object) -> tuple[list[float], list[tuple[float, float]]]:
    if not isinstance(found, dict) or set(found) != {"quantiles", "value_ranges"}:
        raise Unsupported("quantile_ranges")
    wanted, ranges = found["quantiles"], found["value_ranges"]
    if not isinstance(wanted, list) or not isinstance(ranges, list) or not wanted or len(wanted) != len(ranges):
        raise Unsupported("quantile_ranges")
    shares, limits = [float(number(share, "quantiles")) for share in wanted], []
    for each in ranges:
        if not isinstance(each, list) or len(each) != 2:
            raise Unsupported("value_ranges")
        least, most = (None if limit is None else float(number(limit, "value_ranges")) for limit in each)
        if least is not None and most is not None and least > most:
            raise Unsupported("value_ranges")
        limits.append((-math.inf if least is None else least, math.inf if most is None else most))
    if not all(0 <= share <= 1 for share in shares):
        raise Unsupported("quantiles")
    return shares, limits


def _interpolated(lower: float | None, higher: float | None, index: float, method: str) -> float | None:
    """numpy.quantile between two neighbours, of which `index` (from 0) says how far it is from the lower one."""
    if lower is None or higher is None:
        return None
    part = index - math.floor(index)
    if method == "nearest":
        part = 0.0 if part < 0.5 or (part == 0.5 and math.floor(index) % 2 == 0) else 1.0
    elif method in ("lower", "higher"):
        part = 0.0 if method == "lower" or part == 0 else 1.0
    elif method == "midpoint":
        part = 0.5 if part else 0.0
    if part in (0, 1):
        return higher if part else lower
    step = higher - lower
    return higher - step * (1 - part) if part >= 0.5 else lower + step * part


def _in_range(value: float | None, least: float, most: float) -> bool:
    """great-expectations' rule, with its tolerance (numpy.isclose)."""
    if value is None or math.isnan(value):
        return False
    return _is_close(value, least) or _is_close(value, most) or least <= value <= most


def _is_close(value: float, limit: float) -> bool:
    if math.isinf(value) or math.isinf(limit):
        return value == limit
    return abs(value - limit) <= 1e-8 + 1e-4 * abs(limit)


def most_common(arguments: Arguments) -> Plan:
    arguments.only("column", "value_set", "ties_okay")
    column, ties = arguments.column(), arguments.flag("ties_okay", default=False)
    values = arguments.same_kind("value_set", column)
    modes = (column.numbers if column.is_number else column.values).drop_nulls().mode()

    def conclude(found: Mapping[str, Any]) -> Outcome:
        inside = found["inside"]
        success = inside > 0 if ties else found["modes"] == 1 and inside == 1
        return Outcome(success=success, result={"observed_value": None})

    return Plan(
        heavy=True,
        values={"modes": modes.len(), "inside": modes.is_in(values).sum()},
        conclude=conclude,
        unless=column.beyond_exact,
    )


def distinct_set(arguments: Arguments, *, within: bool, all_of: bool) -> Plan:
    """About the distinct values: that all are `within` the set, that the set holds `all_of` it, or both."""
    arguments.only("column", "value_set")
    column = arguments.column()
    values = arguments.same_kind("value_set", column)
    distinct = (column.numbers if column.is_number else column.values).drop_nulls().unique()

    def conclude(found: Mapping[str, Any]) -> Outcome:
        unexpected, missing = found["distinct"] - found["inside"], len(set(values)) - found["inside"]
        result: dict[str, Any] = {"observed_value": None}
        if within:
            result["unexpected_count"] = unexpected
        if all_of:
            result["missing_count"] = missing
        return Outcome(success=not (within and unexpected) and not (all_of and missing), result=result)

    return Plan(
        heavy=True,
        values={"distinct": distinct.len(), "inside": distinct.is_in(values).sum()},
        conclude=conclude,
        unless=column.beyond_exact,
    )


_TYPES = {
    "int": "int64", "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64",
    "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
    "float": "float64", "float32": "float32", "float64": "float64", "bool": "bool", "object": "object",
}  # fmt: skip
"""Names that a suite may use, and the names of pandas' types."""


def of_type(arguments: Arguments, *, listed: bool = False, exactly: bool = False) -> Plan:
    """About the type that the column has in pandas; `exactly` as `expect_column_type_to_be` shows it."""
    keys = ["type_list" if listed else "type_", *([] if exactly else ["mostly"])]
    arguments.only("column", *keys)
    if not exactly:
        arguments.mostly()
    elif arguments.where is not None:
        raise Unsupported("row_condition")
    column, found = arguments.column(), arguments.entry.kwargs.get(keys[0])
    wanted = found if listed else [found]
    names = _TYPES | ({} if listed else {"str": "str"})
    if not isinstance(wanted, list) or not wanted or not all(name in names for name in wanted):
        raise Unsupported(f"{keys[0]} has a name that only great-expectations knows")
    if not (column.is_number or column.is_bool or (column.is_text and not listed)):
        raise Unsupported(f"column {column.name} is of type {column.dtype}")

    def conclude(found: Mapping[str, Any]) -> Outcome:
        gaps = found["gaps"] and column.is_integer
        actual = "float64" if gaps else "str" if column.is_text else "bool" if column.is_bool else str(column.dtype)
        actual = actual.lower()
        return Outcome(success=actual in [names[name] for name in wanted], result={"observed_value": actual})

    gaps = pl.col(column.name).null_count() > 0
    # A boolean column with gaps holds objects in pandas, whose types are looked at one by one.
    return Plan(values={"gaps": gaps}, conclude=conclude, unless=(gaps,) if column.is_bool else ())


PLANNERS: dict[str, Callable[[Arguments], Plan]] = {
    "expect_column_distinct_values_to_be_in_set": lambda a: distinct_set(a, within=True, all_of=False),
    "expect_column_distinct_values_to_contain_set": lambda a: distinct_set(a, within=False, all_of=True),
    "expect_column_distinct_values_to_equal_set": lambda a: distinct_set(a, within=True, all_of=True),
    "expect_column_max_to_be_between": lambda a: extreme(a, largest=True),
    "expect_column_mean_to_be_between": lambda a: statistic(a, pl.Expr.mean, exact=True),
    "expect_column_median_to_be_between": lambda a: statistic(a, pl.Expr.median, exact=True, middle=True),
    "expect_column_min_to_be_between": lambda a: extreme(a, largest=False),
    "expect_column_most_common_value_to_be_in_set": most_common,
    "expect_column_proportion_of_non_null_values_to_be_between": share_there,
    "expect_column_proportion_of_unique_values_to_be_between": lambda a: distinct_count(a, share=True),
    "expect_column_quantile_values_to_be_between": quantiles,
    "expect_column_stdev_to_be_between": lambda a: statistic(a, pl.Expr.std, exact=False),
    "expect_column_sum_to_be_between": lambda a: statistic(a, pl.Expr.sum, exact=True, grows=True),
    "expect_column_type_to_be": lambda a: of_type(a, exactly=True),
    "expect_column_unique_value_count_to_be_between": lambda a: distinct_count(a, share=False),
    "expect_column_values_to_be_in_type_list": lambda a: of_type(a, listed=True),
    "expect_column_values_to_be_of_type": of_type,
}
