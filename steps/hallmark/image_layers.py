"""Finds one file in an image's layers by its SHA-256, without unpacking anything.

A layer is a tar archive, packed or not (OCI image specification, layer.md). It is read as a stream, once to find the
file and once more to take it out. No name, path or link in it is believed or followed: only a regular file whose bytes
have the digest counts, wherever it lies. How much is unpacked, how long that takes, and how large a header may be is
bounded, so that neither a bomb nor an archive without an end costs more than that.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import itertools
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from hallmark.errors import BadInputError
from hallmark.files import atomic_path, require_digest

CHUNK_BYTES = 1 << 20
_HEADER_BYTES = 1 << 20
"""The largest extended header, which tarfile holds in memory."""
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What looking through one image may cost."""

    unpacked_bytes: int = 64 << 30
    file_bytes: int = 8 << 30
    """Larger files are not looked at."""
    seconds: float = 900


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where the file is: the number of its layer from the bottom, from 1, and of its entry there, from 0."""

    layer: int
    entry: int
    size: int
    """Bytes."""


def find(layers: Sequence[Path], digest: str, bounds: Bounds, *, clock: Callable[[], float] = time.monotonic) -> Found:
    """The first regular file with this digest, from the top layer down: what a build adds lies on top of its base.

    Args:
        layers: the layers' files, the lowest first.

    Raises:
        BadInputError: there is none, a layer is damaged or packed in a way that is not read, or the bounds are reached.
    """
    reading = _Reading(bounds, clock)
    for number in range(len(layers), 0, -1):
        what = f"layer {number} of {len(layers)}"
        with _readable(what):
            for entry, member, content in reading.files(layers[number - 1], what):
                if _hashed(content) == digest:
                    return Found(layer=number, entry=entry, size=member.size)
    raise BadInputError(
        f"none of the image's {len(layers)} layers has a file with the digest {digest}",
        solution="let the Containerfile copy the model's file as it is; an image without it can only be replaced under "
        "a policy without model.champion",
    )


def take_out(
    layers: Sequence[Path],
    found: Found,
    digest: str,
    target: Path,
    bounds: Bounds,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Write the file that `find` found to `target`, and compare its digest once more. Raises as `find` does."""
    what = f"layer {found.layer} of {len(layers)}"
    with _readable(what):
        for entry, _, content in _Reading(bounds, clock).files(layers[found.layer - 1], what):
            if entry == found.entry:
                with atomic_path(target) as temporary:
                    with temporary.open("wb") as file:
                        written = _hashed(content, file)
                    require_digest("the model in the image", written, digest)
                return
    raise BadInputError("the image's layers were changed while they were read", solution="start a new run")


@contextlib.contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        yield
    # tarfile calls itself for each header that belongs to the next one.
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, OverflowError, RecursionError) as error:
        raise BadInputError(
            f"{what} of the image is damaged, or no tar archive that is read here: {type(error).__name__}",
            solution="push the image anew from a whole build",
        ) from error


class _Reading:
    """Reads layers until the bounds are reached."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._bounds, self._clock = bounds, clock
        self._left, self._until = bounds.unpacked_bytes, clock() + bounds.seconds

    def files(self, layer: Path, what: str) -> Iterator[tuple[int, tarfile.TarInfo, IO[bytes]]]:
        """The regular files of a layer: number of the entry, header, and content to be read at once."""
        with (
            layer.open("rb") as raw,
            _unpacking(raw, what) as stream,
            tarfile.open(
                fileobj=cast("Any", _Counted(stream, self)), mode="r|", tarinfo=_BoundedHeader, bufsize=CHUNK_BYTES
            ) as archive,
        ):
            for entry in itertools.count():
                member = archive.next()
                if member is None:
                    break
                # A sparse file is longer than what stands in the archive; builds write none.
                if member.isreg() and not member.issparse() and member.size <= self._bounds.file_bytes:
                    content = archive.extractfile(member)
                    if content is not None:
                        yield entry, member, content
                # tarfile would keep every header of the archive.
                cast("Any", archive).members.clear()

    def count(self, size: int) -> None:
        self._left -= size
        if self._left < 0 or self._clock() > self._until:
            bound = f"{self._bounds.unpacked_bytes} bytes" if self._left < 0 else f"{self._bounds.seconds:g} seconds"
            raise BadInputError(
                f"the image's layers hold more than is looked through: after {bound} nothing was found",
                solution="build the image on a smaller base, or deliver the commit in production again",
            )


class _Counted:
    """A stream that tells how much of it was read."""

    def __init__(self, stream: BinaryIO, reading: _Reading) -> None:
        self._stream, self._reading = stream, reading

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._reading.count(len(data))
        return data


class _BoundedHeader(tarfile.TarInfo):
    """Does not take long names and attributes into memory whose length nobody has bounded."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _EXTENDED and not 0 <= self.size <= _HEADER_BYTES:
            raise tarfile.ReadError("a header is larger than 1 MiB")
        return super()._proc_member(archive)  # type: ignore[misc]


def _unpacking(raw: BinaryIO, what: str) -> BinaryIO:
    start = raw.read(4)
    raw.seek(0)
    if start.startswith(_ZSTD):
        raise BadInputError(
            f"{what} of the image is packed by zstd, which is not read here, and no layer above it holds the model",
            solution="let the base image be packed by gzip, or deliver the commit in production again",
        )
    return cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if start.startswith(_GZIP) else raw


def _hashed(content: IO[bytes], copy: IO[bytes] | None = None) -> str:
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK_BYTES):
        digest.update(chunk)
        if copy is not None:
            copy.write(chunk)
    return f"sha256:{digest.hexdigest()}"
