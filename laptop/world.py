"""What a platform team and a cluster would provide, on one machine: registries, a git server, keys, a base image."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hallmark.errors import BadInputError
from laptop import base_image, cosign, git_server, keys, packages, registry
from laptop.base_image import BaseImage
from laptop.console import Say
from laptop.keys import KeyPair
from laptop.registry import Registry
from laptop.setup import ROOT, TOOLS


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
        BadInputError: a package is missing that this user cannot install, or a port is taken.
        ToolFailedError: a service does not come up.
    """
    packages.ensure(say)
    program = cosign.ensure(ROOT / "tools", TOOLS / "bin", say)
    state.mkdir(parents=True, exist_ok=True)
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
                solution=f"end it (is another `make run` going on?), or remove {file} to have another port chosen",
            ) from error
        port = int(probe.getsockname()[1])
    file.write_text(f"{port}\n")
    return port
