"""Databases of advisories that the policy accepts by their digests.

Whoever starts a run binds the workspace `advisories`, and could leave out of it what a package is known for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path

from hallmark.errors import BadInputError

SUFFIXES = (".json", ".zip")
MAXIMUM_BYTES = 4 << 30
"""Of one file; OSV's largest database has a tenth of it."""
CHUNK = 1 << 20


def accepted(path: Path, digests: Collection[str], target: Path, *, key: str) -> Path:
    """A copy of the database at `path` in the new folder `target`, every file of which has one of these digests.

    It is a copy because the volume is not ours: what was compared is what is read. Without digests the policy accepts
    any, and `path` itself is returned.

    Args:
        path: one file, or a folder whose JSON and zip files are the database.
        key: what the policy calls the list of digests.

    Raises:
        BadInputError: a file is not one of them, is too large, or cannot be read.
    """
    if not digests:
        return path
    target.mkdir(parents=True)
    for file in files(path):
        relative = file.relative_to(path) if path.is_dir() else Path(file.name)
        copy = target / relative
        copy.parent.mkdir(parents=True, exist_ok=True)
        found = _copy(file, copy)
        if found not in digests:
            raise BadInputError(
                f"the policy does not accept the advisory database {relative} ({found})",
                solution=f"bind the databases that {key} in policy.yaml names by `sha256sum`, or have the policy's "
                "owner add this one",
            )
    return target if path.is_dir() else target / path.name


def files(path: Path) -> Iterator[Path]:
    """The files of a database, without Kubernetes' own entries of a mounted ConfigMap."""
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*")):
        kubernetes = any(part.startswith("..") for part in file.relative_to(path).parts)
        if file.suffix in SUFFIXES and file.is_file() and not kubernetes:
            yield file


def _copy(source: Path, target: Path) -> str:
    """Copy a file and return the digest of what was copied."""
    digest, size = hashlib.sha256(), 0
    try:
        with source.open("rb") as reader, target.open("wb") as writer:
            while chunk := reader.read(CHUNK):
                size += len(chunk)
                if size > MAXIMUM_BYTES:
                    raise BadInputError(
                        f"{source.name} is larger than {MAXIMUM_BYTES >> 30} GiB, and no database of OSV's",
                        solution="bind OSV's databases",
                    )
                digest.update(chunk)
                writer.write(chunk)
    except OSError as error:
        raise BadInputError(
            f"the advisory database {source.name} cannot be copied ({error.strerror})",
            solution="see whether it can be read, and whether there is room for a copy",
        ) from error
    return f"sha256:{digest.hexdigest()}"
