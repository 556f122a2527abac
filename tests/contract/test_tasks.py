"""The catalog against what it says of itself: generated parts, wiring, and the trust table."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hallmark.command import COMMANDS, load
from hallmark.contract import flags_of

ROOT = Path(__file__).parents[2]
TASKS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "tasks").glob("*/*.yaml"))}
PIPELINES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "pipelines").glob("*.yaml"))}
DELIVERY = PIPELINES["model-delivery"]["spec"]


@dataclass(frozen=True)
class Trust:
    """What one pod of model-delivery holds: folders of the run, and what comes from outside the run."""

    writes: frozenset[str]
    reads: frozenset[str]
    outside: frozenset[str] = frozenset()
    network: str = "none"
    root: bool = False


def trust(writes: str, reads: str = "", outside: str = "", network: str = "none", root: bool = False) -> Trust:
    return Trust(frozenset(writes.split()), frozenset(reads.split()), frozenset(outside.split()), network, root)


# The trust table of docs/trust.md. A task that runs code of the model's repository (test-code, train, predict-model,
# build-image) has no key, no labels, and no credential but the build's, which is good for the candidates only.
TRUST = {
    "fetch-source": trust(
        "source history champion",
        "",
        "policy source-credential config-credential release-credential",
        network="host",
    ),
    "check-code": trust("", "source history", "policy advisories"),
    "test-code": trust("", "source", "policy"),
    "fetch-data": trust("fetched", "", "policy data-credential", network="host"),
    "validate-data": trust("features labels", "source fetched", "policy validation-data"),
    "train": trust("model", "source"),
    "sign-model": trust("signature", "model", "model-key"),
    "predict-model": trust("predictions", "source features model champion", "policy"),
    "build-image": trust(
        "", "source model signature", "policy candidate-credential base-store", network="host", root=True
    ),
    "test-image": trust("responses", "source features predictions model", "policy"),
    "scan-image": trust("sbom", "source", "policy advisories candidate-credential", network="host"),
    "verify-model": trust("verdict", "features labels predictions responses reports", "policy"),
    "sign-image": trust(
        "", "verdict sbom", "policy signing-key candidate-credential release-credential", network="host"
    ),
    "update-manifest": trust("", "history", "policy release-credential config-credential", network="host"),
    "report": trust("report", "reports"),
}


def pipeline_tasks() -> dict[str, dict[str, Any]]:
    return {task["name"]: task for task in [*DELIVERY["tasks"], *DELIVERY["finally"]]}


def held(name: str) -> Trust:
    """What the Pipeline and the Task really give to the pod of `name`; its own report folder left out."""
    task = TASKS[name]
    read_only = {workspace["name"]: bool(workspace.get("readOnly")) for workspace in task["spec"]["workspaces"]}
    writes, reads, outside = set(), set(), set()
    for binding in pipeline_tasks()[name]["workspaces"]:
        if binding["workspace"] != "run":
            assert read_only[binding["name"]], f"{name} could write to {binding['workspace']}"
            outside.add(binding["workspace"])
        elif binding["subPath"] != f"reports/{name}":
            (reads if read_only[binding["name"]] else writes).add(binding["subPath"])
    root = any(step["securityContext"].get("runAsUser") == 0 for step in task["spec"]["steps"])
    network = task["metadata"]["labels"]["hallmark.dev/network"]
    return Trust(frozenset(writes), frozenset(reads), frozenset(outside), network, root)


def test_generated_parts_are_what_the_commands_declare() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/sync.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_trust_table_names_every_task_of_the_pipeline() -> None:
    assert set(TRUST) == set(pipeline_tasks())


@pytest.mark.parametrize("name", TRUST)
def test_a_pod_holds_what_the_trust_table_says(name: str) -> None:
    assert held(name) == TRUST[name]


def test_each_folder_of_the_run_has_one_writer() -> None:
    writers: dict[str, list[str]] = {}
    for name in pipeline_tasks():
        for folder in held(name).writes:
            writers.setdefault(folder, []).append(name)
    assert {folder: names for folder, names in writers.items() if len(names) > 1} == {}


def test_a_report_folder_is_written_by_its_own_task_only() -> None:
    for name, task in pipeline_tasks().items():
        read_only = {workspace["name"]: workspace.get("readOnly") for workspace in TASKS[name]["spec"]["workspaces"]}
        for binding in task["workspaces"]:
            if str(binding.get("subPath", "")).startswith("reports/"):
                assert binding["subPath"] == f"reports/{name}"
            if binding.get("subPath") == "reports":
                assert read_only[binding["name"]]


def test_a_run_that_needs_nothing_more_has_at_most_thirteen_pods() -> None:
    assert len([task for task in pipeline_tasks().values() if "when" not in task]) <= 13


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_named_like_its_folder_and_described(name: str) -> None:
    task = TASKS[name]
    assert task["metadata"]["name"] == name == (ROOT / "tasks" / name).name
    assert len(task["spec"]["description"]) > 40
    assert {"tekton.dev/pipelines.minVersion", "tekton.dev/displayName", "tekton.dev/tags"} <= set(
        task["metadata"]["annotations"]
    )
    for entry in [*(task["spec"]["params"] or []), *(task["spec"]["results"] or []), *task["spec"]["workspaces"]]:
        assert entry["description"], f"{entry['name']} is not described"


@pytest.mark.parametrize("name", TASKS)
def test_every_step_is_a_command_with_flags_that_exist(name: str) -> None:
    """Each flag exists, each required flag is fed, each reference is declared, each result is written once."""
    task = TASKS[name]["spec"]
    params = {param["name"] for param in task["params"] or []}
    written: list[str] = []
    for step in task["steps"]:
        assert "script" not in step, "a step runs a command; no text of a param ever reaches a shell"
        program, command = step["command"]
        assert program == "hallmark"
        assert command in COMMANDS
        flags = [*flags_of(load(command).Params), *flags_of(load(command).Results)]
        known = {flag.flag for flag in flags} | {"--report", "--result-report-digest"}
        given = [argument.split("=", 1)[0] for argument in step["args"] if argument.startswith("--")]
        assert set(given) <= known
        assert len(given) == len(set(given))
        assert {flag.flag for flag in flags if flag.kind != "result" and flag.required} <= set(given)
        assert {flag.flag for flag in flags if flag.kind == "param"} <= set(given), "a param that nobody can set"
        text = " ".join(step["args"])
        assert set(re.findall(r"\$\(params\.([a-z-]+)", text)) <= params
        written += re.findall(r"\$\(results\.([\w-]+)\.path\)", text)
    assert sorted(written) == sorted(result["name"] for result in task["results"] or [])


@pytest.mark.parametrize("name", TASKS)
def test_every_step_runs_restricted(name: str) -> None:
    for step in TASKS[name]["spec"]["steps"]:
        context = step["securityContext"]
        assert "privileged" not in context
        if TRUST[name].root:
            assert "seccompProfile" not in context, "it would forbid the namespaces that shut the build in"
            assert context["capabilities"] == {"add": ["SETFCAP"]}
        else:
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["runAsNonRoot"] is True
            assert context["allowPrivilegeEscalation"] is False
        assert {"requests", "limits"} == set(step["computeResources"])
        assert "cpu" not in step["computeResources"]["limits"]


def test_the_step_that_fetches_source_and_the_one_that_fetches_the_champion_hold_each_its_own() -> None:
    """Also folders: who reads the model's repository never sees a credential of the operators', nor the champion."""
    steps = {
        step["name"]: {used["name"] for used in step["workspaces"]} for step in TASKS["fetch-source"]["spec"]["steps"]
    }
    assert steps == {
        "fetch-source": {"source", "history", "policy", "git-credential", "report"},
        "fetch-champion": {"policy", "champion", "config-credential", "release-credential", "report"},
    }
    assert set.union(*steps.values()) == {used["name"] for used in TASKS["fetch-source"]["spec"]["workspaces"]}


def test_a_release_needs_every_gate_and_the_verdict() -> None:
    """Nothing is signed before the verdict, and no verdict is asked for before every gate has its report."""
    tasks = pipeline_tasks()
    verdict = str(tasks["verify-model"])
    for gate in ("check-code", "test-code", "validate-data", "predict-model", "test-image", "scan-image"):
        assert f"$(tasks.{gate}.results.report-digest)" in verdict
    assert "$(tasks.verify-model.results.verdict-digest)" in str(tasks["sign-image"])
    assert "$(tasks.sign-image.results.release-image-ref)" in str(tasks["update-manifest"])


def test_no_gate_is_retried_or_ignored() -> None:
    """Tekton's retries do not read exit codes: a gate that said no would be asked again until it says yes."""
    for task in pipeline_tasks().values():
        assert "retries" not in task
        assert "onError" not in task


def test_every_command_stands_in_a_task() -> None:
    used = {step["command"][1] for task in TASKS.values() for step in task["spec"]["steps"]}
    # People call these: before there is a policy, about one, and after a run.
    by_people = {name for name in COMMANDS if name.startswith("keys-")}
    assert used == set(COMMANDS) - by_people - {"profile", "policy-check", "policy-admission", "explain"}
