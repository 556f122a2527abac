"""A real git server on the loopback: `git daemon` (git-daemon(1)) over a folder of bare repositories."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from hallmark.errors import ToolFailedError
from laptop.interruptible import apart

START_WITHIN = 10.0


@contextlib.contextmanager
def serving(folder: Path, *, port: int, log: Path) -> Iterator[str]:
    """Serve the bare repositories below `folder` while the block runs.

    Pushes are taken only by repositories whose own configuration says so (`daemon.receivepack`).

    Args:
        port: on 127.0.0.1.
        log: the server's output, for the error when it does not come up.

    Yields:
        The URL that a repository's name is appended to, `git://127.0.0.1:<port>`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    argv = ["git", "daemon", "--export-all", "--reuseaddr", "--informative-errors", "--listen=127.0.0.1"]
    with log.open("wb") as output:
        # A process group of its own: Ctrl-C must not end it while the run's last tasks are under way.
        daemon = subprocess.Popen(
            apart([*argv, f"--port={port}", f"--base-path={folder}", str(folder)]),
            process_group=0,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_it_listens(daemon, port, log)
            yield f"git://127.0.0.1:{port}"
        finally:
            daemon.terminate()
            daemon.wait()


def accept_pushes(repository: Path) -> None:
    """Let the server take pushes to this bare repository."""
    subprocess.run(["git", "-C", str(repository), "config", "daemon.receivepack", "true"], check=True)


def _wait_until_it_listens(daemon: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline and daemon.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    tail = log.read_text(errors="replace")[-500:].strip()
    raise ToolFailedError(
        f"git daemon does not listen on 127.0.0.1:{port}: {tail or 'it printed nothing'}",
        solution=f"see {log}; `make clean` has another port chosen",
    )
