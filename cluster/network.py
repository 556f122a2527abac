"""The cluster's network: a namespace with the node's address on a bridge, and forwarders from the loopback."""

from __future__ import annotations

import socket
from pathlib import Path

from cluster.daemons import Daemon, inside, running
from cluster.errors import ClusterError
from cluster.places import FORWARDED, NETWORK_NAMESPACE, NODE_ADDRESS, SERVICE_RANGE, STATE
from hallmark.process import run

BRIDGE = "node0"


def start() -> None:
    """Make the namespace, unless it is there. It has no way out: nothing in it reaches another machine."""
    if exists():
        return
    run(["ip", "netns", "add", NETWORK_NAMESPACE])
    for arguments in (
        ["link", "set", "lo", "up"],
        ["link", "add", BRIDGE, "type", "bridge"],
        ["address", "add", f"{NODE_ADDRESS}/24", "dev", BRIDGE],
        ["link", "set", BRIDGE, "up"],
        # Processes of the node need some route to a service before kube-proxy's rules see their packets.
        ["route", "add", SERVICE_RANGE, "dev", BRIDGE],
    ):
        run(inside(["ip", *arguments]))
    for setting in ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.route_localnet=1"):
        run(inside(["sysctl", "--quiet", "--write", setting]))


def exists() -> bool:
    return Path("/run/netns", NETWORK_NAMESPACE).exists()


def remove() -> None:
    """Remove the namespace, and with it every interface, address and iptables rule in it."""
    if exists():
        run(["ip", "netns", "delete", NETWORK_NAMESPACE])


def start_forwarders() -> None:
    """Let processes outside reach the services of :data:`FORWARDED`, on 127.0.0.1 only.

    A Unix socket is seen in both namespaces, so no interface leads from one to the other.
    """
    for port, loopback in FORWARDED.items():
        meeting = STATE / "run" / f"forward-{port}.sock"
        if running(f"forward-{port}-outside") is None and listens("127.0.0.1", loopback):
            raise ClusterError(
                f"something else listens on 127.0.0.1:{loopback}", solution="end it, then run this again"
            )
        Daemon(
            name=f"forward-{port}-inside",
            argv=["socat", f"UNIX-LISTEN:{meeting},fork,unlink-early,mode=600", f"TCP:{NODE_ADDRESS}:{port}"],
        ).start(meeting.exists, seconds=10)
        Daemon(
            name=f"forward-{port}-outside",
            argv=["socat", f"TCP-LISTEN:{loopback},bind=127.0.0.1,reuseaddr,fork", f"UNIX-CONNECT:{meeting}"],
            inside=False,
        ).start(lambda port=loopback: listens("127.0.0.1", port), seconds=10)  # type: ignore[misc]


def listens(host: str, port: int) -> bool:
    """Whether somebody accepts connections there, seen from outside the namespace."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def listens_inside(port: int, address: str = NODE_ADDRESS) -> bool:
    """Whether somebody accepts connections at an address of the node."""
    probe = ["socat", "-u", "OPEN:/dev/null", f"TCP:{address}:{port},connect-timeout=1"]
    return run(inside(probe), accept=None, timeout=5).exit_code == 0
