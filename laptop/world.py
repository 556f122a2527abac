"""What a platform team and a cluster would provide, on one machine: registries, a git server, keys, a base image."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hallmark.errors import BadInputError
from laptop import base_image, cosign, git_server, gitleaks, keys, packages, registry
from laptop.base_image import BaseImage
from laptop.console import Say
from laptop.errors import LaptopError
from laptop.keys import KeyPair
from laptop.registry import Registry
from laptop.setup import ROOT, TOOLS

NEEDED = 2_000_000_000
"""Bytes that have to be free: the base image unpacked and packed, a model's layers, two registries, podman's copy."""


@dataclass(frozen=True, kw_only=True)
class World:
    """The services that deliveries share; each delivery has its own repositories and folders on them."""

    state: Path
    """Everything that is kept between runs lies below this folder."""
    candidates: Registry
    releases: Registry
    git_url: str
    """What a bare repository's folder name below `repositories` is appended to."""
    keys: KeyPair
    cosign: Path
    base: BaseImage

    @property
    def repositories(self) -> Path:
        return self.state / "repositories"


@contextlib.contextmanager
def running(state: Path, say: Say) -> Iterator[World]:
    """Bring up whatever is missing below `state`. The registries outlive the block, so that images can be looked at.

    Raises:
        BadInputError: a package is missing that this user cannot install, a port is taken, or another run goes on.
        ToolFailedError: a service does not come up, or the disk is full.
    """
    state.mkdir(parents=True, exist_ok=True)
    with locked(state):
        _require_space(state)
        packages.ensure(say)
        program = cosign.ensure(ROOT / "tools", TOOLS / "bin", say)
        gitleaks.ensure(ROOT / "tools", TOOLS / "bin", say)
        repositories = state / "repositories"
        repositories.mkdir(exist_ok=True)
        candidates = registry.start(state / "registries/candidates")
        releases = registry.start(state / "registries/releases")
        base = base_image.ensure(candidates, TOOLS / "base-image", say)
        pair = keys.ensure(state / "keys", program)
        with git_server.serving(repositories, port=_kept_port(state / "git.port"), log=state / "git.log") as url:
            yield World(
                state=state,
                candidates=candidates,
                releases=releases,
                git_url=url,
                keys=pair,
                cosign=program,
                base=base,
            )


@contextlib.contextmanager
def locked(state: Path) -> Iterator[None]:
    """Have the folder `state`, which exists, for oneself while the block runs.

    Raises:
        BadInputError: another process has it.
    """
    with (state / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInputError(
                f"another run or `make clean` is using {state}",
                solution="wait for its end, or deliver beside it with --state=ANOTHER_FOLDER",
            ) from error
        yield


def _require_space(state: Path) -> None:
    free = shutil.disk_usage(state).free
    if free < NEEDED:
        raise LaptopError(
            f"{state} has {free / 1e9:.1f} GB free and a delivery needs about {NEEDED / 1e9:.0f} GB: the base image, "
            "packed and unpacked, and each model's image in two registries",
            solution="make room (`make clean` removes earlier runs and images), or give --state=FOLDER elsewhere",
        )


def _kept_port(file: Path) -> int:
    """The port of the last time: it is part of the source's URL, and so of the image's labels and digest.

    Raises:
        BadInputError: something else listens there now.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = int(file.read_text()) if file.exists() else 0
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BadInputError(
                f"something else listens on 127.0.0.1:{port}, the git server's port",
                solution=f"end it; if that cannot be, remove {file} to have another port chosen",
            ) from error
        port = int(probe.getsockname()[1])
    file.write_text(f"{port}\n")
    return port
