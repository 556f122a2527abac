"""Tries again what a service may answer in a moment: a bounded number of times, within a bounded time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from hallmark.errors import ToolFailedError
from hallmark.inputs.errors import RetriableError

ATTEMPTS = 4
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0

T = TypeVar("T")


def attempted(ask: Callable[[], T], *, what: str, deadline: float) -> T:
    """The answer of `ask`, which is called up to `ATTEMPTS` times.

    Args:
        deadline: by `time.monotonic`; no attempt begins after it.

    Raises:
        ToolFailedError: the last attempt failed too, or the time is over.
    """
    last = ""
    for attempt in range(ATTEMPTS):
        try:
            return ask()
        except RetriableError as error:
            last = str(error)
            pause = FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
            pause = min(LONGEST_PAUSE_SECONDS, max(pause, error.wait or 0))
        if attempt + 1 == ATTEMPTS or time.monotonic() + pause >= deadline:
            break
        time.sleep(pause)
    raise ToolFailedError(
        f"{what} could not be fetched in {attempt + 1} attempts, last: {last}",
        solution="see whether the service is up and can be reached from here, then run again",
    )
