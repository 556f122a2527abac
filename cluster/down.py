"""`python -m cluster.down`: end the cluster of this machine and remove everything that it left."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from cluster import control_groups, daemons, network
from cluster.errors import ClusterError
from cluster.places import STATE, USER_KUBECONFIG
from laptop import clean
from laptop.console import exit_code_of, say


def main() -> None:
    # The kubelet first, or it would start again what is ended here.
    daemons.stop("kubelet")
    _end_pods()
    for name in daemons.known():
        daemons.stop(name)
    clean.unmount_below(STATE, say=lambda _: None)
    network.remove()
    control_groups.remove()
    shutil.rmtree(STATE, ignore_errors=True)
    shutil.rmtree(USER_KUBECONFIG.parent, ignore_errors=True)
    # A process that was killed is gone only when its memory is.
    deadline = time.monotonic() + 20
    while (found := left()) and time.monotonic() < deadline:
        time.sleep(0.2)
    if found:
        raise ClusterError(f"this was left: {', '.join(found)}", solution="run `make cluster-down` once more")
    say("the cluster is gone, with its processes, mounts, network and data")


def left() -> list[str]:
    """What there still is of the cluster: processes, mounts, the namespace, control groups, files."""
    processes = [f"process {pid} ({_command(pid)[:100]})" for pid in _processes()]
    mounts = [f"mount {path}" for path in clean.mounts_below(STATE, Path("/proc/self/mountinfo").read_text())]
    namespace = ["the network namespace"] if network.exists() else []
    groups = [f"control group {path}" for path in control_groups.left()]
    return [*processes, *mounts, *namespace, *groups, *([str(STATE)] if STATE.exists() else [])]


def _end_pods() -> None:
    """End the processes in the pods' control groups, and then the shims that watched them."""
    for pids in (_in_control_groups, _processes_of_shims):
        deadline = time.monotonic() + 20
        while (found := pids()) and time.monotonic() < deadline:
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)


def _in_control_groups() -> set[int]:
    found: set[int] = set()
    for root in control_groups.left():
        # os.walk goes on where a group vanishes under it, as pods do that end.
        for folder, _, _ in os.walk(root):
            with contextlib.suppress(OSError):
                found |= {int(line) for line in Path(folder, "cgroup.procs").read_text().split()}
    return found


def _processes_of_shims() -> set[int]:
    return {pid for pid in _processes() if "containerd-shim" in _command(pid)}


def _processes() -> set[int]:
    """Processes that were given one of the cluster's paths, as all of its daemons and shims are."""
    mark = str(STATE)
    own = {os.getpid(), os.getppid()}
    return {pid for pid in _pids() if pid not in own and mark in _command(pid)}


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
