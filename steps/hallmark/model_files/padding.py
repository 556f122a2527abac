"""Clears the bytes between the fields of a structured array, which hold whatever the memory held before.

scikit-learn's decision trees have seven such bytes a node, and they are not zero where a tree came out of another
process (`n_jobs`). They mean nothing, and they would give every training another digest.
"""

from __future__ import annotations

import io
import shutil
import struct
import tokenize
from typing import IO, Any

import numpy as np

MAXIMUM_ITEM_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_LENGTH = {(1, 0): struct.Struct("<H"), (2, 0): struct.Struct("<I")}
_MAXIMUM_HEADER_BYTES = 1 << 16


def copy_without_padding(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy a `.npy` file, with zeros for the bytes that belong to no field.

    The format is NEP 1's (https://numpy.org/neps/nep-0001-npy-format.html). What is no such file, or no structured
    array, is copied as it is.
    """
    header, used = _header(source)
    target.write(header)
    if used is None or bool(used.all()):
        shutil.copyfileobj(source, target, _CHUNK_BYTES)
        return
    rows = max(1, _CHUNK_BYTES // used.size)
    while chunk := source.read(rows * used.size):
        whole = len(chunk) - len(chunk) % used.size
        items = np.frombuffer(chunk[:whole], np.uint8).reshape(-1, used.size)
        target.write(np.where(used, items, np.uint8(0)).tobytes() + chunk[whole:])


def _header(source: IO[bytes]) -> tuple[bytes, np.ndarray[Any, np.dtype[np.bool_]] | None]:
    """The bytes read from `source` so far, and which bytes of an item hold a value (None: not to be looked into)."""
    read = source.read(8)
    length = _LENGTH.get((read[6], read[7])) if len(read) == 8 and read[:6] == b"\x93NUMPY" else None
    if length is None:
        return read, None
    size = source.read(length.size)
    if len(size) < length.size or length.unpack(size)[0] > _MAXIMUM_HEADER_BYTES:
        return read + size, None
    text = source.read(length.unpack(size)[0])
    parse = np.lib.format.read_array_header_1_0 if length.size == 2 else np.lib.format.read_array_header_2_0
    try:
        _shape, _order, dtype = parse(io.BytesIO(size + text))
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError):
        return read + size + text, None
    structured = dtype.names is not None and dtype.itemsize <= MAXIMUM_ITEM_BYTES
    return read + size + text, _used(dtype) if structured else None


def _used(dtype: np.dtype[Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    used = np.zeros(dtype.itemsize, np.bool_)
    for field, offset, *_ in (dtype.fields or {}).values():
        used[offset : offset + field.itemsize] = True if field.names is None else _used(field)
    return used
