"""Tells formats apart by their first bytes; a file's name only ever contradicts them."""

from __future__ import annotations

import enum
from pathlib import Path

from hallmark.errors import BadInputError

SNIFFED_BYTES = 4096
BOM = b"\xef\xbb\xbf"


class Format(enum.Enum):
    PARQUET = "Parquet"
    ARROW = "Arrow"
    CSV = "CSV"
    JSON_LINES = "JSON Lines"


class Packing(enum.Enum):
    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


_PACKINGS = {b"\x1f\x8b": Packing.GZIP, b"\x28\xb5\x2f\xfd": Packing.ZSTD}
_PARQUET = b"PAR1"
_ARROW = b"ARROW1"
_BY_SUFFIX = {
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".arrow": Format.ARROW,
    ".feather": Format.ARROW,
    ".ipc": Format.ARROW,
}
_PACKED_SUFFIXES = (".gz", ".zst")
DATA_SUFFIXES = (*_BY_SUFFIX, ".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", *_PACKED_SUFFIXES)
"""What a file of a folder has to end with: a README among the data is not silently left out."""

_OTHERS = (
    (b"PARE", "an encrypted Parquet file", "decrypt it"),
    (b"\xff\xfe", "text in UTF-16", "write it in UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "write it in UTF-8"),
    (b"FEA1", "Feather version 1", "write it as Feather version 2, which is Arrow"),
    (b"\xff\xff\xff\xff", "an Arrow stream", "write it as an Arrow file"),
    (b"PK\x03\x04", "a ZIP archive (Excel workbooks are such archives)", "write the table as Parquet or CSV"),
    (b"ORC", "ORC", "write it as Parquet"),
    (b"Obj\x01", "Avro", "write it as Parquet"),
    (b"\x89HDF", "HDF5", "write the table as Parquet"),
    (b"SQLite format 3\x00", "an SQLite database", "write the table as Parquet"),
    (b"\x80\x04", "a pickle", "write it as Parquet; pickles are never opened"),
    (b"\x80\x05", "a pickle", "write it as Parquet; pickles are never opened"),
    (b"BZh", "packed by bzip2", "pack it by gzip or zstd"),
    (b"\xfd7zXZ", "packed by xz", "pack it by gzip or zstd"),
    (b"<!DOCTYPE", "an HTML page", "give the address of the data itself"),
    (b"<html", "an HTML page", "give the address of the data itself"),
)


def packing(start: bytes) -> Packing:
    """How a file that begins with `start` is packed."""
    return next((kind for magic, kind in _PACKINGS.items() if start.startswith(magic)), Packing.NONE)


def sniff(start: bytes, name: str, what: str) -> Format:
    """The format of an unpacked file.

    Args:
        start: its first `SNIFFED_BYTES`, or all of it if it is shorter.
        name: its name, which must not claim another binary format.

    Raises:
        BadInputError: it is empty, of a format that is not read here, or not what its name says.
    """
    if not start.removeprefix(BOM).strip():
        raise BadInputError(f"{what} is empty", solution="provide the data")
    found = _binary(start)
    claimed = _BY_SUFFIX.get(Path(name).suffix.lower())
    if claimed is not None and found is not claimed:
        # Nearly everything is a CSV file of one column; what is wrong would be said of its columns.
        expected = (_PARQUET if claimed is Format.PARQUET else _ARROW).decode()
        raise BadInputError(
            f"{what} is not {claimed.value}: it does not begin with {expected}",
            solution=f"write it as {claimed.value}, or name it as what it is, .csv for CSV",
        )
    if found is not None:
        return found
    for magic, kind, solution in _OTHERS:
        if start.startswith(magic):
            raise BadInputError(f"{what} is {kind}, which is not read here", solution=solution)
    text = start.removeprefix(BOM).lstrip()
    if text.startswith(b"{"):
        return Format.JSON_LINES
    if text.startswith(b"[") and Path(name).suffix.lower() in (".json", ".jsonl", ".ndjson"):
        raise BadInputError(f"{what} is a JSON array", solution="write JSON Lines: one object on each line")
    return Format.CSV


def _binary(start: bytes) -> Format | None:
    if start.startswith(_PARQUET):
        return Format.PARQUET
    return Format.ARROW if start.startswith(_ARROW) else None
