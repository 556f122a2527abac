"""A program that ends in good order when this one is asked to end: signals are its to handle."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A program's exit code, its standard output, and whether a signal was passed on to it meanwhile."""

    exit_code: int
    stdout: str
    interrupted: bool


def apart(argv: Sequence[str]) -> list[str]:
    """The command such that it gets SIGTERM when this process is killed (prctl(2), PR_SET_PDEATHSIG)."""
    return ["setpriv", "--pdeathsig", "TERM", "--", *argv]


def run(argv: Sequence[str], env: Mapping[str, str]) -> Ended:
    """Run a program and wait for its end, however often this process is asked to end itself.

    It has a process group of its own: each signal, whether from Ctrl-C or from `kill`, reaches it exactly once,
    passed on from here. Its standard error is this process's. To be called from the main thread.
    """
    child: subprocess.Popen[str] | None = None
    received: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if child is not None:
            child.send_signal(number)

    # nohup(1) has SIGHUP ignored, and that is to stay so.
    wanted = [number for number in FORWARDED if number is signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in wanted}
    try:
        with subprocess.Popen(
            apart(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env, text=True, process_group=0
        ) as child:
            for number in received[:1]:
                child.send_signal(number)
            stdout, _ = child.communicate()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return Ended(exit_code=child.returncode, stdout=stdout, interrupted=bool(received))
