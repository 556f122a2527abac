"""A real docker-registry on the loopback: one process, one folder, one user.

Two of them stand for the two registries of a delivery, `candidates` and `releases`. Each has a credential of its own,
because docker-registry knows no rights by repository: the build's must not be good for the releases.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.process import run
from laptop.errors import LaptopError

HOST = "127.0.0.1"
USER = "hallmark"
START_WITHIN, STOP_WITHIN = 15.0, 10.0
"""Seconds a registry may take to answer, and to end after SIGTERM before it is killed."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
_children: dict[int, subprocess.Popen[bytes]] = {}
"""The registries started by this process: a child has to be waited for, or it stays as a zombie."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """A registry and where its things lie. It may be running or not."""

    directory: Path
    port: int

    @property
    def address(self) -> str:
        """What stands before a repository's name in an image reference."""
        return f"{HOST}:{self.port}"

    @property
    def credential(self) -> Path:
        """A folder with nothing but docker's `config.json`, to be mounted as a Secret."""
        return self.directory / "credential"

    @property
    def auth_file(self) -> Path:
        """Docker's `config.json`, for `--authfile`, `DOCKER_CONFIG` and `REGISTRY_AUTH_FILE`."""
        return self.credential / "config.json"

    @property
    def log(self) -> Path:
        return self.directory / "registry.log"

    @property
    def pid_file(self) -> Path:
        return self.directory / "registry.pid"

    @property
    def settings(self) -> Path:
        return self.directory / "settings.json"

    def holds(self, repository: str, digest: str) -> bool:
        """Whether the registry has the manifest with this digest.

        Raises:
            LaptopError: it answers neither yes nor no.
        """
        status = _status(self, f"/v2/{repository}/manifests/{digest}", authorized=True)
        if status not in (200, 404):
            raise LaptopError(
                f"the registry {self.address} answers {status} for {repository}@{digest}", solution=f"see {self.log}"
            )
        return status == 200


def start(directory: Path, *, port: int | None = None) -> Registry:
    """Start the registry that keeps its images in `directory`, unless it runs already; it outlives this process.

    Args:
        directory: made if it is not there. Images, port and credential in it serve the next start too.
        port: on 127.0.0.1; None takes the one of the last start, or a free one.

    Raises:
        BadInputError: something else listens on the port.
        LaptopError: it did not answer within :data:`START_WITHIN` seconds; the message holds the end of its log.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        registry = Registry(directory=directory.resolve(), port=port or _last_port(directory) or _free_port())
        running = _running(registry.pid_file)
        if running and (port is None or port == _last_port(directory)):
            _wait_until_it_answers(registry, running)
            return registry
        if running:
            _end(registry.pid_file, running)
        if _listens(registry.port):
            raise BadInputError(
                f"something else listens on {registry.address}",
                solution=f"end it, or remove {registry.settings} to have another port chosen",
            )
        _write_credential(registry)
        _write_settings(registry)
        with registry.log.open("wb") as log:
            child = subprocess.Popen(
                ["docker-registry", "serve", str(registry.settings)],
                cwd=registry.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                close_fds=True,
            )
        _children[child.pid] = child
        registry.pid_file.write_text(f"{child.pid}\n")
        _wait_until_it_answers(registry, child.pid)
        return registry


def stop(directory: Path) -> bool:
    """End the registry of `directory`; False if none was running. Its images stay."""
    pid_file = directory.resolve() / "registry.pid"
    running = _running(pid_file)
    if running:
        _end(pid_file, running)
    return bool(running)


@contextlib.contextmanager
def running(directory: Path, *, port: int | None = None) -> Iterator[Registry]:
    """A registry for the length of a block; see :func:`start`."""
    registry = start(directory, port=port)
    try:
        yield registry
    finally:
        stop(directory)


def _write_credential(registry: Registry) -> None:
    """The user's password, once for docker's clients and once, hashed, for the registry. Kept from start to start."""
    accounts = registry.directory / "htpasswd"
    if registry.auth_file.exists() and accounts.exists() and registry.address in registry.auth_file.read_text():
        return
    password = secrets.token_urlsafe(32)
    # docker-registry takes bcrypt only; a random password needs no more than the least rounds.
    line = run(["htpasswd", "-niBC", "4", USER], stdin=password, env={"PATH": _path()}, timeout=60).stdout.strip()
    registry.credential.mkdir(exist_ok=True, mode=0o700)
    _write_secret(accounts, f"{line}\n")
    token = base64.b64encode(f"{USER}:{password}".encode()).decode()
    _write_secret(registry.auth_file, json.dumps({"auths": {registry.address: {"auth": token}}}))


def _write_settings(registry: Registry) -> None:
    """docker-registry reads YAML, and JSON is YAML (https://distribution.github.io/distribution/about/configuration)."""
    _write_secret(
        registry.settings,
        json.dumps(
            {
                "version": "0.1",
                "log": {"level": "warn", "accesslog": {"disabled": True}},
                "storage": {
                    "filesystem": {"rootdirectory": str(registry.directory / "images")},
                    "delete": {"enabled": False},
                },
                "http": {"addr": registry.address, "secret": secrets.token_hex(32)},
                "auth": {"htpasswd": {"realm": "hallmark", "path": str(registry.directory / "htpasswd")}},
            },
            indent=2,
        ),
    )


def _write_secret(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _last_port(directory: Path) -> int | None:
    try:
        settings = json.loads((directory / "settings.json").read_text())
        return int(settings["http"]["addr"].rpartition(":")[2])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _running(pid_file: Path) -> int | None:
    """The process of a PID file if it still is the registry of that folder, and not a stranger with its number."""
    try:
        pid = int(pid_file.read_text())
        if (child := _children.get(pid)) is not None:
            return pid if child.poll() is None else None
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(pid_file.with_name("settings.json")) in command else None


def _end(pid_file: Path, pid: int) -> None:
    for number, patience in ((signal.SIGTERM, STOP_WITHIN), (signal.SIGKILL, STOP_WITHIN)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if _running(pid_file) is None:
                pid_file.unlink(missing_ok=True)
                _children.pop(pid, None)
                return
            time.sleep(0.02)
    raise LaptopError(f"the registry with process {pid} does not end", solution=f"end it yourself: kill -9 {pid}")


def _wait_until_it_answers(registry: Registry, pid: int) -> None:
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline and _running(registry.pid_file) == pid:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if _status(registry, "/v2/", authorized=True) == 200:
                return
        time.sleep(0.02)
    tail = registry.log.read_text(errors="replace").strip()[-600:] or "it printed nothing"
    raise LaptopError(
        f"the registry on {registry.address} does not answer: {tail}",
        solution=f"see {registry.log}; a password of another run is replaced when {registry.credential} is removed",
    )


def _status(registry: Registry, path: str, *, authorized: bool) -> int:
    """The status of a GET, over a direct connection: a proxy has no business on the loopback."""
    headers = {"Accept": MANIFEST}
    if authorized:
        token = json.loads(registry.auth_file.read_text())["auths"][registry.address]["auth"]
        headers["Authorization"] = f"Basic {token}"
    connection = http.client.HTTPConnection(HOST, registry.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
