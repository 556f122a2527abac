"""Which files of a repository are Python, and which could make Python run what no tool was shown."""

from __future__ import annotations

import codecs
import io
import os
import posixpath
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

from hallmark.reporting.sarif import Finding

MAXIMUM_BYTES = 4 << 20
"""A larger Python file is data in disguise, and would keep the tools busy for too long."""

TOOL = "hallmark"
_SOURCE = (".py", ".pyi", ".pyw")
_NOTEBOOK = ".ipynb"
_COMPILED = (".pyc", ".pyo", ".pyd", ".so")
_SHEBANG = re.compile(rb"#!.*\bpython")


@dataclass(frozen=True, kw_only=True)
class PythonSources:
    """Paths relative to the repository, with slashes, sorted."""

    files: tuple[str, ...]
    """Modules and scripts that the tools can read as Python reads them."""
    notebooks: tuple[str, ...]
    hidden: tuple[Finding, ...]
    """What the tools would not read, or not as Python does."""


def find(source: Path, *, scripts: tuple[str, ...] = ()) -> PythonSources:
    """The Python files of the tree `source`: by suffix, by `#!`, and those that are named as `scripts`.

    Hidden code is what an interpreter runs although a reader of the source never sees it: compiled modules, source in
    an encoding of its own (PEP 263; in UTF-7 a comment can hold a statement), links out of the tree.
    """
    files: list[str] = []
    notebooks: list[str] = []
    hidden: list[Finding] = []
    named = {posixpath.normpath(script) for script in scripts}
    for name in _names(source):
        shown = name if name.isprintable() else ascii(name)
        path = source / name
        suffix = path.suffix.lower()
        reason = ""
        if suffix in _COMPILED:
            reason = "compiled code cannot be examined; keep its source in the repository instead"
        elif suffix in (*_SOURCE, _NOTEBOOK) or name in named or _has_shebang(path):
            reason = _unfit_name(name) or _unfit_link(path, source)
            if not reason and suffix != _NOTEBOOK:
                reason = _unfit_text(path)
            if not reason:
                (notebooks if suffix == _NOTEBOOK else files).append(name)
        if reason:
            hidden.append(Finding(tool=TOOL, rule="hidden-code", file=shown, line=1, message=reason))
    return PythonSources(files=tuple(files), notebooks=tuple(notebooks), hidden=tuple(hidden))


def _names(source: Path) -> list[str]:
    return sorted(
        Path(folder, name).relative_to(source).as_posix() for folder, _, names in os.walk(source) for name in names
    )


def _has_shebang(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _SHEBANG.match(file.readline(200)) is not None


def _unfit_name(name: str) -> str:
    return "" if name.isprintable() else "its name cannot be printed; rename it"


def _unfit_link(path: Path, source: Path) -> str:
    if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(source.resolve())):
        return "it is a link to something outside of the repository, or to nothing"
    return ""


def _unfit_text(path: Path) -> str:
    """Why Python would not read this file as plain UTF-8, or an empty text."""
    if path.stat().st_size > MAXIMUM_BYTES:
        return f"it is larger than {MAXIMUM_BYTES >> 20} MiB"
    data = path.read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        data.decode("utf-8")
    except (SyntaxError, UnicodeDecodeError) as error:
        return f"it is not UTF-8 text: {error}"
    if codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig", "ascii"):
        return f"it declares the encoding {encoding}; save it as UTF-8"
    return ""
