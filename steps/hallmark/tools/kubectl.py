"""kubectl(1) 1.30 and newer: puts one object into the cluster of the current context. The object goes through stdin."""

from __future__ import annotations

import json
import os
from typing import Any

from hallmark import process
from hallmark.errors import ToolFailedError

MANAGER = "hallmark"
BEGINS = ("KUBECONFIG", "KUBERNETES_")
"""How the environment variables begin by which kubectl finds its cluster."""
TIMEOUT = 60.0


def apply_argv(namespace: str, *, dry_run: bool) -> list[str]:
    """Server-side, because client-side `apply` keeps a copy of a Secret's data in an annotation, readable by more."""
    mode = ["--dry-run=server"] if dry_run else []
    return ["kubectl", "apply", "--server-side", f"--field-manager={MANAGER}", f"--namespace={namespace}", *mode, "-f-"]


def notes_argv(kind: str, name: str, namespace: str) -> list[str]:
    """Asks for nothing but the annotations: a Secret's data stays where it is."""
    path = "jsonpath={.metadata.annotations}"
    return ["kubectl", "get", kind, name, f"--namespace={namespace}", "--ignore-not-found", f"--output={path}"]


def notes(kind: str, name: str, namespace: str) -> dict[str, str] | None:
    """The annotations of an object; None where there is no such object.

    Raises:
        ToolFailedError: the cluster does not answer, or does not let us read.
    """
    done = _run(notes_argv(kind, name, namespace))
    # An object without annotations is told as nothing at all, too; its name tells the two apart.
    if not done.stdout.strip():
        named = _run(["kubectl", "get", kind, name, f"--namespace={namespace}", "--ignore-not-found", "--output=name"])
        return {} if named.stdout.strip() else None
    try:
        found = json.loads(done.stdout)
        return {str(key): str(value) for key, value in found.items()}
    except (ValueError, AttributeError) as error:
        raise ToolFailedError("kubectl printed no annotations", solution="check kubectl's version") from error


def apply(document: dict[str, Any], namespace: str) -> None:
    """Put the object into the cluster, after the cluster was asked whether it would take it.

    Raises:
        ToolFailedError: the cluster does not answer, or does not let us.
    """
    text = json.dumps(document)
    for dry_run in (True, False):
        _run(apply_argv(namespace, dry_run=dry_run), text)


def _run(argv: list[str], stdin: str | None = None) -> process.Completed:
    passed = {name: value for name, value in os.environ.items() if name.startswith(BEGINS)}
    return process.run(argv, env=passed, stdin=stdin, timeout=TIMEOUT)
