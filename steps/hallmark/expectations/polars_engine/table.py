"""Expectations about the table: its rows, and its columns by name and place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from hallmark.expectations.polars_engine.column_aggregate import judged
from hallmark.expectations.polars_engine.plan import Arguments, Plan, Unsupported
from hallmark.expectations.results import Outcome


def _known(arguments: Arguments, outcome: Outcome) -> Plan:
    if arguments.where is not None:
        raise Unsupported("row_condition")
    return Plan(values={}, conclude=lambda _: outcome)


def row_count(arguments: Arguments) -> Plan:
    arguments.only("min_value", "max_value", "strict_min", "strict_max")
    least, most = arguments.integer("min_value"), arguments.integer("max_value")
    arguments.flag("strict_min", default=False)
    arguments.flag("strict_max", default=False)
    if (least is None and most is None) or (least is not None and most is not None and least > most):
        raise Unsupported("limits")
    return Plan(values={"rows": _rows(arguments)}, conclude=lambda found: judged(arguments, found["rows"]))


def row_count_equal(arguments: Arguments) -> Plan:
    arguments.only("value")
    value = arguments.integer("value")
    if value is None:
        raise Unsupported("value")
    return Plan(
        values={"rows": _rows(arguments)},
        conclude=lambda found: Outcome(success=found["rows"] == value, result={"observed_value": found["rows"]}),
    )


def _rows(arguments: Arguments) -> pl.Expr:
    return pl.len() if arguments.where is None else arguments.where.sum()


def column_count(arguments: Arguments) -> Plan:
    arguments.only("min_value", "max_value")
    if arguments.number("min_value") is None and arguments.number("max_value") is None:
        raise Unsupported("limits")
    return _known(arguments, judged(arguments, len(arguments.schema)))


def column_count_equal(arguments: Arguments) -> Plan:
    arguments.only("value")
    value, count = arguments.integer("value"), len(arguments.schema)
    if value is None:
        raise Unsupported("value")
    return _known(arguments, Outcome(success=count == value, result={"observed_value": count}))


def _names(arguments: Arguments, key: str) -> list[str]:
    names: Any = arguments.entry.kwargs.get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Unsupported(key)
    return list(names)


def ordered_columns(arguments: Arguments) -> Plan:
    arguments.only("column_list")
    names, found = _names(arguments, "column_list"), list(arguments.schema)
    return _known(arguments, Outcome(success=names == found, result={"observed_value": found}))


def column_set(arguments: Arguments) -> Plan:
    arguments.only("column_set", "exact_match")
    wanted, found = set(_names(arguments, "column_set")), set(arguments.schema)
    exact = arguments.flag("exact_match", default=True)
    success = wanted == found if exact else wanted <= found
    return _known(arguments, Outcome(success=success, result={"observed_value": sorted(found)}))


def column_exists(arguments: Arguments) -> Plan:
    arguments.only("column", "column_index")
    name, index = arguments.entry.kwargs.get("column"), arguments.integer("column_index")
    if not isinstance(name, str) or not name:
        raise Unsupported("column")
    columns = list(arguments.schema)
    # As there: place 0 asks for nothing, a negative one counts from the end.
    inside = index is None or -len(columns) <= index < len(columns)
    there = inside and (columns[index] == name if index else name in columns)
    return _known(arguments, Outcome(success=there))


PLANNERS: dict[str, Callable[[Arguments], Plan]] = {
    "expect_column_to_exist": column_exists,
    "expect_table_column_count_to_be_between": column_count,
    "expect_table_column_count_to_equal": column_count_equal,
    "expect_table_columns_to_match_ordered_list": ordered_columns,
    "expect_table_columns_to_match_set": column_set,
    "expect_table_row_count_to_be_between": row_count,
    "expect_table_row_count_to_equal": row_count_equal,
}
