"""sigstore's policy-controller, which asks for signatures and verdicts where a pod is created: upstream's webhook.

Not a part of `make cluster-up`: it is one of several that may hold `hallmark policy admission`'s manifests.
"""

from __future__ import annotations

from typing import Any

import yaml

from cluster import certificates, daemons, kubectl
from cluster.addons import Addon
from cluster.daemons import Daemon, inside
from cluster.network import BRIDGE, listens_inside
from cluster.places import NODE_ADDRESS, RELEASES, RELEASES_PORT
from cluster.waiting import until
from hallmark.process import run

NAMESPACE = "cosign-system"
LABEL = "policy.sigstore.dev/include"
"""Namespaces that have it with the value `true` are guarded."""

WEBHOOK = Addon(
    name="policy-webhook",
    source="controllers",
    module="github.com/sigstore/policy-controller",
    package="github.com/sigstore/policy-controller/cmd/webhook",
    namespace=NAMESPACE,
)

HTTPS = "releases-by-https"
HTTPS_ADDRESS = NODE_ADDRESS.rpartition(".")[0] + ".2"
"""Of the node too: the releases' registry by HTTPS, under its own name and port.

policy-controller asks no registry by plain HTTP but one on the loopback, of a private address or in `.local`
(go-containerregistry's pkg/name/registry.go), and cannot be told to.
"""

AUTHORITY = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
"""The cluster's own authority, as every pod has it."""


def start() -> None:
    """Build and install the webhook, and wait until it judges policies."""
    _serve_releases_by_https()
    WEBHOOK.start(_for_this_machine)
    WEBHOOK.wait()
    policy = {
        "apiVersion": "policy.sigstore.dev/v1beta1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "admitted"},
        "spec": {"images": [{"glob": "registry.example.com/none"}], "authorities": [{"static": {"action": "fail"}}]},
    }
    create = ["create", "--dry-run=server", "-f", "-"]
    until(
        lambda: kubectl.kubectl(*create, stdin=yaml.safe_dump(policy), accept=None).exit_code == 0,
        "policy-controller's webhook to admit a ClusterImagePolicy",
        seconds=60,
        pause=0.5,
    )


def stop() -> None:
    """Remove the webhook, all ClusterImagePolicies, and the releases' second address."""
    WEBHOOK.stop()
    daemons.stop(HTTPS)
    run(inside(["ip", "address", "delete", f"{HTTPS_ADDRESS}/32", "dev", BRIDGE]), accept=None)


def _serve_releases_by_https() -> None:
    host = RELEASES.partition(":")[0]
    certificates.issue(HTTPS, f"/CN={host}", "serverAuth", [f"DNS:{host}"])
    run(inside(["ip", "address", "replace", f"{HTTPS_ADDRESS}/32", "dev", BRIDGE]))
    certificate = certificates.FOLDER / HTTPS
    listen = f"OPENSSL-LISTEN:{RELEASES_PORT},bind={HTTPS_ADDRESS},cert={certificate}.crt,key={certificate}.key"
    argv = ["socat", f"{listen},verify=0,reuseaddr,fork", f"TCP:{NODE_ADDRESS}:{RELEASES_PORT}"]
    Daemon(name=HTTPS, argv=argv).start(lambda: listens_inside(RELEASES_PORT, HTTPS_ADDRESS), seconds=10)


def _for_this_machine(item: dict[str, Any]) -> dict[str, Any]:
    """Upstream's Deployment where nothing leads to the internet, and where nobody waits for pods that are removed."""
    if item["kind"] != "Deployment":
        return item
    pod = item["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    # Sigstore's public keys would be fetched at the start; the policies here have keys of their own.
    container["args"] = [*container["args"], "--disable-tuf"]
    container["env"].append({"name": "SSL_CERT_FILE", "value": AUTHORITY})
    container["readinessProbe"] = {**container["readinessProbe"], "initialDelaySeconds": 1}
    pod["hostAliases"] = [{"ip": HTTPS_ADDRESS, "hostnames": [RELEASES.partition(":")[0]]}]
    pod["terminationGracePeriodSeconds"] = 1
    return item
