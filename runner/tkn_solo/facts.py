"""What is true of a run at one moment: who is done, who is skipped and why.

Pure functions of the graph and the progress so far; nothing is remembered between two moments.
Upstream: pipelinerunresolution.go and pipelinerunstate.go in pkg/reconciler/pipelinerun/resources.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tkn_solo.graph import ResultReference, task_references
from tkn_solo.model import PipelineTask, When
from tkn_solo.substitution import Replacements, replace
from tkn_solo.values import Value
from tkn_solo.variables import merge, of_task_results


class SkipReason(enum.StrEnum):
    """Upstream's texts, in the order in which they are tested."""

    STOPPING = "PipelineRun was stopping"
    CANCELLED = "PipelineRun was gracefully cancelled"
    STOPPED = "PipelineRun was gracefully stopped"
    WHEN = "When Expressions evaluated to false"
    PARENT = "Parent Tasks were skipped"
    MISSING_RESULTS = "Results were missing"
    PIPELINE_TIMEOUT = "PipelineRun timeout has been reached"
    TASKS_TIMEOUT = "PipelineRun Tasks timeout has been reached"
    FINALLY_TIMEOUT = "PipelineRun Finally timeout has been reached"


class Phase(enum.Enum):
    """Where a pipeline task stands. INVALID: it refers to a result that its producer did not write."""

    WAITING = enum.auto()
    RUNNING = enum.auto()
    ENDED = enum.auto()
    INVALID = enum.auto()


class Stop(enum.StrEnum):
    """A request to end the run early, with upstream's `spec.status` words."""

    NONE = ""
    CANCELLED_RUN_FINALLY = "CancelledRunFinally"
    STOPPED_RUN_FINALLY = "StoppedRunFinally"
    CANCELLED = "Cancelled"


@dataclass(frozen=True)
class TaskEnd:
    """How the last attempt of a task ended: the TaskRun's condition and results."""

    succeeded: bool
    reason: str
    message: str
    results: Mapping[str, Value] = field(default_factory=dict)
    infrastructure: bool = False


@dataclass(frozen=True)
class Progress:
    """One pipeline task so far. `attempt` counts from 0; `resolved` is the task as it was started."""

    phase: Phase = Phase.WAITING
    attempt: int = 0
    end: TaskEnd | None = None
    resolved: PipelineTask | None = None
    cancelled_by_timeout: bool = False


@dataclass(frozen=True)
class RunTimeouts:
    """Seconds; None: no limit."""

    pipeline: float | None = None
    tasks: float | None = None
    finally_: float | None = None


@dataclass(frozen=True)
class Graph:
    """A pipeline's tasks in the order of the file, after parameters and context were replaced."""

    tasks: Mapping[str, PipelineTask]
    finals: Mapping[str, PipelineTask]
    parents: Mapping[str, tuple[str, ...]]

    def everything(self) -> dict[str, PipelineTask]:
        return self._everything

    @cached_property
    def _everything(self) -> dict[str, PipelineTask]:
        return {**self.tasks, **self.finals}


