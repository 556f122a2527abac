"""What can be told of a finished run, whichever engine ran it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines.scenario import Finished

NOT_RUN = "not run"
CUT_SHORT = ("TaskRunCancelled", "TaskRunTimeout", "TaskRunImagePullFailed", "CreateContainerConfigError")


def observed(finished: Finished, logs: Mapping[str, list[str]]) -> dict[str, Any]:
    """Everything that two engines have to agree on.

    Args:
        logs: `task/step` to the lines that are looked for; those that are missing are told.
    """
    if not finished.objects:
        return {"reason": NOT_RUN}
    run, children = finished.objects[0], finished.objects[1:]
    status = run["status"]
    names = {child["name"]: child["pipelineTaskName"] for child in status.get("childReferences", [])}
    found = {
        "reason": status["conditions"][0]["reason"],
        "message": status["conditions"][0]["message"],
        "results": _results(status),
        "skipped": {item["name"]: item["reason"] for item in status.get("skippedTasks", [])},
        "tasks": {names[child["metadata"]["name"]]: _task(child["status"]) for child in children},
        "missing": {
            place: [line for line in lines if line not in finished.logs[place]] for place, lines in logs.items()
        },
    }
    if run["kind"] == "TaskRun":
        found["tasks"] = {run["metadata"]["name"]: _task(status)}
    return found


def _task(status: Mapping[str, Any]) -> dict[str, Any]:
    condition = status["conditions"][0]
    return {
        "reason": condition["reason"],
        "message": condition["message"],
        "retries": [earlier["conditions"][0]["reason"] for earlier in status.get("retriesStatus", [])],
        "steps": {step["name"]: told for step in status.get("steps", []) if (told := _step(step))},
        "sidecars": [sidecar["name"] for sidecar in status.get("sidecars", [])],
        "results": _results(status),
    }


def _step(step: Mapping[str, Any]) -> str | None:
    """How a step ended. Nothing of one that was cut short: whether it had begun depends on how quickly pods start."""
    ended, reason = step.get("terminated"), step.get("terminationReason")
    return f"{reason} {ended['exitCode']}" if ended and reason not in CUT_SHORT else None


def _results(status: Mapping[str, Any]) -> dict[str, Any]:
    return {item["name"]: item["value"] for item in status.get("results", [])}


def asked(observation: Mapping[str, Any], expect: Mapping[str, Any]) -> dict[str, Any]:
    """As much of an observation as expect.yaml speaks of; tasks, skips and results always, and all of them."""
    found = {
        "reason": observation["reason"],
        "skipped": observation["skipped"],
        "results": observation["results"],
        "missing": {place: lines for place, lines in observation["missing"].items() if lines},
        "tasks": {},
    }
    if "message" in expect:
        found["message"] = observation["message"]
    for name, task in observation["tasks"].items():
        wanted = expect.get("tasks", {}).get(name)
        found["tasks"][name] = {key: task[key] for key in wanted} if isinstance(wanted, dict) else task["reason"]
    return found


def wanted(expect: Mapping[str, Any]) -> dict[str, Any]:
    """The part of expect.yaml that `asked` is compared with."""
    nothing: dict[str, Any] = {"skipped": {}, "results": {}, "missing": {}, "tasks": {}}
    return {**nothing, **{key: value for key, value in expect.items() if key in (*nothing, "reason", "message")}}


def fields(observation: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """An observation as dotted names to values: `tasks.build.steps.push` to `Completed 0`."""
    found: dict[str, Any] = {}
    for name, value in observation.items():
        if isinstance(value, Mapping) and value:
            found.update(fields(value, f"{prefix}{name}."))
        elif not isinstance(value, Mapping):
            found[f"{prefix}{name}"] = value
    return found
