"""etcd: what the API server keeps its objects in."""

from __future__ import annotations

from cluster.daemons import Daemon
from cluster.network import listens_inside
from cluster.places import STATE

PORT = 2379
URL = f"http://127.0.0.1:{PORT}"
"""The node's loopback: it asks nobody who they are, and pods reach the node's other address."""


def start() -> None:
    data = STATE / "etcd"
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    argv = ["etcd", f"--data-dir={data}", f"--listen-client-urls={URL}", f"--advertise-client-urls={URL}"]
    argv += ["--listen-peer-urls=http://127.0.0.1:2380", "--logger=zap", "--log-level=warn"]
    Daemon(name="etcd", argv=argv).start(lambda: listens_inside(PORT, "127.0.0.1"), seconds=30)
