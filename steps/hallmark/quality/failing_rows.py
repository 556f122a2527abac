"""Which rows a check refused: a bounded list of numbers; values only if the policy says so, personal data never."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from hallmark.documents.rules_quality import FailingRows
from hallmark.quality.tables import Table
from hallmark.redaction import printable

MASK = "•••"
MAXIMUM_COLUMNS = 30
MAXIMUM_CHARACTERS = 80


def failing_rows(
    table: Table,
    failed: pl.Series | pl.Expr,
    rules: FailingRows,
    *,
    check: str,
    columns: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """A list with one figure, `{dataset, check, total, rows, columns, values}`; empty where no row failed.

    `rows` are the numbers of the first failing rows in the file's order, where 1 is the first row of data (the second
    line of a CSV file). `values` has a list of texts for each of them, or is empty where values are not shown; None
    stands for a missing value.

    Args:
        failed: the places (from 0), or an expression that is true for the rows that failed.
        columns: those whose values are of use; empty: all.

    Raises:
        BadInputError: `personal` names a column that the table does not have, which would leave it unmasked.
    """
    table.require(rules.personal, "data.quality.failingRows.personal")
    places = failed if isinstance(failed, pl.Series) else _places(table, failed)
    if places.is_empty():
        return []
    first = places.sort().head(rules.maximum)
    names = list(columns or table.schema.names())[:MAXIMUM_COLUMNS] if rules.show_values else []
    return [
        {
            "dataset": table.name,
            "check": check,
            "total": len(places),
            "rows": [int(place) + 1 for place in first],
            "columns": names,
            "values": _values(table, first, names, set(rules.personal)) if names else [],
        }
    ]


def _places(table: Table, failed: pl.Expr) -> pl.Series:
    found = table.rows.select(failed.fill_null(value=False)).collect(engine="streaming").to_series()
    return found.arg_true()


def _values(table: Table, places: pl.Series, columns: list[str], personal: set[str]) -> list[list[str | None]]:
    # Personal columns are not even read.
    open_columns = [column for column in columns if column not in personal]
    if not open_columns:
        return [[MASK] * len(columns) for _ in places]
    numbered = table.rows.select(open_columns).with_row_index("\0place")
    wanted = numbered.filter(pl.col("\0place").is_in(places.implode())).sort("\0place").collect(engine="streaming")
    return [[MASK if column in personal else _text(row[column]) for column in columns] for row in wanted.to_dicts()]


def _text(value: object) -> str | None:
    if value is None:
        return None
    text = printable(str(value))
    return text if len(text) <= MAXIMUM_CHARACTERS else f"{text[: MAXIMUM_CHARACTERS - 1]}…"
