"""Writes streams to the scratch folder, hashed and bounded: unpacked files, and what comes from elsewhere."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from hallmark.errors import BadInputError
from hallmark.inputs.errors import cannot_read
from hallmark.inputs.formats import Packing

CHUNK_BYTES = 1 << 20


@dataclass
class Budget:
    """Bytes that one input may still write to the scratch folder."""

    total: int
    used: int = 0

    def take(self, count: int, what: str) -> None:
        """Raises BadInputError once there would be more than `total`."""
        self.used += count
        if self.used > self.total:
            raise BadInputError(
                f"{what} is larger than {self.total} bytes once it is fetched and unpacked; the rest was not read",
                solution="take a sample of it, or raise maximumBytes in its rules",
            )


def write_stream(chunks: Iterable[bytes], target: Path, budget: Budget, what: str) -> str:
    """Write `chunks` to `target` and return the digest of what was written; nothing is left behind on an error.

    Raises:
        BadInputError: there is more than the budget allows.
        ToolFailedError: the disk is full.
    """
    digest = hashlib.sha256()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for chunk in chunks:
                budget.take(len(chunk), what)
                digest.update(chunk)
                file.write(chunk)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise cannot_read(what, error) from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return f"sha256:{digest.hexdigest()}"


def unpack(path: Path, kind: Packing, target: Path, budget: Budget, what: str) -> None:
    """Unpack a file packed by gzip or zstd.

    Raises:
        BadInputError: it is damaged, cut off, or larger than the budget allows.
        ToolFailedError: the disk is full.
    """
    write_stream(_unpacked(path, kind, what), target, budget, what)


def _unpacked(path: Path, kind: Packing, what: str) -> Iterator[bytes]:
    """The unpacked bytes, some at a time, so that a bomb costs no memory."""
    try:
        with _opened(path, kind) as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except (EOFError, zlib.error, OSError) as error:
        raise BadInputError(
            f"{what} is packed by {kind.value} and damaged or cut off", solution="pack it anew and copy it whole"
        ) from error


def _opened(path: Path, kind: Packing) -> BinaryIO:
    if kind is Packing.GZIP:
        return cast("BinaryIO", gzip.open(path, "rb"))
    import pyarrow as pa  # type: ignore[import-untyped]

    return cast("BinaryIO", pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
