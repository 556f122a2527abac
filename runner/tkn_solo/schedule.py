"""The scheduler: a pure state machine. `advance(state, event, now)` gives the next state and what to do.

It starts no process and reads no clock: `now` is in seconds since the start of the run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from tkn_solo import conditions
from tkn_solo.conditions import Condition
from tkn_solo.facts import Facts, Graph, Phase, Progress, RunTimeouts, SkipReason, Stop, TaskEnd
from tkn_solo.model import PipelineTask


@dataclass(frozen=True)
class RunState:
    """Everything the scheduler knows of a run. `condition` is set once no task may start any more."""

    name: str
    graph: Graph
    progress: Mapping[str, Progress]
    timeouts: RunTimeouts
    stop: Stop = Stop.NONE
    finally_started: float | None = None
    condition: Condition | None = None
    skipped: Mapping[str, SkipReason] = field(default_factory=dict)

    def facts(self, now: float) -> Facts:
        return Facts(self.graph, self.progress, self.stop, self.timeouts, now, self.finally_started)

    def running(self) -> list[str]:
        return [name for name, progress in self.progress.items() if progress.phase is Phase.RUNNING]

    @property
    def finished(self) -> bool:
        return self.condition is not None and not self.running()

    def deadline(self) -> float | None:
        """The next moment at which a run timeout passes, in seconds since the start; None: no such moment."""
        if self.condition is not None:
            return None
        moments = [self.timeouts.pipeline]
        if self.finally_started is None:
            moments.append(self.timeouts.tasks)
        elif self.timeouts.finally_ is not None:
            moments.append(self.finally_started + self.timeouts.finally_)
        return min((moment for moment in moments if moment is not None), default=None)


@dataclass(frozen=True)
class Tick:
    """Time went on; also the first event of a run."""


@dataclass(frozen=True)
class TaskEnded:
    """One attempt of a task ended."""

    task: str
    end: TaskEnd


@dataclass(frozen=True)
class StopRequested:
    """Somebody asks the run to end early."""

    stop: Stop


Event = Tick | TaskEnded | StopRequested


@dataclass(frozen=True)
class StartTask:
    """Start this attempt of a task, resolved as given."""

    task: str
    attempt: int
    resolved: PipelineTask


@dataclass(frozen=True)
class CancelTask:
    """End a running task; `message` goes to its TaskRun."""

    task: str
    message: str


Action = StartTask | CancelTask


def begin(name: str, graph: Graph, timeouts: RunTimeouts) -> RunState:
    """A run before its first event."""
    return RunState(name, graph, {task: Progress() for task in graph.everything()}, timeouts)


def advance(state: RunState, event: Event, now: float) -> tuple[RunState, list[Action]]:
    """The state after an event, and the actions it asks for."""
    actions: list[Action] = []
    if isinstance(event, TaskEnded):
        state = _end_task(state, event, actions)
    elif isinstance(event, StopRequested):
        state = _stop(state, event.stop, now, actions)
    state = _time_out(state, now, actions)
    while state.condition is None:
        before = state
        state = _start_tasks(state, now, actions)
        state = _start_finals(state, now, actions)
        if condition := conditions.finished(state.facts(now), state.name):
            state = _conclude(state, condition, now)
        if state == before:
            break
    return state, actions


def _end_task(state: RunState, event: TaskEnded, actions: list[Action]) -> RunState:
    progress = state.progress[event.task]
    task = progress.resolved or state.graph.everything()[event.task]
    retry = (
        not event.end.succeeded
        and event.end.reason != "TaskRunCancelled"
        and progress.attempt < task.retries
        and state.condition is None
        and state.stop not in (Stop.CANCELLED, Stop.CANCELLED_RUN_FINALLY)
    )
    if retry:
        actions.append(StartTask(event.task, progress.attempt + 1, task))
        return _update(state, event.task, attempt=progress.attempt + 1)
    return _update(state, event.task, phase=Phase.ENDED, end=event.end)


def _stop(state: RunState, stop: Stop, now: float, actions: list[Action]) -> RunState:
    if state.stop is Stop.CANCELLED:
        return state
    if stop is Stop.CANCELLED and state.condition is None:
        # What was not started is not reported as skipped: upstream leaves skippedTasks as they were.
        state = _conclude(state, conditions.cancelled(state.name), now)
    state = dataclasses.replace(state, stop=stop)
    if stop is Stop.CANCELLED:
        _cancel(state.running(), conditions.CANCELLED_BY_PIPELINE, actions)
    elif stop is Stop.CANCELLED_RUN_FINALLY:
        tasks = [name for name in state.running() if name in state.graph.tasks]
        _cancel(tasks, conditions.CANCELLED_BY_PIPELINE, actions)
    return state


def _time_out(state: RunState, now: float, actions: list[Action]) -> RunState:
    if state.condition is not None:
        return state
    facts, limits = state.facts(now), state.timeouts
    if limits.pipeline is not None and now > limits.pipeline:
        condition = conditions.timed_out(state.name, limits.pipeline, tasks_only=False)
        return _cancel_by_timeout(_conclude(state, condition, now), state.running(), actions)
    if limits.tasks is not None and now > limits.tasks and not facts.tasks_done:
        # Upstream's code sets the condition at once, so that finally does not run; its documentation differs.
        condition = conditions.timed_out(state.name, limits.tasks, tasks_only=True)
        return _cancel_by_timeout(_conclude(state, condition, now), state.running(), actions)
    started = state.finally_started
    if limits.finally_ is not None and started is not None and now - started > limits.finally_:
        return _cancel_by_timeout(state, state.running(), actions)
    return state


def _cancel_by_timeout(state: RunState, tasks: list[str], actions: list[Action]) -> RunState:
    for name in tasks:
        if not state.progress[name].cancelled_by_timeout:
            _cancel([name], conditions.CANCELLED_BY_TIMEOUT, actions)
            state = _update(state, name, cancelled_by_timeout=True)
    return state


def _start_tasks(state: RunState, now: float, actions: list[Action]) -> RunState:
    facts = state.facts(now)
    if facts.stopping or state.stop is not Stop.NONE:
        return state
    ready = [
        name
        for name in state.graph.tasks
        if state.progress[name].phase is Phase.WAITING
        and facts.skip(name) is None
        and all(facts.done(parent) for parent in state.graph.parents[name])
    ]
    invalid = [name for name in ready if facts.missing(name)]
    for name in invalid:
        state = _update(state, name, phase=Phase.INVALID)
    # A task that refers to a result nobody wrote keeps all others from starting.
    for name in [] if invalid else ready:
        state = _start(state, name, facts.resolved(name), actions)
    return state


def _start_finals(state: RunState, now: float, actions: list[Action]) -> RunState:
    facts = state.facts(now)
    if not facts.tasks_done or state.stop is Stop.CANCELLED:
        return state
    waiting = [name for name in state.graph.finals if state.progress[name].phase is Phase.WAITING]
    for name in waiting:
        if facts.skip(name) is None:
            state = _start(state, name, facts.resolved(name), actions)
            if state.finally_started is None:
                state = dataclasses.replace(state, finally_started=now)
    return state


def _start(state: RunState, name: str, resolved: PipelineTask, actions: list[Action]) -> RunState:
    actions.append(StartTask(name, 0, resolved))
    return _update(state, name, phase=Phase.RUNNING, resolved=resolved)


def _conclude(state: RunState, condition: Condition, now: float) -> RunState:
    facts = state.facts(now)
    skips = {name: reason for name in state.graph.everything() if (reason := facts.skip(name)) is not None}
    return dataclasses.replace(state, condition=condition, skipped=skips)


def _cancel(tasks: list[str], message: str, actions: list[Action]) -> None:
    actions.extend(CancelTask(name, message) for name in tasks)


def _update(state: RunState, name: str, **changes: object) -> RunState:
    progress = dataclasses.replace(state.progress[name], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(state, progress={**state.progress, name: progress})
