"""kube-apiserver."""

from __future__ import annotations

from cluster import etcd
from cluster.certificates import AUTHORITY, FOLDER
from cluster.daemons import Daemon
from cluster.kubectl import kubectl
from cluster.places import API_PORT, NODE_ADDRESS, SERVICE_RANGE
from cluster.programs import program


def start() -> None:
    flags = {
        "advertise-address": NODE_ADDRESS,
        "allow-privileged": "false",
        "anonymous-auth": "false",
        "authorization-mode": "Node,RBAC",
        "bind-address": "0.0.0.0",  # noqa: S104 the namespace is closed
        "client-ca-file": AUTHORITY,
        "enable-admission-plugins": "NodeRestriction",
        # The aggregator's services are pods; kube-proxy's rules hold for this process too, but need a moment.
        "enable-aggregator-routing": "true",
        "etcd-servers": etcd.URL,
        "kubelet-client-certificate": FOLDER / "apiserver-to-kubelet.crt",
        "kubelet-client-key": FOLDER / "apiserver-to-kubelet.key",
        # The node's name is known to nobody; without this logs cannot be read.
        "kubelet-preferred-address-types": "InternalIP",
        "secure-port": API_PORT,
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": FOLDER / "service-accounts.key",
        "service-account-signing-key-file": FOLDER / "service-accounts.key",
        "service-cluster-ip-range": SERVICE_RANGE,
        "tls-cert-file": FOLDER / "apiserver.crt",
        "tls-private-key-file": FOLDER / "apiserver.key",
    }
    argv = [str(program("kube-apiserver")), *(f"--{name}={value}" for name, value in flags.items())]
    Daemon(name="kube-apiserver", argv=argv).start(ready, seconds=60)


def ready() -> bool:
    """Whether it says so itself, all its checks included."""
    return kubectl("get", "--raw", "/readyz", accept=None, timeout=5).exit_code == 0
