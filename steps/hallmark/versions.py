"""Versions of what is installed beside a command, for its report: the same findings can be reached again with them."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata

from hallmark import __version__

LIBRARIES = (
    "great-expectations",
    "numpy",
    "onnxruntime",
    "pandas",
    "polars",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skops",
)
"""Those that can change what a gate finds."""


def installed() -> dict[str, str]:
    """Hallmark's, Python's and the libraries' versions by name; a library that is not installed is left out."""
    return {"hallmark": __version__, "python": platform.python_version(), **of(LIBRARIES)}


def of(names: Iterable[str]) -> dict[str, str]:
    """The libraries' versions by name; one that is not installed is left out."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
