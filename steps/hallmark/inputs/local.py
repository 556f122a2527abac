"""Finds the files of a location inside a folder: one file, a folder with partitions, or a pattern."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hallmark.errors import BadInputError
from hallmark.files import inside
from hallmark.inputs.formats import DATA_SUFFIXES

MAXIMUM_FILES = 10_000
_PATTERN = frozenset("*?[")


@dataclass(frozen=True, kw_only=True)
class Found:
    """Files by the names under which they count for the digest and for hive's columns, sorted by them."""

    files: dict[str, Path]
    several: bool
    """Whether the location is a folder or a pattern, even if it leads to one file only."""


def find(base: Path, location: str, what: str) -> Found:
    """The files of `location`, which is relative to `base`.

    Raises:
        BadInputError: there is none; it leads out of `base`, also by a link; or a folder holds something else too.
    """
    if not location.strip():
        raise BadInputError(f"{what} has an empty location", solution="name a file, a folder or a pattern")
    if Path(location).is_absolute() or ".." in PurePosixPath(location).parts or "\0" in location:
        raise BadInputError(
            f"{what}: {location!r} is no path inside its folder", solution="give a path below it, without '..'"
        )
    path = inside(base, location)
    if path.is_dir():
        return Found(files=_folder(base, path, location, what), several=True)
    if path.is_file():
        return Found(files={path.name: path}, several=False)
    if path.exists():
        raise BadInputError(f"{what} is neither a file nor a folder", solution="provide a file")
    if _PATTERN & set(location):
        return Found(files=_pattern(base, location, what), several=True)
    raise BadInputError(f"{what} is missing", solution=f"provide {location}, or correct its path")


def _folder(base: Path, folder: Path, location: str, what: str) -> dict[str, Path]:
    """All files below `folder`; hidden ones (and `_SUCCESS` and the like) are no data by convention."""
    files: dict[str, Path] = {}
    for parent, folders, names in os.walk(folder, followlinks=False):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in folders:
            if (here / name).is_symlink():
                raise BadInputError(
                    f"{what}: {_relative(here / name, folder)} is a link to a folder, which is not followed",
                    solution="put the folder itself there, or name it as an input of its own",
                )
        for name in names:
            if _hidden(name):
                continue
            relative = _relative(here / name, folder)
            if not name.lower().endswith(DATA_SUFFIXES):
                raise BadInputError(
                    f"{what}: {relative} does not look like data, and nothing of a folder is left out silently",
                    solution=f"take it away, or name a pattern such as {location.rstrip('/')}/*.parquet",
                )
            files[relative] = _confined(base, here / name, what)
            _bound(files, what)
    if not files:
        raise BadInputError(f"{what} is a folder without data files", solution="provide the data, or correct the path")
    return dict(sorted(files.items()))


def _pattern(base: Path, location: str, what: str) -> dict[str, Path]:
    parts = PurePosixPath(location).parts
    fixed = next(place for place, part in enumerate(parts) if _PATTERN & set(part))
    root = base.joinpath(*parts[:fixed])
    files: dict[str, Path] = {}
    try:
        for path in base.glob(location):
            if path.is_dir() or any(_hidden(part) for part in path.relative_to(root).parts):
                continue
            files[_relative(path, root)] = _confined(base, path, what)
            _bound(files, what)
    except ValueError as error:
        raise BadInputError(f"{what}: {location!r} is no pattern: {error}", solution="correct it") from error
    if not files:
        raise BadInputError(f"{what}: no file fits {location}", solution="provide the data, or correct the pattern")
    return dict(sorted(files.items()))


def _confined(base: Path, path: Path, what: str) -> Path:
    real = inside(base, path.relative_to(base) if path.is_relative_to(base) else path)
    if not real.is_file():
        raise BadInputError(f"{what}: {path.name} is no regular file", solution="put the file itself there")
    return real


def _bound(files: dict[str, Path], what: str) -> None:
    if len(files) > MAXIMUM_FILES:
        raise BadInputError(f"{what} is more than {MAXIMUM_FILES} files", solution="write fewer, larger files")


def _hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
