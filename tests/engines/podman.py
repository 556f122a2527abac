"""Podman's storage of one run of tkn-solo."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tkn_solo.host.podman import runtime_folder


@contextmanager
def storage(folder: Path) -> Iterator[Path]:
    """A storage that may be used in the block; no container may be left running in it."""
    yield folder
    if not folder.exists():
        return
    left = listed(folder)
    # Podman may keep its storage mounted, which would keep pytest from removing the folder.
    subprocess.run(["umount", str(folder / "graph" / "overlay")], capture_output=True, check=False)
    # A container's own clean-up process may still write there for a moment.
    for _ in range(50):
        shutil.rmtree(runtime_folder(folder), ignore_errors=True)
        if not runtime_folder(folder).exists():
            break
        time.sleep(0.1)
    assert left == ""


def podman_on(folder: Path) -> list[str]:
    """Podman on the storage that tkn-solo keeps in this folder."""
    runtime = runtime_folder(folder)
    places = {"--root": folder / "graph", "--runroot": runtime / "run", "--tmpdir": runtime / "tmp"}
    return ["podman", "--runtime", "runc", *(str(part) for place in places.items() for part in place)]


def listed(folder: Path) -> str:
    """The names of all containers in the storage."""
    command = [*podman_on(folder), "ps", "--all", "--format", "{{.Names}}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
