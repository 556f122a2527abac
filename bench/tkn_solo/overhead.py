"""What tkn-solo itself costs, against bare bubblewrap processes with the same arguments, in one run.

    python bench/tkn_solo/overhead.py

Figures are medians of `ROUNDS` rounds. Aims: at most 10 ms a step, at most 1.5 s for 100 parallel tasks.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from tkn_solo.host.sandbox import RANDOM_UID, Bind, Host, Sandbox

STEPS = 50
TASKS = 100
ROUNDS = 5
STEP_AIM_MS = 10.0
PARALLEL_AIM_S = 1.5


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="tkn-solo-bench-") as name:
        folder = Path(name)
        bare = Bare(folder)
        rounds = [measure(folder / str(number), bare) for number in range(ROUNDS)]
    figures = {key: statistics.median(found[key] for found in rounds) for key in rounds[0]}
    own = figures["step in a run, ms"] - figures["bare bwrap, ms"]
    ratio = figures["parallel run, s"] / figures["parallel bare, s"]
    for key, value in figures.items():
        print(f"{key:32} {value:8.3f}")
    print(f"{'own cost a step, ms':32} {own:8.3f}   aim: at most {STEP_AIM_MS}")
    print(f"{f'{TASKS} tasks against bare bwrap':32} {ratio:8.2f} x aim: at most {PARALLEL_AIM_S} s")
    return 0 if own <= STEP_AIM_MS and figures["parallel run, s"] <= PARALLEL_AIM_S else 1


def measure(folder: Path, bare: Bare) -> dict[str, float]:
    folder.mkdir()
    one, many = (run_seconds(folder, f"steps-{count}", task_run(count)) for count in (1, STEPS + 1))
    return {
        "--help, ms": 1000 * seconds(lambda: call(["--help"])),
        "run of one step, ms": 1000 * one,
        "step in a run, ms": 1000 * (many - one) / STEPS,
        "bare bwrap, ms": 1000 * seconds(lambda: bare.one_by_one(STEPS)) / STEPS,
        "parallel run, s": run_seconds(folder, "parallel", pipeline_run(TASKS)),
        "parallel bare, s": seconds(lambda: bare.together(TASKS)),
    }


class Bare:
    """The same sandbox without tkn-solo around it."""

    def __init__(self, folder: Path) -> None:
        pod = folder / "pod"
        pod.mkdir()
        self._null = os.open(os.devnull, os.O_WRONLY)
        paths = ("/tekton/results", "/tekton/steps", "/tekton/steps/x", "/workspace")
        (pod / "x").mkdir()
        sandbox = Sandbox(
            binds=[Bind(str(pod), path, read_only=path == "/tekton/steps") for path in paths],
            env=(),
            directory="/",
            hostname="bare",
            root=False,
            user=RANDOM_UID,
            capabilities=frozenset(),
            network=False,
            resolver=False,
            read_only_root=False,
        )
        self._argv = ["bwrap", *Host(folder / "host", []).arguments(sandbox, self._null), "--", "true"]

    def once(self) -> None:
        subprocess.run(self._argv, check=True, pass_fds=[self._null])

    def one_by_one(self, count: int) -> None:
        for _ in range(count):
            self.once()

    def together(self, count: int) -> None:
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda _: self.once(), range(count)))


def call(arguments: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "tkn_solo.cli", *arguments], check=True, stdout=subprocess.DEVNULL)


def run_seconds(folder: Path, name: str, document: dict[str, object]) -> float:
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(document))
    return seconds(lambda: call(["run", "-f", str(file), "--run-dir", str(folder / name), "--quiet"]))


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def task_run(count: int) -> dict[str, object]:
    steps = [{"name": f"s{number}", "image": "none", "command": ["true"]} for number in range(count)]
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": "steps"},
        "spec": {"taskSpec": {"steps": steps}},
    }


def pipeline_run(count: int) -> dict[str, object]:
    step = {"name": "s", "image": "none", "command": ["true"]}
    tasks = [{"name": f"t{number}", "taskSpec": {"steps": [step]}} for number in range(count)]
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "parallel"},
        "spec": {"pipelineSpec": {"tasks": tasks}},
    }


if __name__ == "__main__":
    sys.exit(main())
