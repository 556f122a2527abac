"""The control groups below which the kubelet puts all pods, so that tear-down finds them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

FILESYSTEM = Path("/sys/fs/cgroup")
ROOT = "/hallmark"


def make() -> None:
    """Make the root group: in each hierarchy of version 1, or the one of version 2."""
    for hierarchy in _hierarchies():
        (hierarchy / ROOT.lstrip("/")).mkdir(exist_ok=True)


def remove() -> None:
    """Remove the root group and everything below; processes in it have to be gone."""
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / ROOT.lstrip("/"), topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def left() -> list[Path]:
    """Root groups that are still there."""
    return [path for hierarchy in _hierarchies() if (path := hierarchy / ROOT.lstrip("/")).exists()]


def _hierarchies() -> list[Path]:
    if (FILESYSTEM / "cgroup.controllers").exists():
        return [FILESYSTEM]
    return [path for path in sorted(FILESYSTEM.iterdir()) if path.is_dir() and not path.is_symlink()]
