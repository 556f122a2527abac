"""Puts the objects in the place of Git LFS pointers: from the repository's own store, else from its server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hallmark.errors import BadInputError, ToolFailedError
from hallmark.files import sha256_file
from hallmark.inputs.unpack import Budget
from hallmark.tools import git_lfs
from hallmark.tools.git_lfs import Pointer, Repository


def resolve(
    files: Mapping[str, Path],
    scratch: Path,
    *,
    credential: Path | None,
    budget: Budget,
    seconds: float,
    what: str,
    repository: Repository | None = None,
) -> dict[str, Path]:
    """`files` with each pointer replaced by the object that it names; git is asked only if there is a pointer.

    Args:
        repository: where the objects are; default: what the repository around the files says.

    Raises:
        BadInputError: a pointer is damaged, its object too large, of another size or digest, or nowhere to be had.
        ToolFailedError: the server failed.
    """
    pointers = {name: pointer for name, path in files.items() if (pointer := _pointer(path, what))}
    if not pointers:
        return dict(files)
    repository = repository or git_lfs.repository_of(files[next(iter(pointers))].parent)
    if repository is None:
        raise BadInputError(
            f"{what} is a Git LFS pointer, and there is no repository to resolve it in",
            solution="fetch the source with Git LFS, or commit the data",
        )
    objects = {name: git_lfs.object_in(repository.store, pointer) for name, pointer in pointers.items()}
    missing = {name: pointers[name] for name, path in objects.items() if not path.is_file()}
    if missing:
        budget.take(sum(pointer.size for pointer in missing.values()), what)
        objects |= _fetched(repository, missing, scratch, credential, seconds, what)
    for name, path in objects.items():
        _require(path, pointers[name], what)
    return {**files, **objects}


def is_pointer(path: Path) -> bool:
    """Whether the file is a pointer. Raises BadInputError where it is a damaged one, or cannot be read."""
    return _pointer(path, path.name) is not None


def _pointer(path: Path, what: str) -> Pointer | None:
    try:
        with path.open("rb") as file:
            start = file.read(git_lfs.POINTER_BYTES + 1)
    except OSError as error:
        raise BadInputError(f"cannot read {what}: {error.strerror}", solution="check its permissions") from error
    return git_lfs.parse_pointer(start, what)


def _fetched(
    repository: Repository,
    missing: Mapping[str, Pointer],
    scratch: Path,
    credential: Path | None,
    seconds: float,
    what: str,
) -> dict[str, Path]:
    if not repository.remote and not repository.server:
        raise BadInputError(
            f"{what} is a Git LFS pointer without its object, and the repository has no remote to fetch it from",
            solution="fetch the source with Git LFS, or commit the data",
        )
    numbered = {f"pointer-{number}": pointer for number, pointer in enumerate(missing.values())}
    store = git_lfs.fetch(repository, numbered, scratch, credential=credential, seconds=seconds)
    found = {name: git_lfs.object_in(store, pointer) for name, pointer in missing.items()}
    for path in found.values():
        if not path.is_file():
            raise ToolFailedError(
                f"{what}: the Git LFS server does not have the object", solution="push it: git lfs push --all origin"
            )
    return found


def _require(path: Path, pointer: Pointer, what: str) -> None:
    if path.stat().st_size != pointer.size or sha256_file(path) != f"sha256:{pointer.oid}":
        raise BadInputError(
            f"{what}: the Git LFS object is another one than its pointer names",
            solution="remove it from .git/lfs, and fetch it again",
        )
