"""The command line: help, graph, exit codes, and where output goes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tkn_solo.cli import main

TASK_RUN = """
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: one}
spec:
  taskSpec:
    results: [{name: r}]
    steps: [{name: s, image: any, script: "echo said; printf x > $(results.r.path)"}]
"""
PIPELINE_RUN = """
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: two}
spec:
  taskRunTemplate: {serviceAccountName: bot}
  pipelineSpec:
    tasks:
      - {name: a, taskSpec: {steps: [{image: one, command: ["true"]}]}}
      - {name: b, runAfter: [a], taskSpec: {steps: [{image: two, command: ["true"]}]}}
    finally:
      - {name: c, taskSpec: {steps: [{image: one, command: ["true"], securityContext: {runAsUser: 0}}]}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(TASK_RUN)
    return path


@pytest.mark.parametrize("command", [[], ["run"], ["start"], ["graph"]])
def test_help_shows_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "tkn-solo" in out
    assert not command or "example:" in out


def test_help_imports_neither_yaml_nor_rich() -> None:
    code = "import sys; from tkn_solo.cli import _parser; _parser(); print(sorted({'yaml', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_graph_prints_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(PIPELINE_RUN)
    assert main(["graph", "-f", str(path)]) == 0
    assert capsys.readouterr().out == (
        "two: 3 tasks\n"
        "  a\n"
        "  b after a\n"
        "  c (finally, root)\n"
        "host tools stand in for image one\n"
        "host tools stand in for image two\n"
        "not enforced on this machine: serviceAccountName\n"
    )
    assert main(["graph", "-f", str(path), "-o", "dot"]) == 0
    assert '"a" -> "b";' in capsys.readouterr().out


def test_graph_takes_a_pipeline_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(
        "{apiVersion: tekton.dev/v1, kind: Pipeline, metadata: {name: p}, spec: {params: [{name: needed}], tasks: ["
        "{name: b, runAfter: [a], taskRef: {name: elsewhere}}, {name: a, taskRef: {name: elsewhere}}]}}"
    )
    assert main(["graph", "-f", str(path)]) == 0
    assert capsys.readouterr().out == "p: 2 tasks\n  a\n  b after a\n"
    assert main(["graph", "-f", str(path), "--name", "q"]) == 2


def test_a_run_prints_lines_and_a_summary(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-f", str(file), "--run-dir", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "[one : s] said\n" in out
    assert "TaskRun one succeeded: Succeeded" in out
    assert "  r: x\n" in out


@pytest.mark.parametrize(("form", "read"), [("yaml", yaml.safe_load), ("json", json.loads)])
def test_the_completed_run_is_alone_on_standard_output(
    form: str, read, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "-f", str(file), "--run-dir", str(tmp_path / "run"), "-o", form]) == 0
    captured = capsys.readouterr()
    done = read(captured.out)
    assert done["status"]["results"] == [{"name": "r", "type": "string", "value": "x"}]
    assert "[one : s] said" in captured.err


def test_quiet_leaves_the_summary(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-f", str(file), "--run-dir", str(tmp_path / "run"), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "said" not in out
    assert "succeeded" in out


def test_events_are_json_lines(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = tmp_path / "events.jsonl"
    assert main(["run", "-f", str(file), "--run-dir", str(tmp_path / "run"), "--events", str(events)]) == 0
    told = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert told == ["run-started", "task-started", "step-started", "log", "step-ended", "task-ended", "run-ended"]
    capsys.readouterr()


def test_a_step_that_fails_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(TASK_RUN.replace("echo said", "exit 9"))
    assert main(["run", "-f", str(path), "--run-dir", str(tmp_path / "run")]) == 1
    assert '"step-s" exited with code 9: Error' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-f", "/no/such/file"], "cannot read it"),
        (["-f", "{file}", "--name", "other"], "0 runs are called 'other'"),
        (["-f", "{file}", "--run-dir", "{folder}"], "is not empty"),
        (["-f", "{file}", "--secret", "x"], "is not NAME=DIR"),
        (["-f", "{file}", "--claim", "x=/no/such/folder"], "is no folder"),
        (["-f", "{file}", "--tools", "/no/such/folder"], "is no folder"),
        (["-f", "{file}", "--events", "/no/such/folder/x", "--run-dir", "{new}"], "--events"),
    ],
)
def test_bad_input_is_exit_code_2(
    arguments: list[str], message: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [item.format(file=file, folder=tmp_path, new=tmp_path / "new") for item in arguments]
    assert main(["run", *filled]) == 2
    assert message in capsys.readouterr().err


def test_a_machine_without_bubblewrap_is_exit_code_3(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["run", "-f", str(file), "--run-dir", str(tmp_path / "run")]) == 3
    assert "bwrap is not installed\n  Install the package bubblewrap." in capsys.readouterr().err


def test_standard_input_is_a_file_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tkn_solo.cli", "run", "-f", "-", "--run-dir", str(tmp_path / "run")],
        input=TASK_RUN,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_after_a_failure_the_logs_of_all_failed_tasks_are_named_and_the_earliest_comes_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = yaml.safe_load(PIPELINE_RUN)
    scripts = {"ignored": "exit 1", "later": "sleep 0.4; exit 1", "earlier": "exit 1", "good": "exit 0"}
    tasks = [
        {"name": name, "taskSpec": {"steps": [{"name": "s", "image": "any", "script": script}]}}
        for name, script in scripts.items()
    ]
    tasks[0]["onError"] = "continue"
    run["spec"] = {"pipelineSpec": {"tasks": tasks}}
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(run))
    assert main(["run", "-f", str(path), "--run-dir", str(tmp_path / "run")]) == 1
    logs = tmp_path / "run/logs"
    assert f"look:  tail -n +1 {logs}/earlier/*.log {logs}/later/*.log\n" in capsys.readouterr().out
