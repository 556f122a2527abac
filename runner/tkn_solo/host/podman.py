"""Sidecars as real containers: the podman commands, and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tkn_solo import process
from tkn_solo.errors import InfrastructureError
from tkn_solo.process import Captured, StopSignal
from tkn_solo.userns import is_initial, outer_uid

LABEL = "dev.tkn-solo.owner"
_PULL_SECONDS = 600.0
_CALL_SECONDS = 60.0
_PASSED_ON = ("PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG")
_LOCAL = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, kw_only=True)
class ContainerRequest:
    """One container. `network` is `none` or `container:NAME`; mounts are (source, target, read-only)."""

    name: str
    image: str
    network: str
    user: int
    capabilities: frozenset[str]
    strict_root: bool
    entrypoint: Sequence[str]
    arguments: Sequence[str]
    directory: str
    env_file: Path
    mounts: Sequence[tuple[str, str, bool]]


class Podman:
    """Podman with a storage of its own below `store`; calls end early when `stop` is requested."""

    def __init__(self, store: Path) -> None:
        runtime = runtime_folder(store)
        self._argv = [
            process.find("podman", "podman"),
            *("--root", str(store / "graph"), "--runroot", str(runtime / "run"), "--tmpdir", str(runtime / "tmp")),
            *("--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "none"),
        ]
        self._env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        if not is_initial():
            # Podman's own words for: the user namespace is set up already, and this user made it.
            self._env |= {"_CONTAINERS_USERNS_CONFIGURED": "done", "_CONTAINERS_ROOTLESS_UID": str(outer_uid())}

    def pull(self, image: str, stop: StopSignal) -> str:
        """Get an image, unless it is named by digest and here already; returns its ID.

        Raises InfrastructureError with podman's own words if it cannot be had.
        """
        if "@sha256:" not in image or self._call(["image", "exists", image], stop).code != 0:
            tls = ["--tls-verify=false"] if image.split("/")[0].rpartition(":")[0] in _LOCAL else []
            pulled = self._call(["pull", "--quiet", *tls, image], stop, seconds=_PULL_SECONDS)
            if pulled.code != 0 and not stop.requested:
                raise InfrastructureError(_last_line(pulled.output))
        return self._call(["image", "inspect", "--format", "{{.Id}}", image], stop).output

    def run(self, request: ContainerRequest, stop: StopSignal) -> int:
        """Start a container; returns the PID of its first process, 0 if that has ended already."""
        argv = ["run", "--detach", "--name", request.name, "--label", f"{LABEL}={owner()}", "--pull", "never"]
        argv += ["--network", request.network, "--read-only"]
        argv.append(f"--read-only-tmpfs={str(not request.strict_root).lower()}")
        argv += [
            "--user",
            f"{request.user}:0",
            "--cap-drop",
            "all",
            "--security-opt",
            "no-new-privileges",
        ]
        argv += [part for name in sorted(request.capabilities) for part in ("--cap-add", name)]
        argv += ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--log-opt", "max-size=50mb"]
        argv += ["--env-file", str(request.env_file)]
        for source, target, read_only in request.mounts:
            argv += ["--mount", f"type=bind,src={source},dst={target}{',ro' if read_only else ''}"]
        if request.directory:
            argv += ["--workdir", request.directory]
        if request.entrypoint:
            argv += ["--entrypoint", json.dumps(list(request.entrypoint))]
        started = self._call([*argv, request.image, *request.arguments], stop)
        if started.code != 0:
            raise InfrastructureError(f"podman cannot start the container: {_last_line(started.output)}")
        pid = self._call(["inspect", "--format", "{{.State.Pid}}", request.name], stop).output
        return int(pid) if pid.isdigit() else 0

    def exec(self, name: str, command: Sequence[str], stop: StopSignal, seconds: float) -> bool:
        """Whether a command in the container ends with 0."""
        return self._call(["exec", name, *command], stop, seconds=seconds).code == 0

    def last_words(self, name: str, lines: int) -> tuple[str, int]:
        """The last lines of what a container that has ended wrote, and its exit code."""
        never = StopSignal()
        try:
            log = self._call(["logs", "--tail", str(lines), name], never).output
            code = self._call(["wait", name], never).output
        finally:
            never.close()
        return log, int(code) if code.lstrip("-").isdigit() else 1

    def finish(self, name: str, sink: Callable[[bytes], None]) -> int:
        """Stop a container, pass on its log, remove it; returns its exit code. Works whatever state it is in."""
        never = StopSignal()
        try:
            self._call(["stop", "--time", "1", "--ignore", name], never)
            process.supervise(process.start([*self._argv, "logs", name], self._env), sink, stop=never)
            code = self._call(["inspect", "--format", "{{.State.ExitCode}}", name], never).output
            self._call(["rm", "--force", "--ignore", "--time", "0", name], never)
        finally:
            never.close()
        return int(code) if code.lstrip("-").isdigit() else 1

    def remove_orphans(self) -> None:
        """Remove the containers of a tkn-solo that is no more (it was killed)."""
        never = StopSignal()
        try:
            listed = self._call(["ps", "--all", "--filter", f"label={LABEL}", "--format", "json"], never)
            with suppress(ValueError, TypeError):
                for container in json.loads(listed.output) or []:
                    if not _alive(str(container["Labels"].get(LABEL, ""))):
                        self._call(["rm", "--force", "--time", "0", str(container["Id"])], never)
        finally:
            never.close()

    def _call(self, arguments: Sequence[str], stop: StopSignal, seconds: float = _CALL_SECONDS) -> Captured:
        return process.capture([*self._argv, *arguments], self._env, stop=stop, seconds=seconds)


def runtime_folder(store: Path) -> Path:
    """A private folder for podman's state, made if it is missing; podman wants a path below 50 characters.

    Raises InfrastructureError if somebody else has a folder there.
    """
    initial = is_initial()
    base = Path("/run/tkn-solo" if initial else f"/tmp/tkn-solo-{outer_uid()}")  # noqa: S108 - private, checked below
    base.mkdir(mode=0o700, exist_ok=True)
    found = base.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise InfrastructureError(f"{base} is not a private folder of this user", solution="Remove it.")
    folder = base / hashlib.sha256(str(store).encode()).hexdigest()[:12]
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def owner() -> str:
    """This process, told apart from a later one with the same PID by its start time."""
    return f"{os.getpid()}-{_start_time(os.getpid())}"


def _alive(mark: str) -> bool:
    pid, _, started = mark.partition("-")
    return pid.isdigit() and _start_time(int(pid)) == started


def _start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty if it is no more, or only waits to be reaped."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return ""
    return "" if state in "ZX" else fields[18]


def _last_line(text: str) -> str:
    return (text.splitlines() or ["it gave no reason"])[-1].removeprefix("Error: ")


def write_env(path: Path, env: Mapping[str, str]) -> None:
    """An env file for podman, which keeps values out of the command line; a value must be one line."""
    if broken := [name for name, value in env.items() if "\n" in value]:
        raise InfrastructureError(f"the sidecar's variable {broken[0]} has several lines, which podman cannot pass on")
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in env.items()), encoding="utf-8")
