"""Versions of what is installed beside a command, for its report: the same findings can be reached again with them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

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
    import platform

    return {"hallmark": __version__, "python": platform.python_version(), **of(LIBRARIES)}


def of(names: Iterable[str]) -> dict[str, str]:
    """The libraries' versions by name; one that is not installed is left out.

    Installers write both into a folder's name, `NAME-VERSION.dist-info` (Python's "recording installed projects");
    importlib.metadata would read the whole text of each library's metadata for it.
    """
    there: dict[str, str] = {}
    for folder in sys.path:
        for entry in Path(folder).glob("*.dist-info"):
            name, _, version = entry.name.removesuffix(".dist-info").partition("-")
            there.setdefault(_normal(name), version)
    return {name: there[_normal(name)] for name in names if _normal(name) in there}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
