"""A table as the checks of this package take it, and the bad input that all of them refuse alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from hallmark.errors import BadInputError
from hallmark.nearest import hinted

BATCH_ROWS = 1 << 18
PASS_ROWS = 6_000_000


@dataclass(frozen=True, kw_only=True)
class Table:
    """One of the two data sets. Reading it may happen more than once, a few columns at a time."""

    name: str
    """`training` or `independent`."""
    rows: pl.LazyFrame

    @property
    def schema(self) -> pl.Schema:
        return self.rows.collect_schema()

    def height(self) -> int:
        """The number of rows. Raises BadInputError where there is none: nothing could be said of it."""
        height = int(self.rows.select(pl.len()).collect(engine="streaming").item())
        if not height:
            raise BadInputError(
                f"the {self.name} data has no rows, so nothing can be checked", solution="provide data with rows"
            )
        return height

    def require(self, columns: Iterable[str], where: str) -> None:
        """Check that the table has these columns.

        Args:
            where: the rule that names them, for the error, e.g. `data.quality.groups.0.columns`.

        Raises:
            BadInputError: one is missing; with the nearest that there is.
        """
        known = self.schema.names()
        for column in columns:
            if column not in known:
                raise BadInputError(
                    f"{where} names column {column}, which the {self.name} data does not have",
                    solution=hinted(column, known, "correct the name there, or the data"),
                )

    def batches(self, expressions: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        """The values of `expressions`, some rows at a time, in the table's order."""
        return self.rows.select(expressions).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)


def repeated_hashes(table: Table, expressions: Sequence[pl.Expr], height: int) -> pl.Series:
    """The places (from 0, ascending) of rows whose 64-bit hash another row has too: equal rows, and by chance others.

    Rows are equal where `expressions` give them equal values: 0.0 is -0.0, NaN is NaN. At most `PASS_ROWS` hashes are
    held; of a larger table each pass over it takes those of one remainder.
    """
    passes = -(-height // PASS_ROWS)
    found = [pl.Series(dtype=pl.UInt64)]
    for remainder in range(passes):
        parts, start = [], 0
        for batch in table.batches(expressions):
            hashed = pl.DataFrame({"place": pl.int_range(start, start + batch.height, dtype=pl.UInt64, eager=True)})
            hashed = hashed.with_columns(hash=batch.hash_rows())
            parts.append(hashed.filter(pl.col("hash") % passes == remainder) if passes > 1 else hashed)
            start += batch.height
        held = pl.concat(parts)
        found.append(held.filter(held["hash"].is_duplicated())["place"])
    return pl.concat(found).sort()


def taken(table: Table, expressions: Sequence[pl.Expr], places: pl.Series) -> pl.DataFrame:
    """The values of the rows at `places` (from 0, ascending), read batch by batch."""
    parts, start = [], 0
    for batch in table.batches(expressions):
        inside = places.filter((places >= start) & (places < start + batch.height)) - start
        parts.append(batch[inside.cast(pl.UInt32)])
        start += batch.height
    return pl.concat(parts)


def random_rows(rows: int, most: int) -> pl.Series:
    """A mask of all rows, or of about `most` of them at random, the same each time."""
    if rows <= most:
        return pl.repeat(value=True, n=rows, eager=True)
    return pl.Series(np.random.default_rng(0).random(rows) < most / rows)


def chosen(table: Table, expressions: Sequence[pl.Expr], wanted: pl.Series) -> pl.DataFrame:
    """The values of the rows that a mask wants, read batch by batch."""
    parts, start = [], 0
    for batch in table.batches(expressions):
        parts.append(batch.filter(wanted.slice(start, batch.height)))
        start += batch.height
    return pl.concat(parts)


def shown(share: float) -> str:
    """A share as percent.

    >>> shown(0.0123456)
    '1.235 %'
    """
    return f"{100 * share:.4g} %"
