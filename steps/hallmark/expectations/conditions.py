"""Row conditions of a suite as polars expressions: which rows an expectation is about.

great-expectations has them as objects (`{"type": "comparison", ...}`), as its own short text (`col("age") > 18`), and
as the text of pandas' `DataFrame.query` (`age > 18 and city == "Bern"`), all of which it evaluates by pandas. A value
that is missing compares as pandas compares it: unequal to everything, and not in any set. What is not certainly the
same in polars is `Unsupported`.
"""

from __future__ import annotations

import ast
import functools
import keyword
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from hallmark.expectations.polars_engine.plan import Column, Unsupported, number, same_kind

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "IN",
    ast.NotIn: "NOT_IN",
}
_SHORT = re.compile(
    r"""\s*col\("(?P<column>\w+)"\)\s*
        (?:(?P<there>\.notnull\(\)) | (?P<op>[=!<>]=|[<>])\s*
            (?:"(?P<text>[\w .-]*)"|(?P<number>-?\d+(?:\.\d+)?)))\s*""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_GX_PARSERS = ("great_expectations", "great_expectations__experimental__")
_LARGEST = 50
"""Comparisons in one condition."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    rows: pl.Expr
    """True where a row is asked for, else false; never null."""
    columns: frozenset[str]
    unless: tuple[pl.Expr, ...]
    """As in `plan.Plan`."""


def condition_of(kwargs: Mapping[str, Any], schema: Mapping[str, pl.DataType]) -> Condition | None:
    """The row condition in an expectation's arguments; None if it has none.

    Raises:
        Unsupported: it is not understood, or about something that polars may compare otherwise than pandas.
    """
    found, parser = kwargs.get("row_condition"), kwargs.get("condition_parser")
    if found is None:
        if parser is not None:
            raise Unsupported("condition_parser without row_condition")
        return None
    used: list[Column] = []

    def column(name: object) -> Column:
        # pandas reads the name as part of an expression.
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name not in schema:
            raise Unsupported(f"row_condition names {name!r}")
        used.append(Column(name=name, dtype=schema[name], where=None))
        if len(used) > _LARGEST:
            raise Unsupported("row_condition is very long")
        return used[-1]

    if isinstance(found, dict) and parser is None:
        rows = _object(found, column)
    elif isinstance(found, str) and parser in _GX_PARSERS:
        rows = _short(found, column)
    elif isinstance(found, str) and parser == "pandas":
        rows = _query(found, column)
    else:
        raise Unsupported("row_condition")
    return Condition(
        rows=rows,
        columns=frozenset(part.name for part in used),
        unless=tuple(check for part in used for check in part.beyond_exact),
    )


def _compared(column: Column, op: str, value: object) -> pl.Expr:
    if column.dtype in (pl.Float32,) or column.kind not in ("number", "text"):
        raise Unsupported(f"row_condition compares column {column.name} of type {column.dtype}")
    if op in ("IN", "NOT_IN"):
        inside = _plain(column).is_in(same_kind(value, column, "row_condition")).fill_null(False)
        return ~inside if op == "NOT_IN" else inside
    if op not in _COMPARISONS:
        raise Unsupported(f"row_condition's operator {op}")
    if column.is_number:
        limit: pl.Expr = pl.lit(float(number(value, "row_condition")), dtype=pl.Float64)
    elif isinstance(value, str):
        limit = pl.lit(value)
    else:
        raise Unsupported("row_condition compares text with something else")
    return pl.Expr.fill_null(_COMPARISONS[op](_plain(column), limit), op == "!=")


def _plain(column: Column) -> pl.Expr:
    return column.numbers if column.is_number else column.values


def _object(found: object, column: Callable[[object], Column]) -> pl.Expr:
    if not isinstance(found, dict):
        raise Unsupported("row_condition")
    named = found.get("column")
    match found.get("type"):
        case "comparison" if isinstance(named, dict) and set(found) <= {"type", "column", "operator", "parameter"}:
            return _compared(column(named.get("name")), str(found.get("operator")), found.get("parameter"))
        case "nullity" if isinstance(named, dict) and isinstance(found.get("is_null"), bool):
            missing = column(named.get("name")).values.is_null()
            return missing if found["is_null"] else ~missing
        case "and" | "or" as kind:
            parts = found.get("conditions")
            # great-expectations refuses an `or` inside another condition.
            if not isinstance(parts, list) or not parts or any(_is_or(part) for part in parts):
                raise Unsupported("row_condition")
            join = operator.and_ if kind == "and" else operator.or_
            return functools.reduce(join, [_object(part, column) for part in parts])
    raise Unsupported("row_condition")


def _is_or(part: object) -> bool:
    if not isinstance(part, dict):
        return False
    inner = part.get("conditions")
    return part.get("type") == "or" or (isinstance(inner, list) and any(_is_or(each) for each in inner))


def _short(found: str, column: Callable[[object], Column]) -> pl.Expr:
    parts = _SHORT.fullmatch(found)
    if parts is None:
        raise Unsupported("row_condition")
    named = column(parts["column"])
    if parts["there"]:
        return ~named.values.is_null()
    value: object = parts["text"]
    if parts["number"] is not None:
        value = float(parts["number"])
    return _compared(named, parts["op"], value)


def _query(found: str, column: Callable[[object], Column]) -> pl.Expr:
    # `&`, `|` and `~` bind otherwise in pandas, `@` names a variable and a backtick a column.
    if any(sign in found for sign in "&|~@`#\n") or len(found) > 2000:
        raise Unsupported("row_condition")
    try:
        parsed = ast.parse(found.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unsupported("row_condition") from error
    return _query_part(parsed, column)


def _query_part(part: ast.expr, column: Callable[[object], Column]) -> pl.Expr:
    match part:
        case ast.BoolOp(op=op, values=values):
            join = operator.and_ if isinstance(op, ast.And) else operator.or_
            return functools.reduce(join, [_query_part(value, column) for value in values])
        case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[compared]) if type(op) in _OPERATORS:
            sign = _OPERATORS[type(op)]
            try:
                value = ast.literal_eval(compared)
            except (ValueError, TypeError) as error:
                raise Unsupported("row_condition") from error
            if isinstance(value, list) != (sign in ("IN", "NOT_IN")):
                raise Unsupported("row_condition")
            return _compared(column(name), sign, value)
    raise Unsupported("row_condition")
