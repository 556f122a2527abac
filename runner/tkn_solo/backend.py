"""What the engine knows of a backend, and what a backend tells of an attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tkn_solo.facts import TaskEnd
from tkn_solo.invocation import TaskInvocation
from tkn_solo.masking import Masker
from tkn_solo.process import StopSignal
from tkn_solo.values import Value


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """How a step or sidecar ended. Times are seconds since the epoch; `image` is the image ID if one was used."""

    name: str
    container: str
    exit_code: int
    reason: str
    termination_reason: str
    started: float
    finished: float
    image: str = ""
    results: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """How one attempt of a TaskRun ended."""

    end: TaskEnd
    started: float
    finished: float
    steps: tuple[ContainerState, ...] = ()
    sidecars: tuple[ContainerState, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """One line (or piece of a long one) that a step wrote, already masked."""

    task: str
    step: str
    line: bytes


@dataclass(frozen=True, kw_only=True)
class StepStarted:
    task: str
    step: str


@dataclass(frozen=True, kw_only=True)
class StepEnded:
    task: str
    state: ContainerState


StepEvent = StepLine | StepStarted | StepEnded
Tell = Callable[[StepEvent], None]


@dataclass(frozen=True, kw_only=True)
class BackendOptions:
    """What a backend needs to know of the run."""

    run_dir: Path
    tools: tuple[Path, ...]
    image_store: Path
    masker: Masker


class Backend(Protocol):
    """Runs attempts, each in its own thread. Failures of the machine are in the attempt's `end`, not raised."""

    def check(self, *, sidecars: bool, root: bool) -> None:
        """Raise InfrastructureError if this machine cannot run what is planned."""

    def run(self, task: TaskInvocation, stop: StopSignal, tell: Tell) -> Attempt:
        """Run one attempt to its end; returns when nothing of it is left."""

    def close(self) -> None:
        """Leave nothing behind."""
