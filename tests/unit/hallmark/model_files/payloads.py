"""Files that would touch a canary file if anything in them ran. They do nothing else."""

from __future__ import annotations

import builtins
import importlib
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np


class Touch:
    """Pickles into a call that touches the canary."""

    def __init__(self, call: Callable[..., Any], *arguments: object) -> None:
        self.call = (call, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def by_system(canary: Path) -> Touch:
    return Touch(os.system, f"touch {canary}")


def _dump(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def _compressed(packing: str) -> Callable[[Path, Path], object]:
    return lambda path, canary: joblib.dump({"a": np.arange(9.0), "b": by_system(canary)}, path, compress=(packing, 3))


PICKLES: dict[str, Callable[[Path, Path], object]] = {
    "os.system": lambda path, canary: _dump(by_system(canary), path),
    "deep in a container": lambda path, canary: _dump([{"a": ({"b": by_system(canary)},)}], path),
    "eval": lambda path, canary: _dump(Touch(builtins.eval, f"open({str(canary)!r}, 'w')"), path),
    "subprocess": lambda path, canary: _dump(Touch(subprocess.call, ["touch", str(canary)]), path),
    "import of a module": lambda path, canary: _dump(
        [Touch(importlib.import_module, "antigravity"), by_system(canary)], path
    ),
    "getattr": lambda path, canary: _dump([Touch(getattr, "text", "upper"), by_system(canary)], path),
    "numpy's loader of files": lambda path, canary: _dump([Touch(np.load, str(canary)), by_system(canary)], path),
    "array of objects": lambda path, canary: _dump(np.array([1, by_system(canary)], dtype=object), path),
}

JOBLIBS: dict[str, Callable[[Path, Path], object]] = {
    "beside an array": lambda path, canary: joblib.dump({"a": np.arange(9.0), "b": by_system(canary)}, path),
    "in an array of objects": lambda path, canary: joblib.dump(
        {"a": np.arange(9.0), "b": np.array([1, by_system(canary)], dtype=object)}, path
    ),
    **{f"compressed by {packing}": _compressed(packing) for packing in ("zlib", "gzip", "bz2", "lzma", "xz")},
    "in an array of objects, compressed": lambda path, canary: joblib.dump(
        np.array([by_system(canary)], dtype=object), path, compress=("lzma", 3)
    ),
}
