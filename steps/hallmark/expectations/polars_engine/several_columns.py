"""Expectations about values side by side: of two columns, or of several."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from hallmark.expectations.polars_engine.plan import Arguments, Column, Plan, Unsupported, any_true, number
from hallmark.expectations.results import Outcome, most_hold, of_rows

_MOST_PAIRS = 200
_MOST_COLUMNS = 12
_PAIR_RULES = ("both_values_are_missing", "either_value_is_missing", "neither")
_LIST_RULES = ("all_values_are_missing", "any_value_is_missing", "never")


def _plain(column: Column) -> pl.Expr:
    """The values in the type in which pandas compares columns of this kind; -0.0 is 0.0."""
    return column.numbers + 0.0 if column.is_number else column.values


def _considered(arguments: Arguments, columns: list[Column], rules: tuple[str, ...]) -> pl.Expr:
    """The rows that `ignore_row_if` and the row condition leave; never null. `rules`: all, any, none is missing."""
    rule = arguments.choice("ignore_row_if", *rules)
    there = [column.values.is_not_null() for column in columns]
    asked = pl.lit(True) if arguments.where is None else arguments.where
    if rule == rules[2]:
        # A constant alone has one row.
        return asked & (there[0] | True)
    return asked & (pl.any_horizontal(there) if rule == rules[0] else pl.all_horizontal(there))


def _of_rows(
    arguments: Arguments,
    columns: list[Column],
    considered: pl.Expr,
    wrong: pl.Expr,
    unexpected: pl.Expr | None = None,
    **more: pl.Expr,
) -> Plan:
    """The plan of an expectation about rows; `wrong` for each, `unexpected`: how many, if not the sum of that."""
    mostly = arguments.mostly()

    def conclude(found: Mapping[str, Any]) -> Outcome:
        elements, kept, wrong = found["elements"], found["considered"], found["unexpected"]
        outcome = of_rows(
            success=most_hold(kept, wrong, mostly), elements=elements, missing=elements - kept, unexpected=wrong
        )
        return Outcome(success=outcome.success, result=outcome.result, close=bool(found.get("near")))

    return Plan(
        values={
            "elements": columns[0].rows,
            "considered": considered.sum(),
            "unexpected": wrong.sum() if unexpected is None else unexpected,
        }
        | more,
        conclude=conclude,
        failing=wrong,
        unless=tuple(check for column in columns for check in column.beyond_exact),
    )


def _same_kind(columns: list[Column], *kinds: str) -> None:
    found = {column.kind for column in columns}
    if len(found) > 1 or not found <= set(kinds):
        raise Unsupported(f"columns of {' and '.join(sorted(found))}")
    if found == {"moment"} and len({str(column.dtype) for column in columns}) > 1:
        raise Unsupported("dates beside times")


def _pair(arguments: Arguments) -> list[Column]:
    columns = [arguments.column("column_A"), arguments.column("column_B")]
    _same_kind(columns, "number", "text", "moment")
    return columns


def pair_compares(arguments: Arguments, compare: Callable[[Any, Any], Any]) -> Plan:
    columns = _pair(arguments)
    considered = _considered(arguments, columns, _PAIR_RULES)
    holds = pl.Expr.fill_null(compare(_plain(columns[0]), _plain(columns[1])), False)
    return _of_rows(arguments, columns, considered, considered & ~holds)


def pair_equal(arguments: Arguments) -> Plan:
    arguments.only("column_A", "column_B", "mostly", "ignore_row_if")
    return pair_compares(arguments, operator.eq)


def pair_greater(arguments: Arguments) -> Plan:
    arguments.only("column_A", "column_B", "mostly", "ignore_row_if", "or_equal")
    or_equal = arguments.flag("or_equal", default=False)
    return pair_compares(arguments, operator.ge if or_equal else operator.gt)


def pair_in_set(arguments: Arguments) -> Plan:
    arguments.only("column_A", "column_B", "mostly", "ignore_row_if", "value_pairs_set")
    if arguments.where is not None:
        # There the condition filters the rows that are counted, and not those that are looked at.
        raise Unsupported("row_condition")
    columns = [arguments.column("column_A"), arguments.column("column_B")]
    pairs = arguments.entry.kwargs.get("value_pairs_set")
    if not isinstance(pairs, list) or not 0 < len(pairs) <= _MOST_PAIRS:
        raise Unsupported("value_pairs_set")
    if any(not isinstance(pair, list) or len(pair) != 2 for pair in pairs):
        raise Unsupported("value_pairs_set")
    considered = _considered(arguments, columns, _PAIR_RULES)
    inside = any_true([functools.reduce(operator.and_, map(_is_value, columns, pair)) for pair in pairs])
    return _of_rows(arguments, columns, considered, considered & ~inside)


def _is_value(column: Column, value: object) -> pl.Expr:
    if value is None:
        return column.values.is_null()
    if column.is_number:
        return column.numbers.eq_missing(float(number(value, "value_pairs_set")))
    if column.is_text and isinstance(value, str):
        return column.values.eq_missing(pl.lit(value))
    raise Unsupported("value_pairs_set holds values of another type than the columns")


def compound_unique(arguments: Arguments) -> Plan:
    arguments.only("column_list", "mostly", "ignore_row_if")
    columns = arguments.columns()
    for column in columns:
        _ = column.kind
    considered = _considered(arguments, columns, _LIST_RULES)
    rows = pl.struct(_plain(column).alias(str(place)) for place, column in enumerate(columns))
    wrong = considered & pl.when(considered).then(rows).is_duplicated()
    return _of_rows(arguments, columns, considered, wrong, rows.filter(considered).is_duplicated().sum())


def sum_equal(arguments: Arguments) -> Plan:
    arguments.only("column_list", "mostly", "ignore_row_if", "sum_total")
    columns, total = arguments.columns(), arguments.number("sum_total")
    if total is None or any(not column.is_double for column in columns):
        raise Unsupported("sum_total, or columns that are no numbers")
    considered = _considered(arguments, columns, _LIST_RULES)
    added = functools.reduce(operator.add, [column.numbers for column in columns])
    wrong = considered & ~(added == total).fill_null(False)
    size = functools.reduce(operator.add, [column.numbers.abs() for column in columns]) + abs(total)
    vast = any_true(
        [(column.numbers.abs() > 2**50).any() for column in columns if column.is_integer] or [pl.lit(False)]
    )
    if len(columns) == 2 or all(column.is_integer for column in columns):
        return _of_rows(arguments, columns, considered, wrong, near=vast.fill_null(False))
    near = (considered & ((added - total).abs() <= 1e-9 * size) & size.is_finite()).any()
    return _of_rows(arguments, columns, considered, wrong, near=(near | vast).fill_null(False))


def values_equal(arguments: Arguments) -> Plan:
    arguments.only("column_list", "mostly", "ignore_row_if")
    columns = arguments.columns()
    _same_kind(columns, "number", "text", "moment")
    considered = _considered(arguments, columns, _LIST_RULES)
    same = pl.all_horizontal(_plain(column).eq_missing(_plain(columns[0])) for column in columns[1:])
    return _of_rows(arguments, columns, considered, considered & ~same)


def unique_in_row(arguments: Arguments) -> Plan:
    arguments.only("column_list", "mostly", "ignore_row_if")
    columns = arguments.columns()
    if len(columns) > _MOST_COLUMNS:
        raise Unsupported("many columns")
    _same_kind(columns, "number", "text")
    considered = _considered(arguments, columns, _LIST_RULES)
    twice = [_plain(left).eq_missing(_plain(right)) for left, right in itertools.combinations(columns, 2)]
    return _of_rows(arguments, columns, considered, considered & any_true(twice))


PLANNERS: dict[str, Callable[[Arguments], Plan]] = {
    "expect_column_pair_values_a_to_be_greater_than_b": pair_greater,
    "expect_column_pair_values_to_be_equal": pair_equal,
    "expect_column_pair_values_to_be_in_set": pair_in_set,
    "expect_compound_columns_to_be_unique": compound_unique,
    "expect_multicolumn_sum_to_equal": sum_equal,
    "expect_multicolumn_values_to_be_equal": values_equal,
    "expect_select_column_values_to_be_unique_within_record": unique_in_row,
}