@dataclass(frozen=True)
class Facts:
    """A run at the moment `now` (seconds since its start)."""

    graph: Graph
    progress: Mapping[str, Progress]
    stop: Stop = Stop.NONE
    timeouts: RunTimeouts = field(default_factory=RunTimeouts)
    now: float = 0.0
    finally_started: float | None = None
    _skips: dict[str, SkipReason | None] = field(default_factory=dict, compare=False)

    def succeeded(self, name: str) -> bool:
        end = self.progress[name].end
        return self.progress[name].phase is Phase.ENDED and end is not None and end.succeeded

    def failed(self, name: str) -> bool:
        """Ended and not succeeded; a cancelled task is a failed one."""
        end = self.progress[name].end
        return self.progress[name].phase is Phase.ENDED and end is not None and not end.succeeded

    def done(self, name: str) -> bool:
        """Succeeded, failed, invalid or skipped."""
        phase = self.progress[name].phase
        return phase in (Phase.ENDED, Phase.INVALID) or self.skip(name) is not None

    @cached_property
    def stopping(self) -> bool:
        """A task of the graph failed, and its failure is not ignored: nothing new starts."""
        return any(
            (self.failed(name) or self.progress[name].phase is Phase.INVALID) and task.on_error != "continue"
            for name, task in self.graph.tasks.items()
        )

    @cached_property
    def tasks_done(self) -> bool:
        return all(self.done(name) for name in self.graph.tasks)

    def skip(self, name: str) -> SkipReason | None:
        """Why the task does not run, or None. Known only once its parents are done."""
        if self.progress[name].phase is not Phase.WAITING:
            return None
        if name not in self._skips:
            final = name in self.graph.finals
            self._skips[name] = self._skip_final(name) if final else self._skip_task(name)
        return self._skips[name]

    def _skip_task(self, name: str) -> SkipReason | None:
        parents = self.graph.parents[name]
        # Skips of the parents first: they reach a task also while its other parents still run.
        above = [self.skip(parent) for parent in parents]
        if self.stopping:
            return SkipReason.STOPPING
        if self.stop in (Stop.CANCELLED_RUN_FINALLY, Stop.CANCELLED):
            return SkipReason.CANCELLED
        if self.stop is Stop.STOPPED_RUN_FINALLY:
            return SkipReason.STOPPED
        ready = all(self.done(parent) for parent in parents)
        if ready and not allows(self.resolved(name).when):
            return SkipReason.WHEN
        if any(reason is not None and reason is not SkipReason.WHEN for reason in above):
            return SkipReason.PARENT
        if not ready:
            return None
        if missing := self.missing(name):
            on_error = self.graph.tasks[name].on_error
            if on_error == "continue" or self.skip(missing.task) is SkipReason.WHEN:
                return SkipReason.MISSING_RESULTS
        if _passed(self.now, self.timeouts.pipeline):
            return SkipReason.PIPELINE_TIMEOUT
        return SkipReason.TASKS_TIMEOUT if _passed(self.now, self.timeouts.tasks) else None

    def _skip_final(self, name: str) -> SkipReason | None:
        if not self.tasks_done:
            return None
        if self.missing(name):
            return SkipReason.MISSING_RESULTS
        if not allows(self.resolved(name).when):
            return SkipReason.WHEN
        if _passed(self.now, self.timeouts.pipeline):
            return SkipReason.PIPELINE_TIMEOUT
        if self.finally_started is not None and _passed(self.now - self.finally_started, self.timeouts.finally_):
            return SkipReason.FINALLY_TIMEOUT
        return None

    def missing(self, name: str) -> ResultReference | None:
        """The first result that the task refers to and that is not there (yet)."""
        for reference in task_references(self.graph.everything()[name]):
            end = self.progress[reference.task].end if reference.task in self.progress else None
            if self.progress[reference.task].phase is not Phase.ENDED or end is None:
                return reference
            if not _holds(end.results, reference):
                return reference
        return None

    def resolved(self, name: str) -> PipelineTask:
        """The task with the results it refers to, and for a final task the statuses, put in.

        As upstream, all results or none: one missing result leaves every reference as it is.
        """
        task = self.graph.everything()[name]
        if name in self.graph.finals:
            # Statuses reach params and when, but not the steps of an embedded spec.
            task = replace(task, self.status_variables)
        retries = Replacements({"context.pipelineTask.retries": str(task.retries)})
        task = dataclasses.replace(task, params=tuple(replace(param, retries) for param in task.params))
        if self.missing(name):
            return task
        producers = dict.fromkeys(reference.task for reference in task_references(task))
        results = merge(of_task_results(producer, self._results(producer)) for producer in producers)
        task = replace(task, results)
        if task.task_spec is None:
            return task
        return dataclasses.replace(task, task_spec=replace(task.task_spec, results))

    def _results(self, name: str) -> Mapping[str, Value]:
        end = self.progress[name].end
        return end.results if end is not None else {}

    @cached_property
    def status_variables(self) -> Replacements:
        """`tasks.T.status`, `tasks.T.reason` and `tasks.status`, for finally."""
        variables = {}
        for name in self.graph.tasks:
            end = self.progress[name].end
            status = "Succeeded" if self.succeeded(name) else "Failed" if self.failed(name) else "None"
            variables[f"tasks.{name}.status"] = status
            variables[f"tasks.{name}.reason"] = end.reason if end is not None else ""
        variables["tasks.status"] = self._aggregate()
        return Replacements(variables)

    def _aggregate(self) -> str:
        if not self.tasks_done:
            return "None"
        if any(self.failed(name) for name in self.graph.tasks):
            return "Failed"
        return "Completed" if any(self.skip(name) for name in self.graph.tasks) else "Succeeded"


def _holds(results: Mapping[str, Value], reference: ResultReference) -> bool:
    if reference.result not in results:
        return False
    value = results[reference.result]
    if reference.index not in (None, "*") and isinstance(value, tuple):
        return int(str(reference.index)) < len(value)
    return reference.key is None or not isinstance(value, Mapping) or reference.key in value


def _passed(elapsed: float, limit: float | None) -> bool:
    return limit is not None and elapsed > limit


def allows(expressions: Iterable[When]) -> bool:
    """All `when` expressions hold: exact string `in` or `notin`."""
    return all((when.input in when.values) is (when.operator == "in") for when in expressions)
