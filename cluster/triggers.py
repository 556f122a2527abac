"""What a push to Gitea starts: the EventListener, a Trigger for each model, and the webhooks that tell them."""

from __future__ import annotations

import os
from typing import Any

import yaml

from cluster import gitea, kubectl
from cluster.catalog import secret
from cluster.enrolment import Enrolled, password
from cluster.places import PIPELINES_NAMESPACE, USER_KUBECONFIG
from cluster.waiting import until
from hallmark.files import write_text
from laptop.setup import ROOT

OVERLAY = USER_KUBECONFIG.parent / "triggers"
FOLDER = ROOT / "triggers" / "gitea"
LISTENER = "el-hallmark"


def install(sample: Enrolled) -> None:
    """Apply triggers/gitea with the base image's digest, and have Gitea tell of pushes to the sample's repository."""
    OVERLAY.mkdir(parents=True, exist_ok=True)
    write_text(OVERLAY / "delivery-settings.yaml", yaml.safe_dump(settings_of(sample), sort_keys=False))
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(FOLDER, OVERLAY)],
        "namespace": PIPELINES_NAMESPACE,
        "patches": [{"path": "delivery-settings.yaml"}],
    }
    write_text(OVERLAY / "kustomization.yaml", yaml.safe_dump(kustomization, sort_keys=False))
    _have_secret(sample)
    kubectl.apply_folder(OVERLAY)
    tell_of_pushes(sample)


def add(model: Enrolled) -> None:
    """Have pushes to another model's repository deliver it, with a configuration repository of its own."""
    settings = settings_of(model)
    settings["metadata"]["name"] = f"{model.name}-settings"
    trigger = trigger_of(model, settings["metadata"]["name"])
    for item in (settings, trigger):
        item["metadata"]["namespace"] = PIPELINES_NAMESPACE
    _have_secret(model)
    kubectl.apply(settings, trigger)
    tell_of_pushes(model)


def settings_of(model: Enrolled) -> dict[str, Any]:
    """The TriggerBinding of triggers/gitea, for a model's base image and configuration repository, signed or not."""
    binding: dict[str, Any] = yaml.safe_load((FOLDER / "delivery-settings.yaml").read_text())
    for param in binding["spec"]["params"]:
        if param["name"] in ("base-image", "config-repository-url"):
            param["value"] = model.params[param["name"]]
    if model.model_key:
        binding["spec"]["params"].append({"name": "sign-model", "value": model.params["sign-model"]})
    return binding


def trigger_of(model: Enrolled, settings: str) -> dict[str, Any]:
    """The Trigger of triggers/gitea, for another model, whose TriggerBinding is called `settings`."""
    text = (FOLDER / "iris.yaml").read_text()
    text = text.replace("makers/iris", model.source).replace("iris-webhook", webhook_secret(model))
    trigger: dict[str, Any] = yaml.safe_load(text)
    trigger["metadata"]["name"] = model.name
    bindings = trigger["spec"]["bindings"]
    next(binding for binding in bindings if binding.get("ref") == "delivery-settings")["ref"] = settings
    next(binding for binding in bindings if binding.get("name") == "model")["value"] = model.name
    return trigger


def webhook_secret(model: Enrolled) -> str:
    """The Secret with what the webhook of a model's repository signs with."""
    return f"{model.name}-webhook"


def _have_secret(model: Enrolled) -> None:
    name = webhook_secret(model)
    kubectl.apply(secret(name, {"secret": password(name).encode()}))


def tell_of_pushes(model: Enrolled) -> None:
    """Have Gitea tell the EventListener of pushes to a model's repository."""
    until(lambda: bool(_address()), "the EventListener's service", seconds=60, pause=0.5)
    # Gitea runs on the node, which asks the cluster's DNS nothing: it is given the service's address.
    url = f"http://{_address()}:8080"
    gitea.forge().ensure_webhook(model.source, url, password(webhook_secret(model)))


def wait() -> None:
    """Wait until the EventListener listens."""
    what = ["wait", "--for=condition=Available", "deployment", LISTENER, f"--namespace={PIPELINES_NAMESPACE}"]
    kubectl.kubectl(*what, "--timeout=90s", timeout=95)


def _address() -> str:
    service = kubectl.get("service", LISTENER, namespace=PIPELINES_NAMESPACE)
    return str(service["spec"]["clusterIP"]) if service else ""
