"""The engine: feeds the scheduler with what happens, and does what it asks for.

The scheduler, the sinks and the record live in the main thread; each attempt runs in a thread of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import signal
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

from tkn_solo import schedule
from tkn_solo.backend import Attempt, Backend, StepEvent
from tkn_solo.build import Place, build
from tkn_solo.conditions import Condition
from tkn_solo.definition import RunDefinition
from tkn_solo.errors import InfrastructureError, InputError
from tkn_solo.events import Event, RunEnded, RunStarted, Sink, StopNoticed, TaskAttemptEnded, TaskSkipped, TaskStarted
from tkn_solo.facts import Phase, SkipReason, Stop, TaskEnd
from tkn_solo.invocation import TaskInvocation
from tkn_solo.pipeline_results import pipeline_results, with_results
from tkn_solo.plan import Plan
from tkn_solo.process import StopSignal
from tkn_solo.record import RunRecord, TaskRecord


@dataclass(frozen=True)
class _Done:
    """An attempt's thread is at its end; `crash` is a bug in tkn-solo."""

    task: str
    invocation: TaskInvocation | None
    attempt: Attempt | None
    crash: BaseException | None = None


@dataclass(frozen=True)
class _Signal:
    pass


class Engine:
    """One run. `jobs` limits how many tasks run at once; None: as many as are ready, as on a cluster."""

    def __init__(
        self, run: RunDefinition, plan: Plan, place: Place, backend: Backend, sinks: list[Sink], jobs: int | None
    ) -> None:
        self._run = run
        self._plan = plan
        self._place = place
        self._backend = backend
        self._sinks = sinks
        self._jobs = jobs
        self._lock = threading.Lock()
        self._inbox: queue.SimpleQueue[_Done | _Signal] = queue.SimpleQueue()
        self._stops: dict[str, StopSignal] = {}
        self._threads: list[threading.Thread] = []
        self._waiting: deque[schedule.StartTask] = deque()
        self._crash: BaseException | None = None
        self._clock = time.monotonic()
        self._state = schedule.begin(run.name, run.graph, run.timeouts)
        self._record = RunRecord(run, time.time())
        self._signals = 0

    def run(self) -> RunRecord:
        """Run it to its end. SIGINT and SIGTERM end it early; nothing is left running in any case."""
        with _signals(lambda: self._inbox.put(_Signal())):
            self._tell(RunStarted(plan=self._plan, run_dir=str(self._place.run_dir)))
            try:
                self._advance(schedule.Tick())
                while not self._state.finished:
                    self._next()
                for thread in self._threads:
                    thread.join()
            finally:
                self._end_all()
                self._backend.close()
        if self._crash is not None:
            raise self._crash
        self._conclude()
        self._tell(RunEnded(record=self._record, run_dir=str(self._place.run_dir)))
        return self._record

    def _now(self) -> float:
        return time.monotonic() - self._clock

    def _next(self) -> None:
        deadline = self._state.deadline()
        try:
            # A moment after the deadline: the limit must have passed when the scheduler looks.
            seconds = None if deadline is None else max(0.0, deadline - self._now()) + 0.001
            item = self._inbox.get(timeout=seconds)
        except queue.Empty:
            self._advance(schedule.Tick())
            return
        if isinstance(item, _Signal):
            self._interrupted()
        elif item.crash is not None:
            self._crash = item.crash
            raise item.crash
        elif item.attempt is not None:
            self._attempt_ended(item.task, item.invocation, item.attempt)

    def _interrupted(self) -> None:
        self._signals += 1
        self._record.interrupted = True
        hard = self._signals > 1
        if self._signals <= 2:
            self._tell(StopNoticed(hard=hard))
            self._advance(schedule.StopRequested(Stop.CANCELLED if hard else Stop.CANCELLED_RUN_FINALLY))

    def _attempt_ended(self, task: str, invocation: TaskInvocation | None, attempt: Attempt) -> None:
        end = attempt.end
        if end.reason == "Failed" and self._state.graph.everything()[task].on_error == "continue":
            end = dataclasses.replace(end, reason="FailureIgnored")
            attempt = dataclasses.replace(attempt, end=end)
        record = self._record.tasks[task]
        record.attempts.append((invocation, attempt))
        number = self._state.progress[task].attempt
        if stop := self._stops.pop(task, None):
            stop.close()
        self._advance(schedule.TaskEnded(task, end), ended=(task, number, attempt))

    def _advance(self, event: schedule.Event, ended: tuple[str, int, Attempt] | None = None) -> None:
        skipped_before = self._skipped()
        self._state, actions = schedule.advance(self._state, event, self._now())
        if ended is not None:
            task, number, attempt = ended
            retried = self._state.progress[task].phase is Phase.RUNNING
            name = self._record.tasks[task].task_run
            self._tell(TaskAttemptEnded(task=task, task_run=name, number=number, attempt=attempt, retried=retried))
        for action in actions:
            if isinstance(action, schedule.StartTask):
                self._waiting.append(action)
            else:
                self._cancel(action)
        if self._state.finally_started is not None and self._record.finally_started is None:
            self._record.finally_started = time.time()
        for task, reason in self._skipped().items():
            if task not in skipped_before:
                self._tell(TaskSkipped(task=task, reason=reason))
        self._start_waiting()

    def _skipped(self) -> dict[str, SkipReason]:
        if self._state.condition is not None:
            return dict(self._state.skipped)
        facts = self._state.facts(self._now())
        return {name: reason for name in self._state.progress if (reason := facts.skip(name)) is not None}

    def _start_waiting(self) -> None:
        while self._waiting and (self._jobs is None or len(self._stops) < self._jobs):
            self._start(self._waiting.popleft())

    def _start(self, action: schedule.StartTask) -> None:
        name = action.task
        if name not in self._record.tasks:
            self._record.tasks[name] = TaskRecord(
                name, self._run.child_of(name), str(uuid.uuid4()), action.resolved, time.time()
            )
        record = self._record.tasks[name]
        stop = self._stops[name] = StopSignal()
        self._tell(TaskStarted(task=name, task_run=record.task_run, attempt=action.attempt))
        thread = threading.Thread(target=self._attempt, args=(action, record.uid, stop), name=name)
        self._threads.append(thread)
        thread.start()

    def _attempt(self, action: schedule.StartTask, uid: str, stop: StopSignal) -> None:
        """In the attempt's own thread."""
        invocation = None
        started = time.time()
        try:
            try:
                invocation = build(self._run, action.resolved, action.attempt, uid, self._place)
                attempt = self._backend.run(invocation, stop, self._tell)
            except (InputError, InfrastructureError) as error:
                infrastructure = isinstance(error, InfrastructureError)
                reason = error.condition or ("Failed" if infrastructure else "TaskRunValidationFailed")
                end = TaskEnd(succeeded=False, reason=reason, message=error.told, infrastructure=infrastructure)
                attempt = Attempt(end=end, started=started, finished=time.time())
            self._inbox.put(_Done(action.task, invocation, attempt))
        except BaseException as error:
            self._inbox.put(_Done(action.task, invocation, None, error))

    def _cancel(self, action: schedule.CancelTask) -> None:
        message = action.message if self._run.pipeline is not None else ""
        if action.task in self._stops:
            self._stops[action.task].stop(message)
            return
        # It still waits for its turn (--jobs): it ends without having begun.
        queued = next((start for start in self._waiting if start.task == action.task), None)
        if queued is None:
            return
        self._waiting.remove(queued)
        name, now = self._run.child_of(action.task), time.time()
        self._record.tasks.setdefault(
            action.task, TaskRecord(action.task, name, str(uuid.uuid4()), queued.resolved, now)
        )
        text = f'TaskRun "{name}" was cancelled. {message}'
        end = TaskEnd(succeeded=False, reason="TaskRunCancelled", message=text)
        self._inbox.put(_Done(action.task, None, Attempt(end=end, started=now, finished=now)))

    def _end_all(self) -> None:
        """After a failure of the engine itself: stop and wait for every attempt."""
        for stop in self._stops.values():
            stop.stop("tkn-solo failed.")
        for thread in self._threads:
            thread.join()
        for stop in self._stops.values():
            stop.close()

    def _conclude(self) -> None:
        record, state = self._record, self._state
        record.finished = time.time()
        record.skipped = state.skipped
        condition = state.condition
        if self._run.pipeline is None:
            last = record.tasks[self._run.name].last
            if last is not None:
                condition = Condition(last.end.succeeded, last.end.reason, last.end.message)
                record.results = last.end.results
        elif condition is not None:
            facts = state.facts(self._now())
            record.results, broken = pipeline_results(self._run.pipeline.results, facts)
            condition = with_results(condition, broken, self._run.name)
        record.condition = condition

    def _tell(self, event: Event | StepEvent) -> None:
        with self._lock:
            for sink in self._sinks:
                sink.tell(event)


@contextlib.contextmanager
def _signals(notice: Callable[[], None]) -> Iterator[None]:
    def handle(_number: int, _frame: FrameType | None) -> None:
        notice()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
