"""Versions of what is installed beside a command, for its report: the same findings can be reached again with them."""

from __future__ import annotations

import platform
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
    "shap",
    "skops",
)
"""Those that can change what a gate finds."""


def installed() -> dict[str, str]:
    """Hallmark's, Python's and the libraries' versions by name; a library that is not installed is left out."""
    found = {"hallmark": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
