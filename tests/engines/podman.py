"""Podman's storage of one run of tkn-solo."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from laptop import clean
from tkn_solo.host.podman import runtime_folder


@contextmanager
def storage(folder: Path) -> Iterator[Path]:
    """A storage that may be used in the block; no container may be left running in it."""
    yield folder
    if not folder.exists():
        return
    left = listed(folder)
    # Each container's own clean-up process may outlive it, and mounts the storage once more.
    deadline = time.monotonic() + 20
    while _is_named_by_a_process(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    # Podman keeps its storage mounted, which would keep pytest from removing the folder.
    clean.unmount_below(folder, say=lambda _: None)
    shutil.rmtree(runtime_folder(folder))
    assert left == ""


def _is_named_by_a_process(folder: Path) -> bool:
    mark = os.fsencode(folder)
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if entry.name != str(os.getpid()) and mark in (entry / "cmdline").read_bytes():
                return True
    return False


def podman_on(folder: Path) -> list[str]:
    """Podman on the storage that tkn-solo keeps in this folder."""
    runtime = runtime_folder(folder)
    places = {"--root": folder / "graph", "--runroot": runtime / "run", "--tmpdir": runtime / "tmp"}
    return ["podman", "--runtime", "runc", *(str(part) for place in places.items() for part in place)]


def listed(folder: Path) -> str:
    """The names of all containers in the storage."""
    command = [*podman_on(folder), "ps", "--all", "--format", "{{.Names}}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
