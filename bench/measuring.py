"""What the measurements here have in common: commands that have to go well, and what they take."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Callable, Sequence


def call(argv: Sequence[str], **env: str) -> None:
    """Run a command, with these variables beside those that there are; ends the measurement where it fails."""
    done = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{list(argv[:3])} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Of the clock, and of all processors together: the second is the same on a busy machine, nearly."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used
