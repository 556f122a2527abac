"""What a table must not be: mostly repetitions, columns that say nothing, classes that hardly occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from hallmark.documents.rules_quality import Classes, Columns, Duplicates, FailingRows
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.gate_report import Check
from hallmark.quality.failing_rows import failing_rows
from hallmark.quality.labels import class_names
from hallmark.quality.tables import Table, chosen, random_rows, repeated_hashes, shown, taken

_SHOWN = 10
_SAMPLE = 100_000


def duplicates(table: Table, rules: Duplicates, *, rows: FailingRows | None = None) -> Findings:
    """Rows that repeat an earlier one in the compared columns (null equals null there).

    Figures: `duplicates` [{dataset, columns, rows, repeated, share, maximum}] and `failing_rows`.

    Raises:
        BadInputError: no rows, or an unknown column.
    """
    where = "data.quality.duplicates.columns"
    table.require(rules.columns, where)
    total = table.height()
    columns = rules.columns or table.schema.names()
    repeated = _repeated(table, columns, total)
    share = len(repeated) / total
    name = f"{table.name} data: repeated rows" + (f" by {', '.join(rules.columns)}" if rules.columns else "")
    check = Check(
        name=name,
        passed=share <= rules.maximum,
        value=f"{len(repeated)} of {total} rows ({shown(share)})",
        limit=f"at most {shown(rules.maximum)}",
        detail="keep one row of each; repeated ones count double in training and in the measured accuracy",
    )
    failed = failing_rows(table, repeated, rows or FailingRows(), check=name) if not check.passed else []
    figure = {
        "dataset": table.name,
        "columns": list(rules.columns),
        "rows": total,
        "repeated": len(repeated),
        "share": share,
        "maximum": rules.maximum,
    }
    return Findings(checks=(check,), figures={"duplicates": [figure], "failing_rows": failed})


def _repeated(table: Table, columns: Sequence[str], height: int) -> pl.Series:
    """The places of the rows that repeat an earlier one. Hashes find candidates, whose values are then compared."""
    expressions = [pl.col(column) for column in columns]
    places = repeated_hashes(table, expressions, height)
    if places.is_empty():
        return places
    rows = taken(table, expressions, places)
    return places.filter(~rows.select(pl.struct(pl.all()).is_first_distinct()).to_series())


def columns(table: Table, rules: Columns, *, features: Sequence[str], label: str) -> Findings:
    """Features and label without a value, with too few, and features that (nearly) always say the same.

    Figures: `columns` [{dataset, column, missing, constant, dominance}], for the features and the label; `missing` is
    a share of all rows, `dominance` the most frequent value's share of the rows with a value.

    Raises:
        BadInputError: no rows, or an unknown column.
    """
    table.require([*features, label], "hallmark.yaml")
    table.require(rules.allow_constant, "data.quality.columns.allowConstant")
    total = table.height()
    found = _described(table, [*features, label], total)
    empty = [figure for figure in found if figure["missing"] == 1]
    sparse = [figure for figure in found if rules.maximum_missing < figure["missing"] < 1]
    judged = [figure for figure in found if figure["column"] not in {label, *rules.allow_constant}]
    constant = [figure for figure in judged if figure["constant"]]
    dominated = [
        figure for figure in judged if not figure["constant"] and figure["dominance"] > rules.maximum_dominance
    ]
    most = max((figure["missing"] for figure in found if figure["missing"] < 1), default=0.0)
    checks = (
        Check(
            name=f"{table.name} data: every column has values",
            passed=not empty,
            value=_names(empty) or f"all {len(found)} have",
            limit="at least one value each",
        ),
        Check(
            name=f"{table.name} data: missing values of a column",
            passed=not sparse,
            value=_shares(sparse, "missing") or f"most {shown(most)}",
            limit=f"at most {shown(rules.maximum_missing)}",
        ),
        Check(
            name=f"{table.name} data: no feature is constant",
            passed=not constant,
            value=_names(constant) or f"none of {len(judged)}",
            limit="at least two values each",
            detail="a feature with one value teaches nothing: take it out, or list it in allowConstant",
        ),
        Check(
            name=f"{table.name} data: share of a feature's most frequent value",
            passed=not dominated,
            value=_shares(dominated, "dominance") or "none above",
            limit=f"at most {shown(rules.maximum_dominance)}",
        ),
    )
    return Findings(checks=checks, figures={"columns": found})


def _described(table: Table, columns: Sequence[str], total: int) -> list[dict[str, Any]]:
    """Counts of each column, in two passes that hold no column.

    The value that is most frequent among 100,000 rows is counted in all: a value that dominates cannot be missed by
    that, and whether there is any other follows as well.
    """
    known = {column: _known(table, column) for column in columns}
    sample = chosen(table, list(known.values()), random_rows(total, _SAMPLE))
    expressions = []
    for place, (column, value) in enumerate(known.items()):
        values = sample[column].drop_nulls()
        frequent = (
            pl.lit(values.mode(maintain_order=True)[0], values.dtype) if len(values) else value.drop_nulls().first()
        )
        expressions += [value.count().alias(f"known{place}"), (value == frequent).sum().alias(f"most{place}")]
    counts = table.rows.select(expressions).collect(engine="streaming").row(0, named=True)
    found = []
    for place, column in enumerate(columns):
        rows, most = int(counts[f"known{place}"]), int(counts[f"most{place}"] or 0)
        figure = {"dataset": table.name, "column": column, "missing": 1 - rows / total}
        found.append({**figure, "constant": 0 < rows == most, "dominance": most / rows if rows else 0.0})
    return found


def _known(table: Table, column: str) -> pl.Expr:
    """A column with null for NaN."""
    value = pl.col(column)
    return pl.when(value.is_not_nan()).then(value).alias(column) if table.schema[column].is_float() else value


def _names(figures: Sequence[dict[str, Any]]) -> str:
    return ", ".join(figure["column"] for figure in figures[:_SHOWN]) + _more(figures)


def _shares(figures: Sequence[dict[str, Any]], key: str) -> str:
    return ", ".join(f"{figure['column']}: {shown(figure[key])}" for figure in figures[:_SHOWN]) + _more(figures)


def _more(figures: Sequence[object]) -> str:
    return f" and {len(figures) - _SHOWN} more" if len(figures) > _SHOWN else ""


def classes(table: Table, rules: Classes, *, label: str) -> Findings:
    """How the label's classes are spread.

    Figures: `classes` [{dataset, label, rows, classes: [{name, rows, share}]}], rows without a label left out.

    Raises:
        BadInputError: no rows with a label, only one class, or more classes than `maximum`.
    """
    table.require([label], "hallmark.yaml")
    table.height()
    counts = (
        table.rows.select(_known(table, label).drop_nulls()).group_by(label).len("\0rows").collect(engine="streaming")
    )
    if counts.height < 2:
        raise BadInputError(
            f"the label {label} of the {table.name} data has {counts.height} classes; there is nothing to tell apart",
            solution="provide data of at least two classes",
        )
    names, codes = class_names(counts[label], table.name, label, maximum=rules.maximum)
    rows = dict.fromkeys(names, 0)
    for code, count in zip(codes, counts["\0rows"], strict=True):
        rows[names[code]] += count
    total = sum(rows.values())
    small = [name for name in names if rows[name] < rules.minimum_rows or rows[name] < rules.minimum_share * total]
    listed = small or [min(names, key=lambda name: rows[name])]
    share = f" and {shown(rules.minimum_share)} of the rows" if rules.minimum_share else ""
    check = Check(
        name=f"{table.name} data: rows of each class",
        passed=not small,
        value=("" if small else "smallest ")
        + ", ".join(f"{name}: {rows[name]} ({shown(rows[name] / total)})" for name in listed[:_SHOWN])
        + _more(small),
        limit=f"at least {rules.minimum_rows}{share}",
        detail="collect more of them, or leave the class out of what the model promises",
    )
    figure = {
        "dataset": table.name,
        "label": label,
        "rows": total,
        "classes": [{"name": name, "rows": rows[name], "share": rows[name] / total} for name in names],
    }
    return Findings(checks=(check,), figures={"classes": [figure]})
