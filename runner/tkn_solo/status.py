"""Completed TaskRun and PipelineRun objects with `status`, as a cluster would show them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tkn_solo.backend import Attempt, ContainerState
from tkn_solo.decode import encode
from tkn_solo.definition import RunDefinition
from tkn_solo.facts import SkipReason
from tkn_solo.invocation import TaskInvocation
from tkn_solo.model import TaskRun
from tkn_solo.record import RunRecord, TaskRecord
from tkn_solo.values import Value, format_duration, type_of, value_to_data

API_VERSION = "tekton.dev/v1"


def completed(record: RunRecord) -> dict[str, Any]:
    """A `v1 List`: the PipelineRun first, then its TaskRuns; for a TaskRun just that."""
    run = record.definition
    if run.pipeline is None:
        return _task_run(record, record.tasks[run.name])
    children = [_task_run(record, record.tasks[name]) for name in run.graph.everything() if name in record.tasks]
    return {"apiVersion": "v1", "kind": "List", "items": [_pipeline_run(record), *children]}


def stamp(seconds: float) -> str:
    """RFC 3339 in UTC, whole seconds, as metav1.Time."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _condition(succeeded: bool, reason: str, message: str, when: float) -> dict[str, Any]:
    return {
        "type": "Succeeded",
        "status": "True" if succeeded else "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": stamp(when),
    }


def _pipeline_run(record: RunRecord) -> dict[str, Any]:
    run = record.definition
    data: dict[str, Any] = encode(run.run)
    data["metadata"] = {
        **data.get("metadata", {}),
        "name": run.name,
        "namespace": run.namespace,
        "uid": run.uid,
        "creationTimestamp": stamp(record.started),
    }
    status: dict[str, Any] = {"startTime": stamp(record.started), "completionTime": stamp(record.finished)}
    if record.condition is not None:
        condition = record.condition
        entry = _condition(condition.succeeded, condition.reason, condition.message, record.finished)
        status["conditions"] = [entry]
    if record.finally_started is not None:
        status["finallyStartTime"] = stamp(record.finally_started)
    status["pipelineSpec"] = encode(run.pipeline)
    started = [name for name in run.graph.everything() if name in record.tasks]
    status["childReferences"] = [_child(record.tasks[name]) for name in started]
    if record.skipped:
        status["skippedTasks"] = [_skipped(run, name, reason) for name, reason in record.skipped.items()]
    if record.results:
        results = record.results.items()
        status["results"] = [{"name": name, "value": value_to_data(value)} for name, value in results]
    data["status"] = status
    return data


def _child(task: TaskRecord) -> dict[str, Any]:
    child: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "TaskRun",
        "name": task.task_run,
        "pipelineTaskName": task.name,
    }
    if task.resolved.display_name:
        child["displayName"] = task.resolved.display_name
    if task.resolved.when:
        child["whenExpressions"] = encode(task.resolved.when)
    return child


def _skipped(run: RunDefinition, name: str, reason: SkipReason) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "reason": str(reason)}
    task = run.graph.everything()[name]
    if task.when and (name in run.graph.tasks or reason is SkipReason.WHEN):
        entry["whenExpressions"] = encode(task.when)
    return entry


def _task_run(record: RunRecord, task: TaskRecord) -> dict[str, Any]:
    run = record.definition
    if isinstance(run.run, TaskRun):
        data: dict[str, Any] = encode(run.run)
        metadata = data.get("metadata", {})
    else:
        data = {"apiVersion": API_VERSION, "kind": "TaskRun", "spec": _task_run_spec(run, task)}
        metadata = {"labels": _labels(run, task)}
        owner = {"apiVersion": API_VERSION, "kind": "PipelineRun", "name": run.name, "uid": run.uid}
        metadata["ownerReferences"] = [{**owner, "controller": True, "blockOwnerDeletion": True}]
    data["metadata"] = {
        **metadata,
        "name": task.task_run,
        "namespace": run.namespace,
        "uid": task.uid,
        "creationTimestamp": stamp(task.started),
    }
    *earlier, (invocation, last) = task.attempts
    status = _attempt_status(invocation, last)
    if earlier:
        status["retriesStatus"] = [_attempt_status(*attempt) for attempt in earlier]
    data["status"] = status
    return data


def _labels(run: RunDefinition, task: TaskRecord) -> dict[str, str]:
    definition = run.tasks[task.name]
    labels = {
        **run.run.metadata.labels,
        **definition.labels,
        "tekton.dev/pipelineRun": run.name,
        "tekton.dev/pipeline": run.pipeline_name,
        "tekton.dev/pipelineTask": task.name,
        "tekton.dev/memberOf": "finally" if task.name in run.graph.finals else "tasks",
    }
    return labels | ({"tekton.dev/task": definition.task_name} if definition.task_name else {})


def _task_run_spec(run: RunDefinition, task: TaskRecord) -> dict[str, Any]:
    definition, resolved = run.tasks[task.name], task.resolved
    spec: dict[str, Any] = {}
    if resolved.params:
        spec["params"] = encode(resolved.params)
    if resolved.task_spec is None:
        spec["taskRef"] = {"kind": "Task", "name": definition.task_name}
    else:
        spec["taskSpec"] = encode(resolved.task_spec)
    bound = [item for item in resolved.workspaces if (item.workspace or item.name) in run.workspaces]
    if bound:
        spec["workspaces"] = [
            {**encode(run.workspaces[item.workspace or item.name]), "name": item.name} for item in bound
        ]
    spec["timeout"] = format_duration(definition.timeout or 0)
    if resolved.retries:
        spec["retries"] = resolved.retries
    return spec


def _attempt_status(invocation: TaskInvocation | None, attempt: Attempt) -> dict[str, Any]:
    end = attempt.end
    status: dict[str, Any] = {
        "conditions": [_condition(end.succeeded, end.reason, end.message, attempt.finished)],
        "startTime": stamp(attempt.started),
        "completionTime": stamp(attempt.finished),
    }
    if invocation is not None:
        status["podName"] = f"{invocation.task_run}-pod"
        status["taskSpec"] = encode(invocation.spec)
    if attempt.steps:
        status["steps"] = [_container(state) for state in attempt.steps]
    if attempt.sidecars:
        status["sidecars"] = [_container(state, sidecar=True) for state in attempt.sidecars]
    if end.results:
        status["results"] = _results(end.results)
    return status


def _results(results: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"name": name, "type": type_of(value), "value": value_to_data(value)} for name, value in results.items()]


def _container(state: ContainerState, *, sidecar: bool = False) -> dict[str, Any]:
    data: dict[str, Any] = {"name": state.name, "container": state.container}
    if state.image:
        data["imageID"] = state.image
    data["terminated"] = {
        "exitCode": state.exit_code,
        "reason": state.reason,
        "startedAt": stamp(state.started),
        "finishedAt": stamp(state.finished),
    }
    if not sidecar:
        data["terminationReason"] = state.termination_reason
    if state.results:
        data["results"] = _results(state.results)
    return data
