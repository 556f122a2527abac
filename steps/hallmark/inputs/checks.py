"""Checks an input's digest, rows and columns against its rules. Names of columns are shown, values never."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from hallmark.documents.rules_inputs import InputRules, RowLimits, Schema
from hallmark.findings import Findings
from hallmark.gate_report import Check
from hallmark.inputs.opening import Input
from hallmark.nearest import nearest

_SHOWN = 10
_ACCEPTED = {
    "number": ("number", "integer"),
    "decimal": ("decimal", "integer"),
}
"""Types that pass for another one without a loss."""


def check_input(opened: Input, rules: InputRules | None) -> Findings:
    """Whether the input is what its rules say; that it has rows is always asked.

    `figures` holds `inputs`: [{what, location, format, files, bytes, rows, digest, columns: [{name, type}]}].

    Raises:
        BadInputError: the data turns out to be damaged while it is read.
    """
    rules = rules or InputRules()
    checks = [_rows(opened, rules.rows)]
    if rules.sha256 is not None:
        checks.append(identity_check(opened.what, found=opened.digest, expected=rules.sha256))
    if rules.table_schema is not None:
        checks.extend(_columns(opened, rules.table_schema))
    figure = {
        "what": opened.what,
        "location": opened.location,
        "format": opened.format,
        "files": len(opened.files),
        "bytes": opened.size,
        "rows": opened.rows(),
        "digest": opened.digest,
        "columns": [{"name": name, "type": type_name(dtype)} for name, dtype in opened.schema.items()],
    }
    return Findings(checks=tuple(checks), figures={"inputs": [figure]})


def identity_check(what: str, *, found: str, expected: str) -> Check:
    """Whether the input `what` is the one of the digest `expected`; where it is not, none of it should be parsed."""
    same = found == expected
    return Check(
        name=f"{what}: is the one that the rules name",
        passed=same,
        value=found if same else f"{found} differs from policy.yaml's sha256",
        limit=expected,
        detail="other data is in its place; nothing more was looked at in it",
    )


def type_name(dtype: pl.DataType) -> str:
    """A type as the rules call it; what they have no name for keeps polars' own."""
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        return "number"
    if dtype.is_decimal():
        return "decimal"
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        return "string"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype == pl.Date:
        return "date"
    return "datetime" if isinstance(dtype, pl.Datetime) else str(dtype).lower()


def _rows(opened: Input, limits: int | RowLimits | None) -> Check:
    found = opened.rows()
    if isinstance(limits, int):
        passed, limit = found == limits, f"exactly {limits}"
    else:
        limits = limits or RowLimits()
        passed = found >= limits.minimum and (limits.maximum is None or found <= limits.maximum)
        limit = f"at least {limits.minimum}" + (f", at most {limits.maximum}" if limits.maximum is not None else "")
    return Check(name=f"{opened.what}: rows", passed=passed, value=f"{found} rows", limit=limit)


def _columns(opened: Input, schema: Schema) -> Iterator[Check]:
    found = opened.schema
    wanted = {column.name: column for column in schema.columns}
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted]
    yield Check(
        name=f"{opened.what}: no column is missing",
        passed=not missing,
        value=_shown(_with_hint(name, extra) for name in missing),
        limit=f"{len(wanted)} columns",
    )
    if schema.extra == "refuse":
        yield Check(
            name=f"{opened.what}: no other columns", passed=not extra, value=_shown(extra), limit="those of the schema"
        )
    if schema.order == "exact":
        order = [name for name in found if name in wanted]
        expected = [name for name in wanted if name in found]
        first = next((f"{a} stands where {b} should" for a, b in zip(order, expected, strict=True) if a != b), "")
        yield Check(
            name=f"{opened.what}: columns in order",
            passed=order == expected,
            value=first or "in order",
            limit="the schema's order",
        )
    wrong = [
        f"{name} is {type_name(found[name])}, not {column.type}"
        for name, column in wanted.items()
        if name in found and type_name(found[name]) not in _ACCEPTED.get(column.type, (column.type,))
    ]
    yield Check(name=f"{opened.what}: types", passed=not wrong, value=_shown(wrong), limit="the schema's types")
    filled = [name for name, column in wanted.items() if not column.nullable and name in found]
    if filled:
        counts = opened.collect(opened.frame.select(pl.col(name).null_count() for name in filled)).row(0)
        gaps = [f"{name}: {count}" for name, count in zip(filled, counts, strict=True) if count]
        yield Check(
            name=f"{opened.what}: no missing values",
            passed=not gaps,
            value=_shown(gaps),
            limit=f"none in {len(filled)} columns",
        )


def _with_hint(name: str, others: list[str]) -> str:
    near = nearest(name, others)
    return f"{name} (is {near} meant?)" if near else name


def _shown(items: Iterable[str]) -> str:
    found = list(items)
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return (", ".join(found[:_SHOWN]) + more) or "none"
