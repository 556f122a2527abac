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
from hallmark.quality.tables import BATCH_ROWS, Table, shown

_PLACE, _FULL = "\0place", "\0full"


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

    Hashes find the candidates; only those rows' values are then compared. Of the training data no more is held than
    a batch and the rows that are found; of the independent data eight bytes a row.

    Raises:
        BadInputError: no independent row has a value in these columns.
    """
    known, asked = training.schema, independent.schema
    of_training = [part for column in columns for part in comparable(column, known[column], asked[column], digits)]
    of_independent = [part for column in columns for part in comparable(column, asked[column], known[column], digits)]
    wanted = pl.concat([batch.hash_rows().unique() for batch in independent.batches(of_independent)]).unique()
    others = _with_hashes(training, of_training, wanted)
    known_hashes = others.hash_rows().unique().implode()
    found, compared, start = [], 0, 0
    for batch in independent.batches([*of_independent, _any_value(columns, asked).alias(_FULL)]):
        rows = batch.drop(_FULL)
        candidates = rows.with_columns(pl.int_range(start, start + rows.height, dtype=pl.UInt64).alias(_PLACE))
        candidates = candidates.filter(batch[_FULL] & rows.hash_rows().is_in(known_hashes))
        found.append(candidates.join(others, on=rows.columns, how="semi", nulls_equal=True)[_PLACE])
        compared += int(batch[_FULL].sum())
        start += batch.height
    if not compared:
        raise BadInputError(
            f"no independent row has a value in {', '.join(columns)}, so nothing can be compared",
            solution="name other columns in data.quality.overlaps, or mend the data",
        )
    return pl.concat(found).sort()


def _with_hashes(table: Table, expressions: Sequence[pl.Expr], wanted: pl.Series) -> pl.DataFrame:
    """The different rows of `table` whose hash is wanted: no more than are wanted, but for chance."""
    found: list[pl.DataFrame] = []
    for batch in table.batches(expressions):
        found.append(batch.filter(batch.hash_rows().is_in(wanted.implode())).unique())
        if sum(rows.height for rows in found[1:]) > BATCH_ROWS:
            found = [pl.concat(found).unique()]
    return pl.concat(found).unique()


def _any_value(columns: Sequence[str], schema: pl.Schema) -> pl.Expr:
    return ~pl.all_horizontal(_missing(column, schema[column]) for column in columns)


def _missing(column: str, dtype: pl.DataType) -> pl.Expr:
    value = pl.col(column)
    return value.is_null() | value.is_nan() if dtype.is_float() else value.is_null()


def _named(columns: Sequence[str], features: Sequence[str]) -> str:
    if list(columns) == list(features):
        return f"all {len(columns)} features"
    return ", ".join(columns[:6]) + (f" and {len(columns) - 6} more" if len(columns) > 6 else "")
