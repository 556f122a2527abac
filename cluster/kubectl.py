"""kubectl: one call for each thing the cluster's parts and tests ask of the API."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cluster.places import PROGRAMS, STATE, USER_KUBECONFIG
from hallmark.process import Completed, run


def kubectl(
    *arguments: str, stdin: str | None = None, accept: Sequence[int] | None = (0,), timeout: float = 120
) -> Completed:
    """Run kubectl against the cluster: `KUBECONFIG`'s, else the one of this machine.

    Raises:
        ToolFailedError: it ended with an exit code that is not in `accept`.
    """
    argv = [_program(), f"--request-timeout={timeout:.0f}s", *arguments]
    return run(argv, stdin=stdin, accept=accept, timeout=timeout + 10, env=environment())


def environment() -> dict[str, str]:
    """The variables that lead kubectl and tkn to the cluster."""
    given = os.environ.get("KUBECONFIG")
    if given and Path(given).resolve() != USER_KUBECONFIG:
        # A program that fetches a user's credentials may need anything of theirs.
        return dict(os.environ)
    return {"KUBECONFIG": str(USER_KUBECONFIG), "HOME": str(STATE)}


def apply(*objects: Mapping[str, Any], server_side: bool = False) -> None:
    """Create or change objects."""
    how = ["--server-side", "--force-conflicts"] if server_side else []
    kubectl("apply", *how, "-f", "-", stdin=yaml.safe_dump_all(objects, sort_keys=False))


def apply_folder(folder: Path) -> None:
    """Apply a kustomization."""
    kubectl("apply", "-k", str(folder))


def get(kind: str, name: str, *, namespace: str = "") -> dict[str, Any] | None:
    """One object, or None if there is none."""
    where = [f"--namespace={namespace}"] if namespace else []
    done = kubectl("get", kind, name, *where, "--ignore-not-found", "--output=json")
    found: dict[str, Any] | None = json.loads(done.stdout) if done.stdout.strip() else None
    return found


def items(kind: str, *, namespace: str, selector: str = "") -> list[dict[str, Any]]:
    """All objects of a kind in a namespace that have the labels of `selector`."""
    chosen = [f"--selector={selector}"] if selector else []
    done = kubectl("get", kind, f"--namespace={namespace}", *chosen, "--output=json")
    found: list[dict[str, Any]] = json.loads(done.stdout)["items"]
    return found


def wait_for_deployments(namespace: str, *, seconds: int) -> None:
    """Raises ToolFailedError if a deployment of the namespace is not available within `seconds`."""
    what = ["wait", "--for=condition=Available", "deployment", "--all", f"--namespace={namespace}"]
    kubectl(*what, f"--timeout={seconds}s", timeout=seconds + 5)


def _program() -> str:
    built = PROGRAMS / "kubectl"
    return str(built) if built.exists() else "kubectl"
