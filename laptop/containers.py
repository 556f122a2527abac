"""Buildah with a state of its own, so that nothing of it stays among the user's images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hallmark.process import Completed, run

STATE = "/var/lib/containers"
"""Where Buildah, started as root, keeps images (`storage`) and what it knows of registries' layers (`cache`)."""

DRIVER = "overlay"


def buildah(state: Path, arguments: Sequence[str], *, timeout: float = 900) -> Completed:
    """Run `buildah ARGUMENTS` as root of this machine or, for an ordinary user, of a user namespace.

    Args:
        state: an existing folder that is bound over :data:`STATE`; the machine's own is neither read nor written.

    Raises:
        ToolFailedError: Buildah, or for an ordinary user the namespace, failed.
    """
    bind = ["bwrap", "--dev-bind", "/", "/", "--bind", str(state.resolve()), STATE]
    # Buildah in the inner environment must not know that it is rootless, or it looks for its state at home.
    inner = ["--tmpfs", "/run", "--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin", "--setenv", "HOME", STATE]
    argv = [*as_root(), *bind, *inner, "--die-with-parent", "buildah", "--storage-driver", DRIVER, *arguments]
    return run(argv, timeout=timeout)


def as_root() -> list[str]:
    """What stands before a command that has to be root somewhere: nothing, or a user namespace."""
    return [] if os.geteuid() == 0 else ["buildah", "unshare"]


def remove(*folders: Path) -> None:
    """Remove folders whose files may belong to an ordinary user's subordinate IDs, as unpacked images do."""
    present = [str(folder) for folder in folders if folder.exists()]
    if present:
        run([*as_root(), "rm", "-rf", *present], timeout=300)
