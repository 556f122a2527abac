"""The first engine: tkn-solo, called as a user would call it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from engines.podman import storage
from engines.scenario import Finished, Given, Scenario

SECONDS = 60


def run(
    scenario: Scenario,
    places: Mapping[str, object],
    folder: Path,
    *,
    tools: Sequence[Path] = (),
    seconds: int = SECONDS,
) -> Finished:
    """Run a scenario; the run's folder and podman's storage are made in `folder`.

    Args:
        tools: folders that stand in for a step's image, beside the machine's own.
    """
    run_dir = folder / "run"
    what = ["start", scenario.start] if scenario.start else ["run"]
    argv = [*what, "-f", str(scenario.file), "--run-dir", str(run_dir), "-o", "yaml"]
    argv += [f"--tools={tool}" for tool in tools]
    with storage(folder / "images") as images:
        done = subprocess.run(
            [sys.executable, "-m", "tkn_solo.cli", *argv, f"--image-store={images}", *_flags(scenario.given(places))],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            # Something in the environment that no step may see.
            env={**os.environ, "LEAKED": "from-the-outside"},
            cwd=folder,
        )
    document = yaml.safe_load(done.stdout) or {"items": []}
    objects = document.get("items", [document])
    logs = {place: (run_dir / "logs" / f"{place}.log").read_text().splitlines() for place in scenario.logs}
    return Finished(objects=objects, logs=logs, exit_code=done.returncode, errors=done.stderr)


def _flags(given: Given) -> Iterator[str]:
    yield from (f"--param={name}={value}" for name, value in given.params.items())
    yield from (f"--workspace={flag}" for flag in given.workspaces)
    sources = {"--claim": given.claims, "--secret": given.secrets, "--config-map": given.config_maps}
    for flag, folders in sources.items():
        yield from (f"{flag}={name}={folder}" for name, folder in folders.items())
