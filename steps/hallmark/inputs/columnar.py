"""Parquet and Arrow files: read in place, lazily. What frames them is checked before any of it is parsed."""

from __future__ import annotations

import struct
from pathlib import Path

import polars as pl

from hallmark.errors import BadInputError
from hallmark.inputs.delimited import MAXIMUM_COLUMNS, require_names
from hallmark.inputs.errors import told
from hallmark.inputs.formats import Format

FOOTER_BYTES = 64 << 20
"""The largest footer: it describes the columns of each row group, and is parsed in memory."""
_PARQUET_TAIL = (b"PAR1", 4)
_ARROW_TAIL = (b"ARROW1", 6)


def open_parquet(path: Path, what: str) -> pl.LazyFrame:
    """A Parquet file (https://parquet.apache.org/docs/file-format). A damaged page is found when it is read.

    Raises:
        BadInputError: cut off, damaged, without rows, or of too many columns.
    """
    _require_footer(path, Format.PARQUET, _PARQUET_TAIL[0], what)
    with told(what):
        # Row counts and types stand in the footer; hive's columns are added for all formats alike.
        frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        return _sound(frame, what)


def open_arrow(path: Path, what: str) -> pl.LazyFrame:
    """An Arrow file, which is also Feather version 2. Raises BadInputError as `open_parquet` does."""
    _require_footer(path, Format.ARROW, _ARROW_TAIL[0], what)
    with told(what):
        return _sound(pl.scan_ipc(path, glob=False, hive_partitioning=False), what)


def _sound(frame: pl.LazyFrame, what: str) -> pl.LazyFrame:
    names = frame.collect_schema().names()
    if not names:
        raise BadInputError(f"{what} has no columns", solution="provide the data")
    if len(names) > MAXIMUM_COLUMNS:
        raise BadInputError(
            f"{what} has {len(names)} columns, more than {MAXIMUM_COLUMNS}",
            solution="keep a table of so many columns as rows of name and value",
        )
    require_names(names, what)
    if frame.select(pl.len()).collect().item() == 0:
        raise BadInputError(f"{what} has columns and no rows", solution="provide the data")
    return frame


def _require_footer(path: Path, kind: Format, magic: bytes, what: str) -> None:
    """Both formats end with a footer, its length (4 bytes, little endian) and the magic of their beginning."""
    tail = len(magic) + 4
    with told(what), path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - tail))
        end = file.read(tail)
    if size < 2 * len(magic) + 4 or not end.endswith(magic):
        raise BadInputError(
            f"{what} is cut off: a {kind.value} file ends with {magic.decode()}, and this one does not",
            solution="copy it again, whole",
        )
    (length,) = struct.unpack("<i", end[:4])
    if not 0 < length <= size - tail:
        raise BadInputError(f"{what} is damaged: its footer cannot be in it", solution="copy it again, whole")
    if length > FOOTER_BYTES:
        raise BadInputError(
            f"{what} has a footer of {length} bytes, more than {FOOTER_BYTES}: too many columns or row groups",
            solution="keep a table of so many columns as rows of name and value; write larger row groups",
        )
