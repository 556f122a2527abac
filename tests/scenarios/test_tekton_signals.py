"""Ending a run early: what is cancelled, what still runs, and that nothing is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

SECONDS = 30.0


class Running:
    """tkn-solo on a pipeline whose steps leave marks of their own in the process table."""

    def __init__(self, folder: Path, *extra: str) -> None:
        # A number of seconds that no other process on this machine sleeps.
        self.mark = f"{300 + os.getpid() % 1000}.{time.monotonic_ns() % 10**9}"
        document = folder / "pipeline.yaml"
        document.write_text(yaml.safe_dump(pipeline(self.mark)))
        self.events = folder / "events.jsonl"
        self.output = folder / "done.yaml"
        argv = [
            "run",
            "-f",
            str(document),
            "--run-dir",
            str(folder / "run"),
            "--events",
            str(self.events),
            "-o",
            "yaml",
        ]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tkn_solo.cli", *argv, *extra],
                stdout=output,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )

    def wait_for(self, **wanted: Any) -> None:
        """Until an event with these fields was told."""

        def told() -> bool:
            lines = self.events.read_text().splitlines() if self.events.exists() else []
            events = [json.loads(line) for line in lines if line.endswith("}")]
            return any(wanted.items() <= event.items() for event in events)

        until(told, f"no event {wanted}")

    def interrupt(self) -> None:
        """Ctrl-C: a terminal sends it to everybody in the process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def sleepers(self) -> list[int]:
        """PIDs of processes with the mark."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    line = (folder / "cmdline").read_bytes()
                except OSError:
                    continue
                if f"sleep\0{self.mark}".encode() in line:
                    found.append(int(folder.name))
        return found

    def ended(self) -> dict[str, Any]:
        """The PipelineRun after the process has ended."""
        self.process.wait(SECONDS)
        return dict(yaml.safe_load(self.output.read_text())["items"][0])

    def reasons(self) -> dict[str, str]:
        items = yaml.safe_load(self.output.read_text())["items"][1:]
        return {item["metadata"]["name"]: item["status"]["conditions"][0]["reason"] for item in items}


def pipeline(mark: str) -> dict[str, Any]:
    def task(name: str, script: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "taskSpec": {"steps": [{"name": "do", "image": "any", "script": script}]}, **more}

    sleep = f"sleep {mark} & sleep {mark}; exit 0"
    obedient = f"trap 'echo asked; exit 0' TERM; echo ready; sleep {mark} & wait"
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "early"},
        "spec": {
            "pipelineSpec": {
                "tasks": [
                    task("sleeps", f"echo ready; {sleep}"),
                    task("obeys", obedient),
                    task("next", "echo never", runAfter=["sleeps"]),
                ],
                "finally": [task("last", "echo finally"), task("lingers", f"echo ready; test -e /nothing || {sleep}")],
            }
        },
    }


def until(true: Callable[[], bool], message: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    started = Running(tmp_path)
    try:
        started.wait_for(event="log", task="sleeps", line="ready")
        started.wait_for(event="log", task="obeys", line="ready")
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def test_the_first_signal_cancels_tasks_and_runs_finally_the_second_ends_that_too(running: Running) -> None:
    assert running.sleepers()
    running.interrupt()
    running.wait_for(event="task-ended", task="last", reason="Succeeded")
    running.wait_for(event="log", task="lingers", line="ready")
    running.process.send_signal(signal.SIGTERM)
    run = running.ended()
    assert running.process.returncode == 130
    condition = run["status"]["conditions"][0]
    assert (condition["reason"], condition["message"]) == ("Cancelled", 'PipelineRun "early" was cancelled')
    assert run["status"]["skippedTasks"] == [{"name": "next", "reason": "PipelineRun was stopping"}]
    assert running.reasons() == {
        "early-sleeps": "TaskRunCancelled",
        "early-obeys": "TaskRunCancelled",
        "early-last": "Succeeded",
        "early-lingers": "TaskRunCancelled",
    }
    assert running.sleepers() == []


def test_a_cancelled_step_is_asked_to_end_before_it_is_killed(running: Running) -> None:
    running.process.send_signal(signal.SIGTERM)
    running.wait_for(event="log", task="obeys", line="asked")


def test_nothing_survives_when_tkn_solo_itself_is_killed(running: Running) -> None:
    assert len(running.sleepers()) >= 2
    running.process.kill()
    until(lambda: not running.sleepers(), "a step outlived tkn-solo")


def test_a_task_that_waits_for_its_turn_is_cancelled_without_having_begun(tmp_path: Path) -> None:
    started = Running(tmp_path, "--jobs", "1")
    try:
        started.wait_for(event="log", task="sleeps", line="ready")
        started.interrupt()
        started.wait_for(event="log", task="lingers", line="ready")
        started.interrupt()
        started.ended()
        assert started.reasons()["early-obeys"] == "TaskRunCancelled"
        log = tmp_path / "run" / "logs" / "obeys"
        assert not log.exists()
    finally:
        started.process.kill()
        started.process.wait()
