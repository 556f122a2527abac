"""How the laptop's commands speak: progress in plain lines, errors with what to do, one exit code for each kind."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType

from hallmark.errors import HallmarkError

INTERRUPTED = 130
"""Exit code after SIGINT or SIGTERM, as a shell has it."""

Say = Callable[[str], None]
"""Receives one line of progress. Functions that may take longer than a second have one as a parameter."""


def say(line: str) -> None:
    """Print a line of progress at once, also where standard output is a file."""
    print(line, flush=True)


def exit_code_of(action: Callable[[], None]) -> int:
    """Run `action`; a user's or a tool's error is printed once and becomes the exit code, a bug keeps its traceback.

    SIGTERM ends it as Ctrl-C does, so that whatever it started is ended too.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        action()
    except HallmarkError as error:
        print(f"{error.message}\n  what to do: {error.solution}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0
