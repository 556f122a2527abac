"""Loads pickle and joblib files that name nothing but what is allowed.

A pickle is a program. This runs it with a dictionary of permitted names instead of Python's whole import system, and
stops at the first other name, before that is imported. What joblib adds is read here too and not by joblib, because
joblib hands arrays of objects to plain `pickle.load`: its array wrapper is an inert record, and such an array goes
through the same restricted reader. The layout is joblib's (joblib/numpy_pickle.py, `NumpyArrayWrapper`).
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
import os
import pickle  # nosec B403
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import BuiltinFunctionType, BuiltinMethodType, FunctionType, MethodType
from typing import IO, Any, ClassVar

import numpy as np

from hallmark.model_files.allowed import Name
from hallmark.model_files.archive import MAXIMUM_BYTES
from hallmark.model_files.formats import Packing, open_regular, packing_of

_JOBLIB_ARRAY: Name = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_LATIN1: Name = ("_codecs", "encode")
_CHUNK_BYTES = 1 << 20


class RefusedPickleError(Exception):
    """The file names something that is not allowed, or is no pickle that a model's library writes."""


def load(path: Path, allowed: frozenset[Name]) -> Any:
    """The object in a pickle or joblib file, compressed or not.

    Raises:
        RefusedPickleError: a name that is not in `allowed`, or a form that is not read here.
        Exception: whatever a damaged pickle makes the reader raise.
    """
    with open_regular(path) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
        packing = packing_of(file.peek(8)[:8])
        if packing is None:
            return RestrictedUnpickler(file, allowed).load()
        with tempfile.TemporaryFile() as unpacked:
            _unpack(file, packing, unpacked)
            unpacked.seek(0)
            return RestrictedUnpickler(unpacked, allowed).load()


class RestrictedUnpickler(pickle._Unpickler):
    """Resolves allowed names only, changes no class or function, and reads joblib's arrays.

    The base is the reader written in Python: the one in C has no step of its own for BUILD.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]

    def __init__(self, file: IO[bytes], allowed: frozenset[Name]) -> None:
        super().__init__(file, fix_imports=False)
        self._stream = file
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        # joblib writes arrays of objects by protocol 2, with Python 2's name for builtins and bytes as encoded text.
        wanted: Name = ("builtins" if module == "__builtin__" else module, name)
        if wanted == _JOBLIB_ARRAY:
            return _ArrayRecord
        if wanted == _LATIN1:
            return _latin1
        if wanted not in self._allowed:
            raise RefusedPickleError(f"{module}.{name}")
        return super().find_class(*wanted)

    def load_build(self) -> None:
        target = self.stack[-2]
        if isinstance(target, type | FunctionType | BuiltinFunctionType | MethodType | BuiltinMethodType):
            raise RefusedPickleError(f"an attempt to change {getattr(target, '__qualname__', target)} itself")
        super().load_build()  # type: ignore[misc]
        if isinstance(self.stack[-1], _ArrayRecord):
            self.stack[-1] = self.stack[-1].read(self._stream, self._allowed)

    dispatch[pickle.BUILD[0]] = load_build


class _ArrayRecord:
    """What joblib writes before an array's bytes; the pickle sets its attributes, so they may be anything."""

    subclass: Any = None
    shape: Any = None
    order: Any = None
    dtype: Any = None
    numpy_array_alignment_bytes: Any = None

    def read(self, stream: IO[bytes], allowed: frozenset[Name]) -> np.ndarray[Any, Any]:
        """The array whose bytes come next in `stream`."""
        if self.subclass is not np.ndarray or not isinstance(self.dtype, np.dtype) or self.order not in ("C", "F"):
            raise RefusedPickleError("an array of an unknown kind")
        if self.dtype.hasobject:
            return _require_array(RestrictedUnpickler(stream, allowed).load())
        shape = self.shape
        if not isinstance(shape, tuple) or not all(type(length) is int and length >= 0 for length in shape):
            raise RefusedPickleError("an array without a shape")
        size = math.prod(shape) * self.dtype.itemsize
        if size > MAXIMUM_BYTES:
            raise RefusedPickleError(f"an array of more than {MAXIMUM_BYTES} bytes")
        if self.numpy_array_alignment_bytes is not None:
            _exactly(stream, _exactly(stream, 1)[0])
        # A bytearray, because a model's arrays must be writable.
        return np.ndarray(shape, self.dtype, buffer=bytearray(_exactly(stream, size)), order=self.order)


def _require_array(value: object) -> np.ndarray[Any, Any]:
    if not isinstance(value, np.ndarray):
        raise RefusedPickleError("something else where an array of objects should be")
    return value


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise RefusedPickleError("an array that is cut short")
    return data


def _latin1(text: object, encoding: object) -> bytes:
    """Stands for `_codecs.encode`, which knows many more encodings than a pickle needs."""
    if not isinstance(text, str) or encoding != "latin1":
        raise RefusedPickleError("_codecs.encode")
    return text.encode("latin1")


def _unpack(file: IO[bytes], packing: Packing, target: IO[bytes]) -> None:
    """Decompress `file` in pieces, and not past the bound: a few kilobytes can stand for terabytes."""
    total = 0
    for piece in _inflated(file) if packing == "zlib" else _unpacked(file, packing):
        total += len(piece)
        if total > MAXIMUM_BYTES:
            raise RefusedPickleError(f"more than {MAXIMUM_BYTES} bytes after unpacking")
        target.write(piece)


def _unpacked(file: IO[bytes], packing: Packing) -> Iterator[bytes]:
    openers: dict[Packing, Callable[[IO[bytes]], Any]] = {
        "gzip": gzip.open,
        "bzip2": bz2.open,
        "xz": lzma.open,
        "lzma": lzma.open,
    }
    with openers[packing](file) as unpacked:
        while piece := unpacked.read(_CHUNK_BYTES):
            yield piece


def _inflated(file: IO[bytes]) -> Iterator[bytes]:
    """The same for zlib, for which Python has no file object."""
    inflater = zlib.decompressobj()
    for packed in iter(lambda: inflater.unconsumed_tail or file.read(_CHUNK_BYTES), b""):
        yield inflater.decompress(packed, _CHUNK_BYTES)
    yield inflater.flush(_CHUNK_BYTES)
