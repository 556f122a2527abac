"""Tekton's semantics in real runs: every `tekton-*` folder is run through the command line as a user would.

`pipeline.yaml` is what runs. `expect.yaml` holds what has to come out:

- `args`: more arguments; `{here}` is the scenario's folder
- `exit`: the exit code
- `reason`, `message`: the run's condition
- `tasks`: pipeline task to its TaskRun's reason, or to a map with `reason`, `message`, `retries`, `steps`
- `skipped`: skipped task to reason
- `results`: the run's results, all of them
- `logs`: `task/step` to lines that the log must hold
- `errors`: texts that standard error must hold
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
SCENARIOS = sorted(path.name for path in HERE.glob("tekton-*") if path.is_dir())
SECONDS = 60


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_ends_as_on_a_cluster(scenario: str, tmp_path: Path) -> None:
    folder = HERE / scenario
    expect = yaml.safe_load((folder / "expect.yaml").read_text())
    extra = [argument.replace("{here}", str(folder)) for argument in expect.get("args", [])]
    run_dir = tmp_path / "run"
    command = ["run", "-f", str(folder / "pipeline.yaml"), "--run-dir", str(run_dir), "-o", "yaml", *extra]
    # Something in the environment that no step may see.
    environment = {**os.environ, "LEAKED": "from-the-outside"}
    done = subprocess.run(
        [sys.executable, "-m", "tkn_solo.cli", *command],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == expect["exit"], done.stderr
    for text in expect.get("errors", []):
        assert text in done.stderr
    if "reason" in expect:
        assert observed(yaml.safe_load(done.stdout), expect) == wanted(expect)
    for place, lines in expect.get("logs", {}).items():
        log = (run_dir / "logs" / f"{place}.log").read_text().splitlines()
        assert [line for line in lines if line not in log] == [], f"{place}: {log}"


def observed(document: dict[str, Any], expect: dict[str, Any]) -> dict[str, Any]:
    """What expect.yaml speaks of, from the completed objects."""
    items = document["items"] if document["kind"] == "List" else [document]
    run, children = items[0], items[1:]
    status = run["status"]
    names = {child["name"]: child["pipelineTaskName"] for child in status.get("childReferences", [])}
    tasks = {}
    for child in children:
        name = names[child["metadata"]["name"]]
        tasks[name] = task_of(child["status"], expect.get("tasks", {}).get(name))
    found: dict[str, Any] = {
        "reason": status["conditions"][0]["reason"],
        "tasks": tasks,
        "skipped": {item["name"]: item["reason"] for item in status.get("skippedTasks", [])},
        "results": {item["name"]: item["value"] for item in status.get("results", [])},
    }
    if "message" in expect:
        found["message"] = status["conditions"][0]["message"]
    return found


def task_of(status: dict[str, Any], wanted_task: Any) -> Any:
    """The TaskRun's reason, or as much as a map in expect.yaml asks for."""
    condition = status["conditions"][0]
    if not isinstance(wanted_task, dict):
        return condition["reason"]
    full = {
        "reason": condition["reason"],
        "message": condition["message"],
        "retries": [earlier["conditions"][0]["reason"] for earlier in status.get("retriesStatus", [])],
        "steps": {
            step["name"]: f"{step['terminationReason']} {step['terminated']['exitCode']}"
            for step in status.get("steps", [])
        },
    }
    return {key: full[key] for key in wanted_task}


def wanted(expect: dict[str, Any]) -> dict[str, Any]:
    keys = ("reason", "message", "tasks", "skipped", "results")
    empty: dict[str, Any] = {"tasks": {}, "skipped": {}, "results": {}}
    return {key: expect.get(key, empty.get(key)) for key in keys if key in expect or key in empty}


def test_every_scenario_has_a_pipeline_and_an_expectation() -> None:
    assert len(SCENARIOS) >= 12
    for scenario in SCENARIOS:
        assert {"pipeline.yaml", "expect.yaml"} <= {path.name for path in (HERE / scenario).iterdir()}
