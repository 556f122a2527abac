"""Tells a model file's format by its first bytes; its name proves nothing, a pickle may well be called .skops."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from hallmark.errors import BadInputError

Format = Literal["skops", "pickle", "joblib", "onnx"]
Packing = Literal["zlib", "gzip", "bzip2", "xz", "lzma"]

READABLE_AS: dict[str, tuple[Format, ...]] = {
    "skops": ("skops",),
    "pickle": ("pickle",),
    # joblib writes a plain pickle where there is no array in the model, and reads one.
    "joblib": ("joblib", "pickle"),
    "onnx": ("onnx",),
}
"""The formats that a file may have whose author calls it by the key."""

ARRAY_IN_PICKLE = b"NumpyArrayWrapper"
"""joblib's class for an array whose bytes stand between the pickle's opcodes."""

_PACKINGS: tuple[tuple[bytes, Packing], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x5d\x00\x00", "lzma"),
)
_OLDEST_PICKLE, _NEWEST_PICKLE = 2, 5

_ONNX_VERSIONS = range(1, 64)
_ONNX_FIELDS = frozenset({0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72, 0xA2, 0xCA})
"""How the fields of ModelProto begin (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto); 0x08, its version, is
written first."""


def detect(path: Path) -> Format | None:
    """The format of the file, or None where it is none that a model may have.

    Pickles of protocol 0 and 1 have no mark of their own and are not known here; nothing has written them since
    Python 3.0.

    Raises:
        BadInputError: there is no such regular file.
    """
    with open_regular(path) as descriptor:
        start = os.pread(descriptor, 8, 0)
        if start.startswith(b"PK\x03\x04"):
            return "skops"
        if packing_of(start) is not None:
            return "joblib"
        if len(start) > 2 and start[0] == 0x80 and _OLDEST_PICKLE <= start[1] <= _NEWEST_PICKLE:
            with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
                return "joblib" if content.find(ARRAY_IN_PICKLE) >= 0 else "pickle"
        if len(start) > 2 and start[0] == 0x08 and start[1] in _ONNX_VERSIONS and start[2] in _ONNX_FIELDS:
            return "onnx"
    return None


def packing_of(start: bytes) -> Packing | None:
    """How a joblib file is compressed, by its first bytes; None: not at all (or by something that is not read here)."""
    # RFC 1950: deflate with a 32 KiB window, a check of the two bytes, and no preset dictionary.
    if len(start) > 1 and start[0] == 0x78 and int.from_bytes(start[:2]) % 31 == 0 and not start[1] & 0x20:
        return "zlib"
    return next((packing for magic, packing in _PACKINGS if start.startswith(magic)), None)


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[int]:
    """A descriptor of a regular file, never of what a link leads to.

    Raises:
        BadInputError: there is none.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BadInputError(
            f"{path.name} cannot be read: {error.strerror}", solution="let train write the model's file"
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadInputError(f"{path.name} is no regular file", solution="let train write the model's file")
        yield descriptor
    finally:
        os.close(descriptor)
