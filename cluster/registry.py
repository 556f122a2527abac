"""The two registries: `candidates`, which builds push to, and `releases`, which only signing writes.

docker-registry knows no rights by repository, so the build's credential could not be kept from the releases in one.
"""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path

from cluster import daemons
from cluster.daemons import Daemon
from cluster.network import listens_inside
from cluster.places import CANDIDATES, CANDIDATES_PORT, FORWARDED, NODE_ADDRESS, RELEASES, RELEASES_PORT, STATE
from hallmark.files import write_text
from hallmark.process import run

PORTS = {"candidates": CANDIDATES_PORT, "releases": RELEASES_PORT}
NAMES = {"candidates": CANDIDATES, "releases": RELEASES}
USER = "hallmark"


def start(name: str) -> None:
    """Start the registry `name`; its images are those of the last time."""
    folder = STATE / "registries" / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not credential(name).exists():
        _write_credential(name, folder)
    settings = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}, "delete": {"enabled": False}},
        "http": {"addr": f"{NODE_ADDRESS}:{PORTS[name]}", "secret": secrets.token_hex(32)},
        "auth": {"htpasswd": {"realm": "hallmark", "path": str(folder / "htpasswd")}},
    }
    # docker-registry reads YAML, and JSON is YAML.
    write_text(folder / "settings.json", json.dumps(settings, indent=2))
    argv = ["docker-registry", "serve", str(folder / "settings.json")]
    Daemon(name=f"registry-{name}", argv=argv).start(lambda: listens_inside(PORTS[name]), seconds=15)


def stop(name: str) -> bool:
    """End the registry `name`; False if it did not run."""
    return daemons.stop(f"registry-{name}")


def credential(name: str) -> Path:
    """Docker's `config.json` for the registry `name`, good by its name in the cluster and on the loopback."""
    return STATE / "registries" / name / "credential" / "config.json"


def outside(name: str) -> str:
    """The address of the registry `name` for processes of this machine."""
    return f"127.0.0.1:{FORWARDED[PORTS[name]]}"


def _write_credential(name: str, folder: Path) -> None:
    password = secrets.token_urlsafe(32)
    # docker-registry takes bcrypt only; a random password needs no more than the least rounds.
    line = run(["htpasswd", "-niBC", "4", USER], stdin=password, timeout=60).stdout.strip()
    write_text(folder / "htpasswd", f"{line}\n")
    token = base64.b64encode(f"{USER}:{password}".encode()).decode()
    addresses = (NAMES[name], outside(name))
    credential(name).parent.mkdir(exist_ok=True, mode=0o700)
    write_text(credential(name), json.dumps({"auths": {address: {"auth": token} for address in addresses}}))
