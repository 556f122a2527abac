"""The releases of the one-machine cluster by https: a second registry over the same images, which only reads them."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import registry
from cluster.daemons import inside
from cluster.network import listens_inside
from cluster.places import NODE_ADDRESS, RELEASES
from services.faulty_registry import authority
from services.processes import free_port, running

HOST = RELEASES.partition(":")[0]


@dataclass(frozen=True, kw_only=True)
class Store:
    """`address`: host and port, as pods reach them. `authority`: the certificate of the authority of its own."""

    address: str
    authority: Path

    @property
    def docker_config(self) -> dict[str, Any]:
        """What a pod has to send: the credential of the releases, for this address."""
        known = json.loads(registry.credential("releases").read_text())["auths"][RELEASES]
        return {"auths": {self.address: known}}


@contextlib.contextmanager
def https_releases(folder: Path) -> Iterator[Store]:
    """Such a registry for the length of a block; its certificate, by an authority of its own, in `folder`."""
    authority(folder, f"DNS:{HOST}")
    port = free_port()
    there = registry.credential("releases").parents[1]
    settings = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(there / "images")},
            "maintenance": {"readonly": {"enabled": True}},
        },
        "http": {
            "addr": f"{NODE_ADDRESS}:{port}",
            "secret": secrets.token_hex(32),
            "tls": {"certificate": str(folder / "server.crt"), "key": str(folder / "server.key")},
        },
        "auth": {"htpasswd": {"realm": "hallmark", "path": str(there / "htpasswd")}},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    argv = inside(["docker-registry", "serve", str(folder / "settings.json")])
    with running(argv, folder / "log", lambda: listens_inside(port)):
        yield Store(address=f"{HOST}:{port}", authority=folder / "ca.crt")
