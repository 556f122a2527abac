"""Opening files below a folder without ever leaving it: no symbolic link is followed.

Tasks write into the folders that are opened here, so a name may turn into a link to any file of this machine.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OutsideError(ValueError):
    """The path leaves its folder, or a part of it is a symbolic link."""


def parts_of(sub_path: str) -> tuple[str, ...]:
    """The parts of a relative path; raises OutsideError if it is absolute or has `..`."""
    path = PurePosixPath(sub_path)
    if path.is_absolute() or ".." in path.parts:
        raise OutsideError(f"{sub_path!r} leaves its folder")
    return path.parts


def open_path(root: Path, sub_path: str, *, create: bool = False) -> int:
    """A descriptor (O_PATH) of what is at `sub_path` below `root`; `create` makes missing folders (0777).

    Raises OutsideError for a link or a path that leaves `root`, OSError as `os.open` does.
    """
    current = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    parts = parts_of(sub_path)
    for index, part in enumerate(parts):
        try:
            below = _step(current, part, last=index == len(parts) - 1, create=create)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise OutsideError(f"{part!r} in {sub_path!r} is not a folder but a link or a file") from None
            raise
        finally:
            os.close(current)
        current = below
    return current


def _step(parent: int, name: str, *, last: bool, create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
            os.chmod(name, 0o777, dir_fd=parent)  # noqa: S103 - as a kubelet makes it; the run's folder is private
    if not last:
        return os.open(name, _FOLDER, dir_fd=parent)
    found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    if stat.S_ISLNK(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(errno.ELOOP, "a symbolic link", name)
    return found


def read_bytes(root: Path, sub_path: str, limit: int) -> bytes | None:
    """At most `limit` bytes of a regular file below `root`; None if there is no such file."""
    try:
        folder = open_path(root, str(PurePosixPath(sub_path).parent))
    except (FileNotFoundError, OutsideError):
        return None
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(PurePosixPath(sub_path).name, flags, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)
