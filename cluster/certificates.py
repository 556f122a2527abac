"""The cluster's certificate authority, certificates and kubeconfigs, made with openssl.

Who is who: https://kubernetes.io/docs/setup/best-practices/certificates/
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from cluster.places import API_PORT, API_SERVICE_ADDRESS, FORWARDED, KUBECONFIG, NODE, NODE_ADDRESS, STATE
from cluster.places import USER_KUBECONFIG as FOR_THE_USER
from hallmark.process import run

FOLDER = STATE / "certificates"
AUTHORITY = FOLDER / "ca.crt"
DAYS = "3650"
INSIDE = f"https://{NODE_ADDRESS}:{API_PORT}"
OUTSIDE = f"https://127.0.0.1:{FORWARDED[API_PORT]}"

CLIENTS = {
    "admin": "/O=system:masters/CN=hallmark-admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "kubelet": f"/O=system:nodes/CN=system:node:{NODE}",
    "kube-proxy": "/CN=system:kube-proxy",
    "apiserver-to-kubelet": "/O=system:masters/CN=kube-apiserver",
}
"""Whom the API server takes the owner of each certificate for."""

SERVER_NAMES = [
    "DNS:kubernetes",
    "DNS:kubernetes.default",
    "DNS:kubernetes.default.svc",
    "DNS:kubernetes.default.svc.cluster.local",
    "IP:127.0.0.1",
    f"IP:{API_SERVICE_ADDRESS}",
    f"IP:{NODE_ADDRESS}",
]


def ensure() -> None:
    """Make what is not there yet; keys are readable by root only."""
    FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not AUTHORITY.exists():
        _new_key(FOLDER / "ca.key")
        argv = ["openssl", "req", "-x509", "-new", "-key", str(FOLDER / "ca.key"), "-out", str(AUTHORITY)]
        run([*argv, "-subj", "/CN=hallmark-cluster", "-days", DAYS])
    if not (FOLDER / "service-accounts.key").exists():
        _new_key(FOLDER / "service-accounts.key")
    issue("apiserver", "/CN=kube-apiserver", "serverAuth", SERVER_NAMES)
    for name, subject in CLIENTS.items():
        issue(name, subject, "clientAuth", [])
    for name in ("controller-manager", "scheduler", "kubelet", "kube-proxy"):
        _write_kubeconfig(kubeconfig_of(name), INSIDE, name)
    _write_kubeconfig(KUBECONFIG, INSIDE, "admin")
    _write_kubeconfig(FOR_THE_USER, OUTSIDE, "admin")


def kubeconfig_of(component: str) -> Path:
    return FOLDER / f"{component}.kubeconfig"


def _new_key(target: Path) -> None:
    target.touch(mode=0o600)
    run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(target)])


def issue(name: str, subject: str, usage: str, names: Sequence[str]) -> None:
    """Have FOLDER/<name>.crt and .key, by the cluster's authority.

    Args:
        subject: as openssl takes it, `/CN=...`.
        usage: `serverAuth` or `clientAuth`.
        names: of a server, `DNS:...` and `IP:...`.
    """
    certificate, key = FOLDER / f"{name}.crt", FOLDER / f"{name}.key"
    if certificate.exists():
        return
    _new_key(key)
    request, extensions = FOLDER / f"{name}.csr", FOLDER / f"{name}.ext"
    lines = [f"extendedKeyUsage={usage}"] + ([f"subjectAltName={','.join(names)}"] if names else [])
    extensions.write_text("\n".join(lines) + "\n")
    run(["openssl", "req", "-new", "-key", str(key), "-subj", subject, "-out", str(request)])
    sign = ["openssl", "x509", "-req", "-in", str(request), "-CA", str(AUTHORITY), "-CAkey", str(FOLDER / "ca.key")]
    run([*sign, "-CAcreateserial", "-days", DAYS, "-extfile", str(extensions), "-out", str(certificate)])
    request.unlink()
    extensions.unlink()


def _write_kubeconfig(target: Path, server: str, user: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "hallmark", "cluster": {"server": server, "certificate-authority-data": _base64(AUTHORITY)}}
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _base64(FOLDER / f"{user}.crt"),
                    "client-key-data": _base64(FOLDER / f"{user}.key"),
                },
            }
        ],
        "contexts": [{"name": "hallmark", "context": {"cluster": "hallmark", "user": user, "namespace": "hallmark"}}],
        "current-context": "hallmark",
    }
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        yaml.safe_dump(document, file, sort_keys=False)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
