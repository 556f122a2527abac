"""Reads columns of a lazy frame within a bound of memory: by chance, in groups of columns, in batches of rows."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from polars.exceptions import PolarsError

from hallmark.documents.rules_drift import Sampling
from hallmark.errors import BadInputError

GROUP_BYTES = 256 << 20
BATCH_BYTES = 160 << 20
BATCH_ROWS = 1 << 20
CONFIDENCE = 0.99
_ROW = "\0row"
_SCALE = 1 << 32


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set as the rules let it be looked at."""

    what: str
    """For errors, e.g. `the training data`."""
    frame: pl.LazyFrame
    """Of the rows that were drawn."""
    schema: pl.Schema
    rows: int
    """Of the whole data set."""
    looked_at: int
    """About as many rows were drawn."""

    @property
    def error(self) -> float:
        return sampling_error(self.looked_at, self.rows)


def sampling_error(looked_at: int, rows: int) -> float:
    """How far the share of rows below any value can be from that of the whole data, in 99 % of draws.

    The inequality of A. Dvoretzky, J. Kiefer and J. Wolfowitz with P. Massart's constant (Ann. Probab. 18, 1990).
    """
    return 0.0 if looked_at >= rows else math.sqrt(math.log(2 / (1 - CONFIDENCE)) / (2 * looked_at))


def open_source(frame: pl.LazyFrame, sampling: Sampling, *, what: str) -> Source:
    """Count the rows, and draw some of them where there are more than the rules allow.

    Raises:
        BadInputError: it cannot be read.
    """
    with readable(what):
        schema = frame.collect_schema()
        rows = int(frame.select(pl.len()).collect(engine="streaming").item())
    if rows <= sampling.maximum_rows:
        return Source(what=what, frame=frame, schema=schema, rows=rows, looked_at=rows)
    # Each row is drawn or not by a hash of its number: the same rows every time, and nothing is kept in memory.
    drawn = pl.col(_ROW).hash(seed=sampling.seed) % _SCALE < round(_SCALE * sampling.maximum_rows / rows)
    sampled = frame.with_row_index(_ROW).filter(drawn).drop(_ROW)
    return Source(what=what, frame=sampled, schema=schema, rows=rows, looked_at=sampling.maximum_rows)


def groups(names: Sequence[str], rows: int, bytes_per_value: int = 48) -> Iterator[list[str]]:
    """The columns in groups that fit into memory together; a file is read once for each group."""
    size = max(1, GROUP_BYTES // max(1, rows * bytes_per_value))
    for start in range(0, len(names), size):
        yield list(names[start : start + size])


def whole(source: Source, columns: Sequence[pl.Expr]) -> pl.DataFrame:
    """The columns, in memory."""
    with readable(source.what):
        return source.frame.select(columns).collect(engine="streaming")


def batches(source: Source, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
    """The columns in batches of about `BATCH_BYTES` and `BATCH_ROWS` at most, the rows in any order."""
    rows = min(BATCH_ROWS, max(4_096, BATCH_BYTES // (8 * len(columns))))
    with readable(source.what):
        yield from source.frame.select(columns).collect_batches(
            chunk_size=rows, maintain_order=False, engine="streaming"
        )


@contextlib.contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn what polars says of damaged data into bad input, as far as it does not quote the data."""
    try:
        yield
    except PolarsError as error:
        first = str(error).strip().partition("\n")[0]
        reason = "a value does not fit its column" if first.startswith("could not parse") else first[:200]
        raise BadInputError(f"{what} cannot be read: {reason}", solution="write the file anew") from error
