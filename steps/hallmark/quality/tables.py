"""A table as the checks of this package take it, and the bad input that all of them refuse alike."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from hallmark.errors import BadInputError

BATCH_ROWS = 1 << 18


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
                near = difflib.get_close_matches(column, known, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise BadInputError(
                    f"{where} names column {column}, which the {self.name} data does not have",
                    solution=f"{hint}correct {where} in policy.yaml, or the data",
                )

    def batches(self, expressions: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        """The values of `expressions`, some rows at a time, in the table's order."""
        return self.rows.select(expressions).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)


def row_hashes(table: Table, expressions: Sequence[pl.Expr]) -> pl.Series:
    """64 bits for each row, equal for rows that `expressions` give equal values (0.0 is -0.0, NaN is NaN).

    Eight bytes a row are all that is held. Two unequal rows share a hash once in 2^64 pairs, so whoever counts hits
    compares those rows' values as well.
    """
    hashes = [batch.hash_rows() for batch in table.batches(expressions)]
    return pl.concat(hashes) if hashes else pl.Series(dtype=pl.UInt64)


def shown(share: float) -> str:
    """A share as percent.

    >>> shown(0.0123456)
    '1.235 %'
    """
    return f"{100 * share:.4g} %"
