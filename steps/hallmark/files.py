"""Digests, confined paths and writes that never leave half a file behind."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hallmark.errors import BadInputError, ToolFailedError

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def sha256_bytes(data: bytes) -> str:
    """The digest of `data` in OCI's notation, `sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def sha256_file(path: Path) -> str:
    """The digest of a file's bytes in OCI's notation, `sha256:<hex>`.

    Raises:
        BadInputError: there is no such regular file, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise BadInputError(
            f"cannot read {path}: {error.strerror}", solution="check that the file exists and is readable"
        ) from error


def sha256_mounted(root: Path) -> str:
    """The digest of a folder that may be a mounted ConfigMap or Secret, whose entries are links into `..data`.

    Links to files count as the files they lead to, and Kubernetes' own `..*` entries do not count, so that a plain
    folder, a volume and a ConfigMap with the same files have the same digest.
    """
    if not root.is_dir():
        raise BadInputError(f"{root} is not a folder", solution="check the workspace that is bound here")
    files = (
        (path.relative_to(root).as_posix(), path)
        for path in root.rglob("*")
        if path.is_file() and not any(part.startswith("..") for part in path.relative_to(root).parts)
    )
    lines = [f"{sha256_file(path).removeprefix('sha256:')}  {name}\n" for name, path in sorted(files)]
    return sha256_bytes("".join(lines).encode("utf-8", "surrogateescape"))


def sha256_tree(root: Path) -> str:
    """The digest of a folder: names, executable bits, contents and link targets, nothing else.

    One line an entry, `<sha256 hex>  <mode> <relative path>\\n`, sorted by path; the digest is that of the lines.
    The form is that of Go's `dirhash.Hash1` (golang.org/x/mod/sumdb/dirhash) with the mode added, because an
    executable bit and a link are part of what a build reads.

    Raises:
        BadInputError: `root` is no folder, or holds something that is neither file, folder nor link.
    """
    if not root.is_dir():
        raise BadInputError(f"{root} is not a folder", solution="check the workspace that is bound here")
    lines = []
    for path in sorted(_entries(root), key=lambda entry: entry.relative_to(root).as_posix()):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            lines.append(f"{hashlib.sha256(os.fsencode(path.readlink())).hexdigest()}  link {name}\n")
        elif path.is_file():
            mode = "exec" if path.stat().st_mode & 0o100 else "file"
            lines.append(f"{sha256_file(path).removeprefix('sha256:')}  {mode} {name}\n")
        else:
            raise BadInputError(
                f"{path} is neither a file, a folder nor a link", solution="remove it from the repository"
            )
    return sha256_bytes("".join(lines).encode("utf-8", "surrogateescape"))


def _entries(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root, followlinks=False):
        base = Path(folder)
        yield from (base / name for name in files)
        yield from (base / name for name in folders if (base / name).is_symlink())


def require_digest(what: str, found: str, expected: str) -> None:
    """Compare a recomputed digest with the one that the writer handed over as a result.

    Raises:
        BadInputError: they differ: somebody changed the artefact between two tasks.
    """
    if found != expected:
        raise BadInputError(
            f"{what} was changed on the way: its digest is {found}, its writer said {expected or 'nothing'}",
            solution="find out what else writes to this run's volume, then start a new run; by hand, give the digest "
            "of what is there now",
        )


def inside(root: Path, relative: str | Path) -> Path:
    """`root/relative`, proved to lie below `root` also after every link is followed.

    >>> inside(Path("/srv"), "../etc/passwd")
    Traceback (most recent call last):
    hallmark.errors.BadInputError: ../etc/passwd leads out of /srv
    """
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise BadInputError(f"{relative} leads out of {root}", solution="give a path below that folder")
    return path


def require_outside(path: Path, folder: Path, why: str) -> None:
    """Raise BadInputError where `path` (there or not yet) is `folder` or lies in it; `why` that may not be."""
    if path.resolve().is_relative_to(folder.resolve()):
        raise BadInputError(f"{path} lies in {folder}, {why}", solution="give a place elsewhere")


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that becomes `target` when the block ends well, and vanishes otherwise."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise cannot_write(target, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise cannot_write(target, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(target: Path, data: bytes) -> None:
    """Write `data` to `target` whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8 to `target` whole or not at all."""
    write_bytes(target, text.encode())


def cannot_write(target: Path, error: OSError) -> ToolFailedError:
    return ToolFailedError(
        f"cannot write {target}: {error.strerror or error}",
        solution="check that its volume is bound, writable, and not full",
    )
