"""Independent rows that the training data holds too: on all features, on a key, or on a part of the columns, exactly
or with rounded numbers.

A changed id or another type of a column hides nothing, for each comparison names what counts. What it finds are
accidents; who changes values on purpose hides rows from any such comparison.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from hallmark.documents.rules_quality import FailingRows, Overlap
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.gate_report import Check
from hallmark.quality.comparable import comparable
from hallmark.quality.failing_rows import failing_rows
from hallmark.quality.tables import Table, row_hashes, shown


def overlap(
    training: Table,
    independent: Table,
    rules: Overlap,
    *,
    features: Sequence[str],
    where: str,
    rows: FailingRows | None = None,
) -> Findings:
    """One comparison. Figures: `overlap` [{columns, digits, rows, shared, share, maximum}] and `failing_rows`.

    A row without any value in the compared columns equals no other.

    Args:
        features: compared where the rules name no columns.
        where: the rule's place in the policy, for errors.

    Raises:
        BadInputError: an empty table, an unknown column, or no independent row with a value in the compared columns.
    """
    columns = list(rules.columns or features)
    for table in (training, independent):
        table.require(columns, where)
        table.height()
    total = independent.height()
    found = shared_rows(training, independent, columns, rules.significant_digits)
    share = len(found) / total
    digits = f", to {rules.significant_digits} digits" if rules.significant_digits else ""
    name = f"independent rows that the training data holds, by {_named(columns, features)}{digits}"
    check = Check(
        name=name,
        passed=share <= rules.maximum,
        value=f"{len(found)} of {total} rows ({shown(share)})",
        limit=f"at most {shown(rules.maximum)}",
        detail="these rows measure memory, not skill: take them out of the training data",
    )
    figure = {
        "columns": columns,
        "digits": rules.significant_digits,
        "rows": total,
        "shared": len(found),
        "share": share,
        "maximum": rules.maximum,
    }
    failed = failing_rows(independent, found, rows or FailingRows(), check=name) if not check.passed else []
    return Findings(checks=(check,), figures={"overlap": [figure], "failing_rows": failed})


def shared_rows(training: Table, independent: Table, columns: Sequence[str], digits: int | None) -> pl.Series:
    """The places (from 0, ascending) of the independent rows whose values in `columns` a training row has too.

    Hashes find the candidates, of the training data as well; only those rows' values are then compared.

    Raises:
        BadInputError: no independent row has a value in these columns.
    """
    known, asked = training.schema, independent.schema
    of_training = [part for column in columns for part in comparable(column, known[column], asked[column], digits)]
    of_independent = [part for column in columns for part in comparable(column, asked[column], known[column], digits)]
    hashes = row_hashes(independent, of_independent)
    empty = independent.rows.select(pl.all_horizontal(_missing(column, asked[column]) for column in columns))
    full = ~empty.collect(engine="streaming").to_series()
    if not full.any():
        raise BadInputError(
            f"no independent row has a value in {', '.join(columns)}, so nothing can be compared",
            solution="name other columns in data.quality.overlaps, or mend the data",
        )
    seen = row_hashes(training, of_training)
    candidates = (hashes.is_in(seen.implode()) & full).arg_true()
    wanted = hashes.gather(candidates).unique()
    places = pl.Series("place", candidates, dtype=pl.UInt32)
    own = _taken(independent, of_independent, candidates)
    others = _taken(training, of_training, seen.is_in(wanted.implode()).arg_true()).unique()
    confirmed = own.with_columns(places).join(others, on=own.columns, how="semi", nulls_equal=True)
    return confirmed["place"].sort()


def _taken(table: Table, expressions: Sequence[pl.Expr], places: pl.Series) -> pl.DataFrame:
    """The rows at `places` (ascending, from 0), batch by batch."""
    parts: list[pl.DataFrame] = []
    start = 0
    for batch in table.batches(expressions):
        inside = places.filter((places >= start) & (places < start + batch.height)) - start
        parts.append(batch[inside])
        start += batch.height
    return pl.concat(parts)


def _missing(column: str, dtype: pl.DataType) -> pl.Expr:
    value = pl.col(column)
    return value.is_null() | value.is_nan() if dtype.is_float() else value.is_null()


def _named(columns: Sequence[str], features: Sequence[str]) -> str:
    if list(columns) == list(features):
        return f"all {len(columns)} features"
    return ", ".join(columns[:6]) + (f" and {len(columns) - 6} more" if len(columns) > 6 else "")
