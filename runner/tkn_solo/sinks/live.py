"""A compact live view for a terminal: log lines scroll above one line for each running task."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console as RichConsole
from rich.console import Group
from rich.live import Live as RichLive
from rich.text import Text

from tkn_solo.backend import StepLine, StepStarted
from tkn_solo.events import Event, RunEnded, RunStarted, StopNoticed, TaskAttemptEnded, TaskSkipped, TaskStarted
from tkn_solo.sinks.console import attempt_text, readable, stop_text
from tkn_solo.sinks.summary import summary

_COLOURS = ("cyan", "magenta", "blue", "yellow", "green", "bright_cyan", "bright_magenta", "bright_blue")


class Live:
    """A sink and a context manager; the view is gone when the block ends, the lines stay."""

    def __init__(self, out: TextIO) -> None:
        self._console = RichConsole(file=out, highlight=False, soft_wrap=True)
        self._running: dict[str, tuple[str, float]] = {}
        self._colours: dict[str, str] = {}
        self._live = RichLive(console=self._console, get_renderable=self._view, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def tell(self, event: Event) -> None:
        if isinstance(event, TaskStarted):
            self._running[event.task] = ("", time.monotonic())
        elif isinstance(event, StepStarted):
            self._running[event.task] = (event.step, self._running[event.task][1])
        elif isinstance(event, TaskAttemptEnded):
            self._running.pop(event.task, None)
        line = self._line(event)
        if line is not None:
            self._console.print(line)

    def _line(self, event: Event) -> Text | None:
        if isinstance(event, StepLine):
            head = Text(f"[{event.task} : {event.step}] ", style=self._colour(event.task))
            return head.append_text(Text.from_ansi(readable(event.line)))
        if isinstance(event, RunStarted):
            return Text("\n".join([f"run {event.plan.run}, files in {event.run_dir}", *event.plan.notices()]), "dim")
        if isinstance(event, TaskAttemptEnded):
            return Text(attempt_text(event), "green" if event.attempt.end.succeeded else "bold red")
        if isinstance(event, TaskSkipped):
            return Text(f"[{event.task}] skipped: {event.reason}", "dim")
        if isinstance(event, StopNoticed):
            return Text(stop_text(event), "bold yellow")
        if isinstance(event, RunEnded):
            return Text(summary(event.record, event.run_dir))
        return None

    def _colour(self, task: str) -> str:
        return self._colours.setdefault(task, _COLOURS[len(self._colours) % len(_COLOURS)])

    def _view(self) -> Group:
        now = time.monotonic()
        # A copy: the view is drawn in a thread of its own.
        rows = [
            Text(f"  {task} {step} {now - since:.0f} s", style=self._colour(task))
            for task, (step, since) in list(self._running.items())
        ]
        return Group(*rows[:20])
