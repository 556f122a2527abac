"""What can be wrong with an input, told with its name and place and never with its values."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from hallmark.errors import BadInputError, HallmarkError, ToolFailedError
from hallmark.redaction import redacted


class WrongDigestError(BadInputError):
    """The input is another one than the rules name. A gate may make a refusal of it instead of an error."""

    def __init__(self, what: str, *, found: str, expected: str) -> None:
        super().__init__(
            f"{what} is another one than the rules name: its digest is {found}, the rules say {expected}",
            solution="restore the data, or have the policy's owners name the new digest",
        )
        self.what = what
        self.found = found
        self.expected = expected


class RetriableError(Exception):
    """A service did not answer as it should, and may do so in a moment; the message says how."""

    def __init__(self, message: str, *, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait
        """Seconds that the service asked to wait."""


def disk_full(what: str) -> ToolFailedError:
    return ToolFailedError(
        f"no space is left in the scratch folder for {what}", solution="give the step's scratch folder more space"
    )


def cannot_read(what: str, error: OSError) -> HallmarkError:
    """What an error of the file system means to whoever asked for `what`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return disk_full(what)
    return BadInputError(f"cannot read {what}: {error.strerror or error}", solution="check that it can be read")


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Errors of the file system and of polars as errors about `what`; no value of the data is quoted.

    Raises:
        BadInputError: the data could not be read.
        ToolFailedError: the disk is full.
    """
    from polars.exceptions import PolarsError

    try:
        yield
    except OSError as error:
        raise cannot_read(what, error) from error
    except PolarsError as error:
        if "No space left on device" in str(error) or "os error 28" in str(error):
            raise disk_full(what) from error
        raise BadInputError(
            f"{what} cannot be read: {reason(error)}", solution="write the file anew, and check how it was copied"
        ) from error


def reason(error: Exception) -> str:
    """The first line of what polars says, as far as it does not quote the data."""
    first = str(error).strip().partition("\n")[0]
    if first.startswith("could not parse"):
        return "a row has a value that does not fit its column"
    return redacted(first, limit=200)
