"""kube-proxy: makes services reachable, by iptables rules in the cluster's network namespace."""

from __future__ import annotations

from cluster.certificates import kubeconfig_of
from cluster.daemons import Daemon
from cluster.network import listens_inside
from cluster.places import NODE, NODE_ADDRESS, POD_RANGE
from cluster.programs import program

HEALTH_PORT = 10256


def start() -> None:
    flags = {
        "cluster-cidr": POD_RANGE,
        # The machine's own limits and OOM score are not ours to change.
        "conntrack-max-per-core": 0,
        "conntrack-tcp-timeout-close-wait": 0,
        "conntrack-tcp-timeout-established": 0,
        "healthz-bind-address": f"{NODE_ADDRESS}:{HEALTH_PORT}",
        "hostname-override": NODE,
        "kubeconfig": kubeconfig_of("kube-proxy"),
        "oom-score-adj": 0,
        "proxy-mode": "iptables",
    }
    argv = [str(program("kube-proxy")), *(f"--{name}={value}" for name, value in flags.items())]
    Daemon(name="kube-proxy", argv=argv).start(lambda: listens_inside(HEALTH_PORT), seconds=30)
