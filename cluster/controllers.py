"""kube-controller-manager and kube-scheduler."""

from __future__ import annotations

from cluster.certificates import AUTHORITY, FOLDER, kubeconfig_of
from cluster.daemons import Daemon
from cluster.network import listens_inside
from cluster.places import NODE_ADDRESS, POD_RANGE
from cluster.programs import program

MANAGER_PORT, SCHEDULER_PORT = 10257, 10259


def start() -> None:
    manager = {
        "allocate-node-cidrs": "true",
        "bind-address": NODE_ADDRESS,
        "cluster-cidr": POD_RANGE,
        "kubeconfig": kubeconfig_of("controller-manager"),
        # One node, one manager: an election would only make a restart wait for the old lease.
        "leader-elect": "false",
        "root-ca-file": AUTHORITY,
        "secure-port": MANAGER_PORT,
        "service-account-private-key-file": FOLDER / "service-accounts.key",
        "use-service-account-credentials": "true",
    }
    scheduler = {
        "bind-address": NODE_ADDRESS,
        "kubeconfig": kubeconfig_of("scheduler"),
        "leader-elect": "false",
        "secure-port": SCHEDULER_PORT,
    }
    for name, flags, port in (
        ("kube-controller-manager", manager, MANAGER_PORT),
        ("kube-scheduler", scheduler, SCHEDULER_PORT),
    ):
        argv = [str(program(name)), *(f"--{flag}={value}" for flag, value in flags.items())]
        Daemon(name=name, argv=argv).start(lambda port=port: listens_inside(port), seconds=30)  # type: ignore[misc]
