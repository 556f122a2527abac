"""The scheduler without any process: events in, actions out. Reasons and messages are upstream's."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tkn_solo.conditions import Condition
from tkn_solo.facts import Graph, Phase, RunTimeouts, SkipReason, Stop, TaskEnd
from tkn_solo.graph import parents
from tkn_solo.model import Param, PipelineTask, Reference, When
from tkn_solo.schedule import (
    CancelTask,
    RunState,
    StartTask,
    StopRequested,
    TaskEnded,
    Tick,
    advance,
    begin,
)
from tkn_solo.values import Value

OK = TaskEnd(succeeded=True, reason="Succeeded", message="")
BAD = TaskEnd(succeeded=False, reason="Failed", message="")
TIMED_OUT = TaskEnd(succeeded=False, reason="TaskRunTimeout", message="")
CANCELLED = TaskEnd(succeeded=False, reason="TaskRunCancelled", message="")
NEVER = (When(input="a", operator="in", values=("b",)),)


def task(name: str, *after: str, **fields: object) -> PipelineTask:
    return PipelineTask(name=name, task_ref=Reference(name="t"), run_after=after, **fields)  # type: ignore[arg-type]


def needs(name: str, *producers: str, **fields: object) -> PipelineTask:
    given = tuple(Param(name=producer, value=f"$(tasks.{producer}.results.r)") for producer in producers)
    return task(name, params=given, **fields)


def wrote(**results: Value) -> TaskEnd:
    return TaskEnd(succeeded=True, reason="Succeeded", message="", results=results)


class Player:
    """Plays a run: `end` answers a started task, `started` and `cancelled` are what was asked for since."""

    def __init__(
        self, *tasks: PipelineTask, finals: tuple[PipelineTask, ...] = (), timeouts: RunTimeouts | None = None
    ) -> None:
        graph = Graph({item.name: item for item in tasks}, {item.name: item for item in finals}, parents(tasks))
        self.state: RunState = begin("run", graph, timeouts or RunTimeouts())
        self.attempts: dict[str, int] = {}
        self.resolved: dict[str, PipelineTask] = {}
        self.started: list[str] = []
        self.cancelled: dict[str, str] = {}
        self.now = 0.0
        self.feed(Tick())

    def feed(self, event: Tick | TaskEnded | StopRequested) -> Player:
        self.started = []
        self.state, actions = advance(self.state, event, self.now)
        for action in actions:
            if isinstance(action, StartTask):
                self.started.append(action.task)
                self.attempts[action.task] = action.attempt
                self.resolved[action.task] = action.resolved
            elif isinstance(action, CancelTask):
                self.cancelled[action.task] = action.message
        return self

    def end(self, name: str, end: TaskEnd = OK) -> Player:
        assert self.state.progress[name].phase is Phase.RUNNING
        return self.feed(TaskEnded(name, end))

    def skipped(self) -> dict[str, str]:
        return {name: str(reason) for name, reason in self.state.skipped.items()}

    def over(self) -> Condition:
        assert self.state.finished
        assert self.state.condition is not None
        return self.state.condition


def test_a_task_starts_as_soon_as_its_own_parents_are_done() -> None:
    run = Player(task("a"), task("b"), task("c", "a"))
    assert run.started == ["a", "b"]
    assert run.end("a").started == ["c"]
    run.end("c").end("b")
    assert run.over() == Condition(
        succeeded=True, reason="Succeeded", message="Tasks Completed: 3 (Failed: 0, Cancelled 0), Skipped: 0"
    )


def test_results_are_put_into_params_of_any_type() -> None:
    run = Player(
        task("a"),
        task(
            "b",
            params=(
                Param(name="p", value=("x", "$(tasks.a.results.list[*])")),
                Param(name="q", value="$(tasks.a.results.o.k)"),
            ),
        ),
    )
    run.end("a", wrote(list=("1", "2"), o={"k": "v"}))
    assert [param.value for param in run.resolved["b"].params] == [("x", "1", "2"), "v"]


def test_the_first_failure_stops_new_tasks_but_not_running_ones_and_finally_runs() -> None:
    run = Player(task("a"), task("b", retries=1), task("c", "b"), finals=(task("f"),))
    assert run.end("a", BAD).started == []
    assert run.end("b", BAD).started == ["b"], "the retries of running tasks finish"
    assert run.end("b").started == ["f"]
    run.end("f")
    assert run.over() == Condition(
        succeeded=False, reason="Failed", message="Tasks Completed: 3 (Failed: 1, Cancelled 0), Skipped: 1"
    )
    assert run.skipped() == {"c": "PipelineRun was stopping"}


def test_an_ignored_failure_does_not_stop_the_run() -> None:
    run = Player(task("a", on_error="continue"), task("b", "a"))
    assert run.end("a", BAD).started == ["b"]
    run.end("b")
    assert run.over().succeeded
    assert run.over().message == "Tasks Completed: 2 (Failed: 1 (Ignored: 1), Cancelled 0), Skipped: 0"


@pytest.mark.parametrize("end", [BAD, TIMED_OUT])
def test_failures_and_timeouts_are_retried(end: TaskEnd) -> None:
    run = Player(task("a", retries=2))
    run.end("a", end).end("a", end)
    assert run.attempts["a"] == 2
    assert run.end("a", end).started == []
    assert run.over().reason == "Failed"


def test_ordering_children_of_a_task_skipped_by_when_run_and_result_children_do_not() -> None:
    run = Player(task("off", when=NEVER), task("after", "off"), needs("child", "off"), task("below", "child"))
    assert run.started == ["after"]
    run.end("after")
    assert run.skipped() == {
        "off": "When Expressions evaluated to false",
        "child": "Results were missing",
        "below": "Parent Tasks were skipped",
    }
    assert run.over().reason == "Completed"


def test_when_is_tested_with_the_results() -> None:
    when = (When(input="$(tasks.a.results.r)", operator="in", values=("go",)),)
    run = Player(task("a"), task("b", when=when), task("c", when=when))
    assert run.end("a", wrote(r="go")).started == ["b", "c"]


def test_a_declared_result_that_was_not_written_fails_the_run_and_finally_runs() -> None:
    run = Player(task("a"), needs("b", "a"), task("c", "a"), finals=(task("f"),))
    assert run.end("a").started == ["f"], "nothing new starts, not even the task that could"
    run.end("f")
    assert run.over().reason == "PipelineValidationFailed"
    assert run.over().message == ("Tasks Completed: 2 (Failed: 0, Cancelled 0), Skipped: 1, Failed Validation: 1")


def test_a_missing_result_skips_a_consumer_whose_failure_is_ignored() -> None:
    run = Player(task("a"), needs("b", "a", on_error="continue"))
    run.end("a")
    assert run.skipped() == {"b": "Results were missing"}
    assert run.over().reason == "Completed"


@pytest.mark.parametrize(("index", "reason"), [("1", "Succeeded"), ("2", "PipelineValidationFailed")])
def test_an_index_outside_of_an_array_result_is_missing(index: str, reason: str) -> None:
    run = Player(task("a"), task("b", params=(Param(name="p", value=f"$(tasks.a.results.r[{index}])"),)))
    run.end("a", wrote(r=("x", "y")))
    if run.started:
        run.end("b")
    assert run.over().reason == reason


def test_a_failed_tasks_results_feed_finally() -> None:
    run = Player(task("a"), task("b", "a"), finals=(needs("f", "a"), needs("g", "b")))
    run.end("a", TaskEnd(succeeded=False, reason="Failed", message="", results={"r": "kept"}))
    assert run.started == ["f"]
    assert run.resolved["f"].params[0].value == "kept"
    run.end("f")
    assert run.skipped() == {"b": "PipelineRun was stopping", "g": "Results were missing"}


def test_finally_sees_statuses() -> None:
    text = "$(tasks.a.status) $(tasks.b.status) $(tasks.c.status) $(tasks.status) $(tasks.b.reason)"
    final = task("f", params=(Param(name="p", value=text),))
    run = Player(task("a"), task("b", "a", on_error="continue"), task("c", when=NEVER), finals=(final,))
    run.end("a").end("b", TaskEnd(succeeded=False, reason="FailureIgnored", message=""))
    assert run.resolved["f"].params[0].value == "Succeeded Failed None Failed FailureIgnored"


@pytest.mark.parametrize(
    ("tasks", "status"),
    [((task("a"),), "Succeeded"), ((task("a"), task("b", when=NEVER)), "Completed")],
)
def test_the_aggregate_status(tasks: tuple[PipelineTask, ...], status: str) -> None:
    run = Player(*tasks, finals=(task("f", params=(Param(name="p", value="$(tasks.status)"),)),))
    run.end("a")
    assert run.resolved["f"].params[0].value == status


def test_finally_tasks_run_together_and_their_failure_fails_the_run() -> None:
    run = Player(task("a"), finals=(task("f"), task("g"), task("h", when=NEVER)))
    assert run.end("a").started == ["f", "g"]
    run.end("f", BAD).end("g")
    assert run.over().reason == "Failed"
    assert run.skipped() == {"h": "When Expressions evaluated to false"}


def test_the_number_of_retries_is_known_to_params() -> None:
    run = Player(task("a", retries=3, params=(Param(name="p", value="$(context.pipelineTask.retries)"),)))
    assert run.resolved["a"].params[0].value == "3"


def test_the_pipeline_timeout_cancels_everything_and_finally_does_not_run() -> None:
    run = Player(task("a"), task("b", "a"), finals=(task("f"),), timeouts=RunTimeouts(pipeline=10))
    assert run.state.deadline() == 10
    run.now = 10.001
    run.feed(Tick())
    assert run.cancelled == {"a": "TaskRun cancelled as the PipelineRun it belongs to has timed out."}
    assert not run.state.finished, "it ends when its tasks have ended"
    run.end("a", CANCELLED)
    assert run.over() == Condition(
        succeeded=False, reason="PipelineRunTimeout", message='PipelineRun "run" failed to finish within "10s"'
    )


def test_the_tasks_timeout_ends_the_run_too_as_upstreams_code_does() -> None:
    run = Player(task("a"), finals=(task("f"),), timeouts=RunTimeouts(pipeline=60, tasks=10))
    run.now = 10.001
    run.feed(Tick()).end("a", CANCELLED)
    assert run.over().message == 'PipelineRun "run" failed due to tasks failed to finish within "10s"'
    assert "f" not in run.attempts


def test_the_finally_timeout_counts_from_the_start_of_finally() -> None:
    run = Player(task("a"), finals=(task("f"),), timeouts=RunTimeouts(pipeline=60, finally_=10))
    run.now = 20
    run.end("a")
    assert run.state.deadline() == 30
    run.now = 30.001
    run.feed(Tick())
    assert list(run.cancelled) == ["f"]
    run.end("f", CANCELLED)
    assert run.over() == Condition(
        succeeded=False, reason="Failed", message="Tasks Completed: 2 (Failed: 1, Cancelled 0), Skipped: 0"
    )


def test_a_graceful_cancel_ends_tasks_and_runs_finally() -> None:
    run = Player(task("a", retries=5), task("b", "a"), finals=(task("f"),))
    run.feed(StopRequested(Stop.CANCELLED_RUN_FINALLY))
    assert run.cancelled == {"a": "TaskRun cancelled as the PipelineRun it belongs to has been cancelled."}
    assert run.end("a", CANCELLED).started == ["f"]
    run.end("f")
    assert run.over() == Condition(succeeded=False, reason="Cancelled", message='PipelineRun "run" was cancelled')


def test_a_graceful_stop_lets_running_tasks_finish() -> None:
    run = Player(task("a"), task("b", "a"), finals=(task("f"),))
    run.feed(StopRequested(Stop.STOPPED_RUN_FINALLY))
    assert run.cancelled == {}
    assert run.end("a").started == ["f"]
    run.end("f")
    assert run.skipped() == {"b": "PipelineRun was gracefully stopped"}
    assert run.over().reason == "Cancelled"


def test_a_hard_cancel_ends_finally_too_and_nothing_is_retried() -> None:
    run = Player(task("a", retries=3), finals=(task("f"),))
    run.feed(StopRequested(Stop.CANCELLED_RUN_FINALLY)).end("a", CANCELLED)
    run.feed(StopRequested(Stop.CANCELLED))
    assert set(run.cancelled) == {"a", "f"}
    assert run.end("f", BAD).started == []
    assert run.over().reason == "Cancelled"


def test_a_hard_cancel_starts_nothing_more() -> None:
    run = Player(task("a"), task("b", "a"), finals=(task("f"),))
    run.feed(StopRequested(Stop.CANCELLED))
    assert run.end("a", CANCELLED).started == []
    assert run.over().reason == "Cancelled"


def test_every_skip_reason_has_upstreams_text() -> None:
    assert [str(reason) for reason in SkipReason] == [
        "PipelineRun was stopping",
        "PipelineRun was gracefully cancelled",
        "PipelineRun was gracefully stopped",
        "When Expressions evaluated to false",
        "Parent Tasks were skipped",
        "Results were missing",
        "PipelineRun timeout has been reached",
        "PipelineRun Tasks timeout has been reached",
        "PipelineRun Finally timeout has been reached",
    ]


@st.composite
def pipelines(draw: st.DrawFn) -> list[PipelineTask]:
    tasks = []
    for number in range(draw(st.integers(min_value=1, max_value=7))):
        above = draw(st.sets(st.sampled_from(range(number)))) if number else set()
        when = NEVER if draw(st.integers(0, 4)) == 0 else ()
        maker: Callable[..., PipelineTask] = draw(st.sampled_from([task, needs]))
        tasks.append(maker(f"t{number}", *(f"t{item}" for item in sorted(above)), when=when))
    return tasks


def play(tasks: list[PipelineTask], ends: dict[str, TaskEnd], order: random.Random) -> Player:
    """The run to its end; running tasks end in a random order."""
    run = Player(*tasks, finals=(task("f"),))
    while not run.state.finished:
        running = run.state.running()
        assert running, "a run that has not ended has something running"
        name = order.choice(running)
        run.end(name, ends.get(name, wrote(r="x")))
    return run


@given(pipelines(), st.randoms(), st.randoms())
def test_without_failures_the_end_does_not_depend_on_the_order(
    tasks: list[PipelineTask], one: random.Random, two: random.Random
) -> None:
    first = play(tasks, {}, one)
    second = play(list(reversed(tasks)), {}, two)
    assert first.over() == second.over()
    assert first.skipped() == second.skipped()
    assert set(first.attempts) == set(second.attempts)
    assert set(first.attempts) | set(first.skipped()) == {*(item.name for item in tasks), "f"}


@given(pipelines(), st.sampled_from(range(7)), st.randoms())
def test_a_run_with_a_failure_always_ends_and_runs_finally(
    tasks: list[PipelineTask], bad: int, order: random.Random
) -> None:
    run = play(tasks, {f"t{bad}": BAD}, order)
    assert "f" in run.attempts
