"""Long-running processes of the cluster: started once, found again by later commands, ended by their own ID."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster import waiting
from cluster.errors import ClusterError
from cluster.places import LOGS, NETWORK_NAMESPACE, STATE

STOP_WITHIN = 15.0
"""Seconds after SIGTERM before SIGKILL."""

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Started by this process: they have to be waited for, or they stay as zombies."""


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A process that outlives the command that started it.

    `name` also names its log and its PID file. `inside`: whether it runs in the cluster's network namespace.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    inside: bool = True

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"

    def start(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Start it, unless it runs, and wait until it is `ready`.

        Raises:
            ClusterError: it ended, or was not ready within `seconds`; the message holds the end of its log.
        """
        if running(self.name) is None:
            self._start()
        waiting.until(
            ready, f"{self.name} to be ready", seconds=seconds, log=self.log, alive=lambda: bool(running(self.name))
        )

    def _start(self) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        _pid_file(self.name).parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                inside(self.argv) if self.inside else list(self.argv),
                cwd=STATE,
                env={"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "HOME": str(STATE), **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                close_fds=True,
            )
        _children[child.pid] = child
        # A PID alone may belong to a stranger after a restart of the machine; its start time tells.
        _pid_file(self.name).write_text(f"{child.pid} {_start_time(child.pid)}\n")


def inside(argv: Sequence[str]) -> list[str]:
    """`argv`, run in the cluster's network namespace; `ip netns exec` would hide the cgroups from the kubelet."""
    return ["nsenter", f"--net=/run/netns/{NETWORK_NAMESPACE}", *argv]


def running(name: str) -> int | None:
    """The process ID of a daemon that runs."""
    try:
        pid, started = _pid_file(name).read_text().split()
    except (OSError, ValueError):
        return None
    if (child := _children.get(int(pid))) is not None and child.poll() is not None:
        return None
    return int(pid) if _start_time(int(pid)) == started else None


def stop(name: str, *, patience: float = STOP_WITHIN) -> bool:
    """End a daemon and wait for its end; False if it did not run."""
    pid = running(name)
    if pid is None:
        _pid_file(name).unlink(missing_ok=True)
        return False
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, STOP_WITHIN)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if running(name) is None:
                # Its children, such as socat's for each open connection, are in the process group that it led.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                if (child := _children.pop(pid, None)) is not None:
                    child.wait()
                _pid_file(name).unlink(missing_ok=True)
                return True
            time.sleep(0.05)
    raise ClusterError(f"{name} (process {pid}) does not end", solution=f"end it yourself: kill -9 {pid}")


def known() -> list[str]:
    """The names of all daemons that were started and not stopped, the youngest first."""
    files = (STATE / "run").glob("*.pid")
    return [path.stem for path in sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True)]


def _pid_file(name: str) -> Path:
    return STATE / "run" / f"{name}.pid"


def _start_time(pid: int) -> str | None:
    """Field 22 of proc(5)'s stat, in clock ticks since boot; None if there is no such process, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]
