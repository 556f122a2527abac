"""Tells the steps of a sidecar that ends while they run.

On a cluster only the kubelet knows, and a step that waits for a sidecar waits until its own time is over. Here each
step sees a folder, `/tekton/sidecars`: once the sidecar NAME has ended by itself there are the last lines of what it
wrote, NAME.log, and after that its exit code, NAME.exit-code.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tkn_solo.host.podman import Podman
from tkn_solo.masking import Masker

TARGET = "/tekton/sidecars"
_LINES = 20


class EndedSidecars:
    """A context that watches containers from a thread of its own, and has ended it when the block ends.

    Args:
        running: sidecar's name to the name of its container and a descriptor of its first process.
        folder: what the steps see at `TARGET`.
    """

    def __init__(self, running: Mapping[str, tuple[str, int]], folder: Path, podman: Podman, masker: Masker) -> None:
        self._running = dict(running)
        self._folder, self._podman, self._masker = folder, podman, masker
        self._end_read, self._end_write = os.pipe()
        self._thread = threading.Thread(target=self._watch, name="sidecars", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._end_write)
        self._thread.join()
        os.close(self._end_read)

    def _watch(self) -> None:
        left = {descriptor: name for name, (_, descriptor) in self._running.items()}
        while left:
            ready, _, _ = select.select([self._end_read, *left], [], [])
            if self._end_read in ready:
                return
            for descriptor in ready:
                self._tell(left.pop(descriptor))

    def _tell(self, name: str) -> None:
        container = self._running[name][0]
        log, code = self._podman.last_words(container, _LINES)
        for ending, content in (("log", self._masker.text(log)), ("exit-code", str(code))):
            temporary = self._folder / f".{name}"
            temporary.write_text(content, encoding="utf-8")
            # Steps are other users.
            temporary.chmod(0o644)
            temporary.rename(self._folder / f"{name}.{ending}")
