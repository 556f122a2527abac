"""A pipeline task's attempt, fully resolved: what a backend gets. No variable is left that Tekton resolves before
the pod starts; step results and exit codes, which arise inside, are resolved by the backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tkn_solo.kubernetes import Probe
from tkn_solo.model import ResultSpec, TaskSpec, When


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Where files come from. `root` is a folder of this machine, `sub_path` a path below it that must stay there.

    `create` makes the folder first. `only` limits a Secret or ConfigMap to some keys: key to file name.
    """

    root: Path
    sub_path: str = ""
    create: bool = False
    only: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A volume at an absolute path of the sandbox."""

    volume: Volume
    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class Container:
    """What steps and sidecars share. `command` is empty if there is a script; `user` None means a random UID."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    script: str
    working_dir: str
    env: tuple[tuple[str, str], ...]
    mounts: tuple[Mount, ...]
    user: int | None
    capabilities: frozenset[str]
    read_only_root: bool


@dataclass(frozen=True, kw_only=True)
class Step(Container):
    """One step. `title` is its name in the YAML, `name` its container's; `timeout` is in seconds."""

    title: str
    index: int
    results: tuple[ResultSpec, ...]
    when: tuple[When, ...]
    continue_on_error: bool
    timeout: float | None


@dataclass(frozen=True, kw_only=True)
class Sidecar(Container):
    """A container beside the steps, started before the first and ended after the last."""

    readiness: Probe | None
    ports: Any


@dataclass(frozen=True, kw_only=True)
class TaskInvocation:
    """One attempt of one TaskRun; `spec` is its Task with all variables replaced, for the status.

    `timeout` is in seconds; None: no limit.
    """

    task: str
    task_run: str
    attempt: int
    pod_dir: Path
    log_dir: Path
    steps: tuple[Step, ...]
    sidecars: tuple[Sidecar, ...]
    results: tuple[ResultSpec, ...]
    spec: TaskSpec
    host_network: bool
    timeout: float | None
