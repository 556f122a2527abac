"""One JSON object a line and an event: what another program can follow."""

from __future__ import annotations

import json
import time
from typing import Any, TextIO

from tkn_solo.backend import StepEnded, StepLine, StepStarted
from tkn_solo.events import Event, RunEnded, RunStarted, StopNoticed, TaskAttemptEnded, TaskSkipped, TaskStarted
from tkn_solo.masking import Masker
from tkn_solo.values import value_to_data


class JsonLines:
    """Writes each event as `{"time": ..., "event": ..., ...}`; `time` is in seconds since the epoch."""

    def __init__(self, out: TextIO, masker: Masker) -> None:
        self._out = out
        self._masker = masker

    def tell(self, event: Event) -> None:
        data = {"time": round(time.time(), 3), **_data(event)}
        self._out.write(json.dumps(self._masker.data(data), ensure_ascii=False) + "\n")
        self._out.flush()


def _data(event: Event) -> dict[str, Any]:
    if isinstance(event, StepLine):
        line = event.line.decode("utf-8", errors="replace").rstrip("\n")
        return {"event": "log", "task": event.task, "step": event.step, "line": line}
    if isinstance(event, StepStarted):
        return {"event": "step-started", "task": event.task, "step": event.step}
    if isinstance(event, StepEnded):
        state = event.state
        told = {"exitCode": state.exit_code, "terminationReason": state.termination_reason}
        return {"event": "step-ended", "task": event.task, "step": state.name, **told}
    if isinstance(event, RunStarted):
        tasks = [{"name": task.name, "parents": list(task.parents), "finally": task.final} for task in event.plan.tasks]
        notices = event.plan.notices()
        return {
            "event": "run-started",
            "run": event.plan.run,
            "runDir": event.run_dir,
            "tasks": tasks,
            "notices": notices,
        }
    if isinstance(event, TaskStarted):
        return {"event": "task-started", "task": event.task, "taskRun": event.task_run, "attempt": event.attempt}
    if isinstance(event, TaskAttemptEnded):
        end = event.attempt.end
        return {
            "event": "task-ended",
            "task": event.task,
            "taskRun": event.task_run,
            "attempt": event.number,
            "succeeded": end.succeeded,
            "reason": end.reason,
            "message": end.message,
            "retried": event.retried,
            "results": {name: value_to_data(value) for name, value in end.results.items()},
        }
    if isinstance(event, TaskSkipped):
        return {"event": "task-skipped", "task": event.task, "reason": str(event.reason)}
    if isinstance(event, StopNoticed):
        return {"event": "stop", "hard": event.hard}
    if isinstance(event, RunEnded):
        condition = event.record.condition
        told = (
            {}
            if condition is None
            else {"succeeded": condition.succeeded, "reason": condition.reason, "message": condition.message}
        )
        results = {name: value_to_data(value) for name, value in event.record.results.items()}
        return {"event": "run-ended", "run": event.record.definition.name, **told, "results": results}
    raise AssertionError(f"no JSON for {event!r}")
