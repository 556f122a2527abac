"""Tekton Pipelines with its resolvers, and Tekton Triggers: upstream's manifests, programs built here."""

from __future__ import annotations

from typing import Any

import yaml

from cluster import kubectl
from cluster.control_images import BUSYBOX, reference
from cluster.programs import PIPELINES, TRIGGERS
from cluster.upstream import manifests, module_folder, of_kinds
from cluster.waiting import until
from laptop.console import Say

NAMESPACES = ("tekton-pipelines", "tekton-pipelines-resolvers")
SHELL_UPSTREAM = "cgr.dev/chainguard/busybox@sha256:19f02276bf8dbdd62f069b922f10c65262cc34b710eea26ff928129a736be791"

POD_TEMPLATE = {"securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532}}
"""For every run that says nothing else; OpenShift's security context constraints do the same there."""

FEATURES = {"set-security-context": "true"}
"""Tekton's own containers in each pod then pass the restricted profile too."""


def start(say: Say) -> None:
    """Apply the manifests; :func:`wait` waits until everything runs."""
    objects = _pipelines() + _triggers()
    namespaces, rest = of_kinds(objects, "Namespace")
    definitions, rest = of_kinds(rest, "CustomResourceDefinition")
    interceptors, rest = of_kinds(rest, "ClusterInterceptor")
    settings, rest = of_kinds(rest, "ConfigMap")
    kubectl.apply(*namespaces, *definitions, server_side=True)
    kubectl.apply(*map(_with_settings, settings), *rest, server_side=True)
    kubectl.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", timeout=70)
    kubectl.apply(*interceptors, server_side=True)
    say(f"Tekton: {len(objects)} objects applied")


def wait() -> None:
    """Wait until every deployment is available and the webhooks admit a Task."""
    for namespace in NAMESPACES:
        kubectl.wait_for_deployments(namespace, seconds=120)
    task = {
        "apiVersion": "tekton.dev/v1",
        "kind": "Task",
        "metadata": {"name": "admitted", "namespace": "default"},
        "spec": {"steps": [{"name": "none", "image": BUSYBOX, "command": ["true"]}]},
    }
    create = ["create", "--dry-run=server", "-f", "-"]
    until(
        lambda: kubectl.kubectl(*create, stdin=yaml.safe_dump(task), accept=None).exit_code == 0,
        "Tekton's webhook to admit a Task",
        seconds=60,
        pause=0.5,
    )


def _pipelines() -> list[dict[str, Any]]:
    folder = module_folder("tekton", "github.com/tektoncd/pipeline") / "config"
    images = {
        f"ko://github.com/tektoncd/pipeline/cmd/{name}": reference(f"tekton-pipelines-{name}") for name in PIPELINES
    }
    images[SHELL_UPSTREAM] = BUSYBOX
    found = []
    for place in ("100-namespace", "300-crds", ".", "resolvers"):
        found += manifests(folder / place, "*.yaml", images)
    # One replica is all that this machine has room for.
    return [item for item in found if item["kind"] != "HorizontalPodAutoscaler"]


def _triggers() -> list[dict[str, Any]]:
    folder = module_folder("tekton", "github.com/tektoncd/triggers") / "config"
    images = {
        f"ko://github.com/tektoncd/triggers/cmd/{name}": reference(f"tekton-triggers-{name}") for name in TRIGGERS
    }
    return manifests(folder, "*.yaml", images) + manifests(folder / "interceptors", "*.yaml", images)


def _with_settings(item: dict[str, Any]) -> dict[str, Any]:
    changes = {
        "config-defaults": {"default-pod-template": yaml.safe_dump(POD_TEMPLATE)},
        "feature-flags": FEATURES,
    }
    extra = changes.get(item["metadata"]["name"])
    return {**item, "data": {**item.get("data", {}), **extra}} if extra else item
