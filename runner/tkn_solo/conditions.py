"""The condition of a finished PipelineRun, with upstream's reasons and messages."""

from __future__ import annotations

from dataclasses import dataclass

from tkn_solo.facts import Facts, Phase, SkipReason, Stop
from tkn_solo.values import format_duration

CANCELLED_BY_PIPELINE = "TaskRun cancelled as the PipelineRun it belongs to has been cancelled."
CANCELLED_BY_TIMEOUT = "TaskRun cancelled as the PipelineRun it belongs to has timed out."
_TIMEOUT_SKIPS = (SkipReason.PIPELINE_TIMEOUT, SkipReason.TASKS_TIMEOUT, SkipReason.FINALLY_TIMEOUT)


@dataclass(frozen=True)
class Condition:
    """The `Succeeded` condition of a run."""

    succeeded: bool
    reason: str
    message: str


@dataclass
class _Counts:
    succeeded: int = 0
    failed: int = 0
    ignored: int = 0
    cancelled: int = 0
    invalid: int = 0
    skipped: int = 0
    skipped_by_timeout: int = 0
    incomplete: int = 0


def _count(facts: Facts) -> _Counts:
    counts = _Counts()
    for name, task in facts.graph.everything().items():
        progress = facts.progress[name]
        cancelled = progress.end is not None and progress.end.reason == "TaskRunCancelled"
        if facts.succeeded(name):
            counts.succeeded += 1
        elif facts.failed(name) and cancelled and not progress.cancelled_by_timeout:
            counts.cancelled += 1
        elif facts.failed(name) and not cancelled and task.on_error == "continue":
            counts.ignored += 1
        elif facts.failed(name):
            counts.failed += 1
        elif progress.phase is Phase.INVALID:
            counts.invalid += 1
        elif (reason := facts.skip(name)) is not None:
            counts.skipped += 1
            counts.skipped_by_timeout += reason in _TIMEOUT_SKIPS
        else:
            counts.incomplete += 1
    return counts


def finished(facts: Facts, run: str) -> Condition | None:
    """The run's condition, or None while a task is incomplete."""
    counts = _count(facts)
    if counts.incomplete:
        return None
    failed = counts.failed + counts.ignored
    completed = counts.succeeded + failed + counts.cancelled
    ignored = f" (Ignored: {counts.ignored})" if counts.ignored else ""
    message = (
        f"Tasks Completed: {completed} (Failed: {failed}{ignored}, Cancelled {counts.cancelled}), "
        f"Skipped: {counts.skipped}"
    )
    if counts.invalid:
        message += f", Failed Validation: {counts.invalid}"
        return Condition(succeeded=False, reason="PipelineValidationFailed", message=message)
    if counts.failed or counts.skipped_by_timeout:
        return Condition(succeeded=False, reason="Failed", message=message)
    if facts.stop in (Stop.CANCELLED_RUN_FINALLY, Stop.STOPPED_RUN_FINALLY):
        return cancelled(run)
    if counts.cancelled:
        return Condition(succeeded=False, reason="Cancelled", message=message)
    return Condition(succeeded=True, reason="Completed" if counts.skipped else "Succeeded", message=message)


def cancelled(run: str) -> Condition:
    """The run was cancelled as a whole."""
    return Condition(succeeded=False, reason="Cancelled", message=f'PipelineRun "{run}" was cancelled')


def timed_out(run: str, seconds: float, *, tasks_only: bool) -> Condition:
    """The pipeline's timeout, or the one for its tasks, has passed."""
    within = format_duration(seconds)
    detail = "failed due to tasks failed to finish" if tasks_only else "failed to finish"
    message = f'PipelineRun "{run}" {detail} within "{within}"'
    return Condition(succeeded=False, reason="PipelineRunTimeout", message=message)
