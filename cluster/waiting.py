"""Waiting with a limit: no component of the cluster is ever waited for without one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cluster.errors import ClusterError

TAIL = 15


def until(
    condition: Callable[[], bool],
    what: str,
    *,
    seconds: float,
    log: Path | None = None,
    alive: Callable[[], bool] | None = None,
    pause: float = 0.1,
) -> None:
    """Return when `condition` holds.

    Args:
        what: ends the sentence "waited N s for ...".
        log: its last lines are told when the wait fails.
        alive: once this is False there is no more point in waiting.

    Raises:
        ClusterError: it did not hold within `seconds`, or what was waited for has ended.
    """
    started = time.monotonic()
    while not condition():
        waited = time.monotonic() - started
        dead = alive is not None and not alive()
        if dead or waited > seconds:
            why = f"ended while it was waited for: {what}" if dead else f"waited {waited:.0f} s for {what}"
            raise ClusterError(why + (f"; {log} ends with:\n{tail(log)}" if log else ""), solution=_solution(log))
        time.sleep(pause)


def tail(log: Path) -> str:
    """The last lines of a log, indented."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "  (no log)"
    return "\n".join(f"  {line[:400]}" for line in lines[-TAIL:]) or "  (empty)"


def _solution(log: Path | None) -> str:
    where = f"see {log}, mend what it complains of, then" if log else "free the machine of other work, then"
    return f"{where} run `make cluster-down` and `make cluster-up` again"
