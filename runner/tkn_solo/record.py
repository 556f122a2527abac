"""What happened in a run, as the sinks and the status object tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tkn_solo.backend import Attempt
from tkn_solo.conditions import Condition
from tkn_solo.definition import RunDefinition
from tkn_solo.facts import SkipReason
from tkn_solo.invocation import TaskInvocation
from tkn_solo.model import PipelineTask
from tkn_solo.values import Value


@dataclass
class TaskRecord:
    """One started pipeline task: its attempts in order, the last one last. Times are seconds since the epoch."""

    name: str
    task_run: str
    uid: str
    resolved: PipelineTask
    started: float
    attempts: list[tuple[TaskInvocation | None, Attempt]] = field(default_factory=list)

    @property
    def last(self) -> Attempt | None:
        return self.attempts[-1][1] if self.attempts else None


@dataclass
class RunRecord:
    """A run, from its start to its end."""

    definition: RunDefinition
    started: float
    finished: float = 0.0
    finally_started: float | None = None
    condition: Condition | None = None
    tasks: dict[str, TaskRecord] = field(default_factory=dict)
    skipped: Mapping[str, SkipReason] = field(default_factory=dict)
    results: Mapping[str, Value] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def infrastructure_failed(self) -> bool:
        return any(task.last is not None and task.last.end.infrastructure for task in self.tasks.values())

    @property
    def exit_code(self) -> int:
        """0 succeeded, 1 a step failed, 3 the machine failed, 130 interrupted."""
        if self.interrupted:
            return 130
        if self.condition is not None and self.condition.succeeded:
            return 0
        return 3 if self.infrastructure_failed else 1
