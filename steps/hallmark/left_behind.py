"""Takes files that code of the model's repository wrote. They may be links, devices, endless, or missing."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from hallmark.errors import BadInputError

_CHUNK = 1 << 20


def read(file: Path, *, what: str, maximum: int) -> bytes:
    """The bytes of a regular file of at most `maximum` bytes.

    Args:
        what: what the file is, for the errors, e.g. "the tests' JUnit report".

    Raises:
        BadInputError: there is none, it is not a regular file, or it is too large.
    """
    with _opened(file, what, maximum) as source:
        return source.readall()


def copy(file: Path, target: Path, *, what: str, maximum: int) -> None:
    """Copy the bytes of a regular file to `target`, where only the step writes. Raises BadInputError as `read` does."""
    with _opened(file, what, maximum) as source, target.open("wb") as sink:
        while chunk := source.read(_CHUNK):
            sink.write(chunk)


@contextmanager
def _opened(file: Path, what: str, maximum: int) -> Iterator[FileIO]:
    try:
        # O_NONBLOCK: opening a FIFO must not wait for somebody to write to it.
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BadInputError(f"{what} is a link", solution="write a regular file") from error
        raise BadInputError(
            f"{what} is missing: {error.strerror}", solution="see the log for what the code did instead"
        ) from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise BadInputError(f"{what} is not a regular file", solution="write a regular file")
    with FileIO(handle) as source:
        if status.st_size > maximum:
            raise BadInputError(f"{what} is larger than {maximum} bytes", solution="write less")
        yield source
