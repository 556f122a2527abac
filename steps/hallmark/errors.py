"""The errors a user can act on, each with its exit code.

A gate that says no is not an error: it returns an outcome with a refused report (exit code 1).
Every exception that is not a :class:`HallmarkError` is a bug: :class:`InternalError` reports it.
"""

from __future__ import annotations

import traceback
from typing import ClassVar


class HallmarkError(Exception):
    """What happened and where (`message`), and what to do about it (`solution`)."""

    exit_code: ClassVar[int]
    kind: ClassVar[str]

    def __init__(self, message: str, *, solution: str) -> None:
        super().__init__(message)
        self.message = message
        self.solution = solution


class BadInputError(HallmarkError):
    """The user gave something wrong and can mend it: exit code 2."""

    exit_code = 2
    kind = "bad input"


class ToolFailedError(HallmarkError):
    """A tool or a service that the step needs failed or did not answer: exit code 3."""

    exit_code = 3
    kind = "tool failed"


class InternalError(HallmarkError):
    """Hallmark itself failed: exit code 70, sysexits.h's EX_SOFTWARE, for Python's own would pass for a refusal.

    Its message names the place and not what the exception says, which may hold anything.
    """

    exit_code = 70
    kind = "internal error"

    @classmethod
    def of(cls, error: Exception) -> InternalError:
        """What is reported of an exception that nothing expected."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        return cls(
            f"Hallmark failed with {type(error).__name__} at {place.filename}:{place.lineno}; nothing was decided",
            solution="report it with the traceback that stands in the step's log; a second run may not help",
        )


REFUSED = 1
"""Exit code of a gate that said no."""
