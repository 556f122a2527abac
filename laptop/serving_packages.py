"""The Python packages of an image: names from a list, versions and hashes from requirements.lock."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from hallmark.errors import BadInputError
from hallmark.process import run

HEAD = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)\s*(?:;\s*(?P<marker>[^\\]+?))?\s*\\?$", re.MULTILINE)
"""The first line of a requirement in a lock file; its hashes follow, indented."""

SCRIPT = re.compile(r"(?:\.\./\.\./)?bin/([^/,]+),")
"""A line of an installed package's RECORD that names one of its commands."""


def read_names(path: Path) -> list[str]:
    """The names in a list, one a line; `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def locked(lock: str, names: Iterable[str]) -> list[str]:
    """The requirements of a lock file that are named, each with its marker and hashes, without comments.

    Raises:
        BadInputError: the lock does not hold one of the names.
    """
    wanted = {canonicalize_name(name) for name in names}
    found = [(canonicalize_name(name), text) for name, text in _requirements(lock)]
    if unknown := wanted - {name for name, _ in found}:
        raise BadInputError(
            f"requirements.lock does not hold {', '.join(sorted(unknown))}",
            solution="run `make lock`, or correct python-packages.txt of the image (below images)",
        )
    return [text for name, text in found if name in wanted]


def every_name(lock: str) -> list[str]:
    """The names of all packages in a lock file."""
    return sorted({name for name, _ in _requirements(lock)})


def for_python(requirements: Iterable[str], full_version: str) -> list[str]:
    """Those whose marker holds for a Python such as `3.11.2`, and without it: pip would ask its own Python instead."""
    environment = {
        "python_full_version": full_version,
        "python_version": ".".join(full_version.split(".")[:2]),
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    chosen = []
    for requirement in requirements:
        first, separator, hashes = requirement.partition("\n")
        head = HEAD.match(first)
        if head and (not head["marker"] or Marker(head["marker"]).evaluate(environment)):
            chosen.append(f"{head['name']}=={head['version']} \\{separator}{hashes}")
    return chosen


def install(requirements: Iterable[str], version: str, target: Path) -> None:
    """Unpack the wheels of `requirements` for a Python such as `3.11` into `target`; nothing is compiled or run.

    Raises:
        ToolFailedError: pip failed: no wheel for this Python and machine, another hash, or no index.
    """
    listing = target.with_suffix(".txt")
    listing.write_text("".join(f"{requirement}\n" for requirement in requirements))
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    argv += ["--target", str(target), "--requirement", str(listing), "--no-deps", "--require-hashes"]
    argv += ["--only-binary=:all:", "--implementation=cp", f"--python-version={version}"]
    run(argv, env=os.environ, timeout=1800)
    remove_scripts(target)


def remove_scripts(target: Path) -> None:
    """Scripts name the interpreter that pip ran with, which no image has: remove them, with their lines in RECORD.

    Programs, such as ruff's, stay where their package looks for them.
    """
    folder = target / "bin"
    for path in sorted(folder.glob("*")):
        if path.read_bytes()[:2] == b"#!":
            path.unlink()
    left = {path.name for path in folder.glob("*")}
    if folder.exists() and not left:
        folder.rmdir()
    for record in target.glob("*.dist-info/RECORD"):
        lines = record.read_text().splitlines(keepends=True)
        record.write_text("".join(line for line in lines if _stays(line, left)))


def _stays(line: str, left: Container[str]) -> bool:
    """Whether a line of RECORD (path,hash,size) names something that is still there."""
    found = SCRIPT.match(line)
    return not found or found[1] in left


def _requirements(lock: str) -> Iterator[tuple[str, str]]:
    heads = list(HEAD.finditer(lock))
    for head in heads:
        lines = [head[0]]
        for line in lock[head.end() + 1 :].splitlines():
            if not line.lstrip().startswith("--hash="):
                break
            lines.append(line)
        yield head["name"], "\n".join(lines)
