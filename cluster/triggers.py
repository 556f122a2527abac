"""What a push to Gitea starts: the EventListener and the sample's Trigger, and the webhook that tells them."""

from __future__ import annotations

import os

import yaml

from cluster import gitea, kubectl
from cluster.catalog import secret
from cluster.enrolment import Enrolled, password
from cluster.places import PIPELINES_NAMESPACE, USER_KUBECONFIG
from cluster.waiting import until
from hallmark.files import write_text
from laptop.setup import ROOT

OVERLAY = USER_KUBECONFIG.parent / "triggers"
LISTENER = "el-hallmark"


def install(sample: Enrolled) -> None:
    """Apply triggers/gitea with the base image's digest, and have Gitea tell of pushes to the sample's repository."""
    OVERLAY.mkdir(parents=True, exist_ok=True)
    binding = yaml.safe_load((ROOT / "triggers/gitea/delivery-settings.yaml").read_text())
    for param in binding["spec"]["params"]:
        param["value"] = {"base-image": sample.base_image}.get(param["name"], param["value"])
    write_text(OVERLAY / "delivery-settings.yaml", yaml.safe_dump(binding, sort_keys=False))
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(ROOT / "triggers/gitea", OVERLAY)],
        "namespace": PIPELINES_NAMESPACE,
        "patches": [{"path": "delivery-settings.yaml"}],
    }
    write_text(OVERLAY / "kustomization.yaml", yaml.safe_dump(kustomization, sort_keys=False))
    signed_with = password(f"{sample.name}-webhook")
    kubectl.apply(secret(f"{sample.name}-webhook", {"secret": signed_with.encode()}))
    kubectl.apply_folder(OVERLAY)
    until(lambda: bool(_address()), "the EventListener's service", seconds=60, pause=0.5)
    # Gitea runs on the node, which asks the cluster's DNS nothing: it is given the service's address.
    gitea.forge().ensure_webhook(sample.source, f"http://{_address()}:8080", signed_with)


def wait() -> None:
    """Wait until the EventListener listens."""
    what = ["wait", "--for=condition=Available", "deployment", LISTENER, f"--namespace={PIPELINES_NAMESPACE}"]
    kubectl.kubectl(*what, "--timeout=90s", timeout=95)


def _address() -> str:
    service = kubectl.get("service", LISTENER, namespace=PIPELINES_NAMESPACE)
    return str(service["spec"]["clusterIP"]) if service else ""
