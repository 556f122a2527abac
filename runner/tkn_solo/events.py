"""What happens in a run, told to the sinks as it happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tkn_solo.backend import Attempt, StepEnded, StepLine, StepStarted
from tkn_solo.facts import SkipReason
from tkn_solo.plan import Plan
from tkn_solo.record import RunRecord


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    plan: Plan
    run_dir: str


@dataclass(frozen=True, kw_only=True)
class TaskStarted:
    task: str
    task_run: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class TaskAttemptEnded:
    """An attempt ended; `retried`: another one follows."""

    task: str
    task_run: str
    number: int
    attempt: Attempt
    retried: bool


@dataclass(frozen=True, kw_only=True)
class TaskSkipped:
    task: str
    reason: SkipReason


@dataclass(frozen=True, kw_only=True)
class StopNoticed:
    """A signal arrived; `hard`: nothing new starts, not even finally."""

    hard: bool


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    record: RunRecord
    run_dir: str


Event = (
    RunStarted
    | TaskStarted
    | TaskAttemptEnded
    | TaskSkipped
    | StopNoticed
    | RunEnded
    | StepStarted
    | StepLine
    | StepEnded
)


class Sink(Protocol):
    """Takes events one at a time; the engine sees to that."""

    def tell(self, event: Event) -> None: ...
