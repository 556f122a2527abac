"""Plain lines: each log line with `[task : step] ` before it, and a summary at the end."""

from __future__ import annotations

import re
from typing import TextIO

from tkn_solo.backend import StepEnded, StepLine, StepStarted
from tkn_solo.events import (
    Event,
    RunEnded,
    RunStarted,
    StopNoticed,
    TaskAttemptEnded,
    TaskSkipped,
    TaskStarted,
)
from tkn_solo.sinks.summary import summary

# A step's output may hold anything; of the terminal's control sequences only colours pass.
_CONTROL = re.compile(r"\x1b\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def readable(line: bytes) -> str:
    """One line of a step as text that cannot steer a terminal."""
    text = line.decode("utf-8", errors="replace").rstrip("\n")
    return _CONTROL.sub(lambda match: match[0] if match[0].endswith("m") else "\ufffd", text.replace("\r", " "))


class Console:
    """Writes to `out`; `quiet` leaves only failures and the summary."""

    def __init__(self, out: TextIO, *, quiet: bool) -> None:
        self._out = out
        self._quiet = quiet

    def tell(self, event: Event) -> None:
        text = self._text(event)
        if text is not None:
            self._out.write(f"{text}\n")
            self._out.flush()

    def _text(self, event: Event) -> str | None:
        if isinstance(event, RunEnded):
            return summary(event.record, event.run_dir)
        if isinstance(event, StopNoticed):
            return stop_text(event)
        if self._quiet:
            return None
        if isinstance(event, StepLine):
            return f"[{event.task} : {event.step}] {readable(event.line)}"
        if isinstance(event, RunStarted):
            return "\n".join([f"run {event.plan.run}, files in {event.run_dir}", *event.plan.notices()])
        if isinstance(event, TaskStarted):
            again = f" (retry {event.attempt})" if event.attempt else ""
            return f"[{event.task}] started{again}"
        if isinstance(event, TaskAttemptEnded):
            return attempt_text(event)
        if isinstance(event, TaskSkipped):
            return f"[{event.task}] skipped: {event.reason}"
        if isinstance(event, StepStarted | StepEnded):
            return None
        raise AssertionError(f"no text for {event!r}")


def attempt_text(event: TaskAttemptEnded) -> str:
    end = event.attempt.end
    seconds = event.attempt.finished - event.attempt.started
    told = end.reason if end.succeeded else f"{end.reason}: {end.message}"
    return f"[{event.task}] {told} ({seconds:.1f} s){', will be retried' if event.retried else ''}"


def stop_text(event: StopNoticed) -> str:
    if event.hard:
        return "cancelled: everything is being ended"
    return "cancelled: running tasks are being ended, finally runs (once more: end that too)"
