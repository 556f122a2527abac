"""Tekton Chains, which signs what runs say they made: upstream's manifests, its controller built here.

Not a part of `make cluster-up`: OpenShift Pipelines brings it, and Hallmark works with it and without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from cluster import containerd, kubectl
from cluster.catalog import secret
from cluster.control_images import reference
from cluster.places import PIPELINES_NAMESPACE, PROGRAMS, SOURCES, STATE
from cluster.static_images import archive
from cluster.upstream import manifests, module_folder
from cluster.waiting import until
from laptop import go_tools

MODULE, PACKAGE = "github.com/tektoncd/chains", "github.com/tektoncd/chains/cmd/controller"
NAME, NAMESPACE = "tekton-chains-controller", "tekton-chains"
SIGNED = "chains.tekton.dev/signed"
FINALIZER = "chains.tekton.dev"

SETTINGS = {
    "artifacts.taskrun.format": "slsa/v2alpha4",
    "artifacts.taskrun.storage": "tekton,oci",
    "artifacts.pipelinerun.format": "slsa/v2alpha4",
    "artifacts.pipelinerun.storage": "tekton,oci",
    "artifacts.oci.format": "simplesigning",
    "artifacts.oci.storage": "oci",
    # The registries of this machine are on plain HTTP.
    "storage.oci.repository.insecure": "true",
}
"""https://tekton.dev/docs/chains/config/; what docs/install.md asks for."""


def start(keys: Mapping[str, bytes]) -> None:
    """Build and install the controller, and wait until it runs.

    Args:
        keys: files of cosign's key pair: `cosign.key`, `cosign.password`, `cosign.pub`.
    """
    program = PROGRAMS / NAME
    if not go_tools.is_built(SOURCES / "chains", PACKAGE, program):
        go_tools.build(SOURCES / "chains", PACKAGE, program)
    image = STATE / "images" / f"{NAME}.tar"
    archive(image, reference=reference(NAME), files={"/ko-app/controller": program}, entrypoint=["/ko-app/controller"])
    containerd.import_image(image)
    image.unlink()
    objects = manifests(module_folder("chains", MODULE) / "config", "*.yaml", {f"ko://{PACKAGE}": reference(NAME)})
    kubectl.apply(*(item for item in objects if item["kind"] == "Namespace"), server_side=True)
    kubectl.apply(*(item for item in objects if item["kind"] != "Namespace"), server_side=True)
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "chains-config", "namespace": NAMESPACE},
        "data": SETTINGS,
    }
    kubectl.apply(settings, secret("signing-secrets", keys, namespace=NAMESPACE), server_side=True)
    kubectl.wait_for_deployments(NAMESPACE, seconds=120)


def stop() -> None:
    """Remove the controller, and what it has put on runs so that they wait for it before they are deleted."""
    kubectl.kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=60s", timeout=70)
    for kind in ("taskrun", "pipelinerun"):
        for item in kubectl.items(kind, namespace=PIPELINES_NAMESPACE, selector=""):
            kept = [name for name in item["metadata"].get("finalizers", []) if name != FINALIZER]
            if len(kept) != len(item["metadata"].get("finalizers", [])):
                patch = yaml.safe_dump({"metadata": {"finalizers": kept}})
                what = ["patch", kind, item["metadata"]["name"], f"--namespace={PIPELINES_NAMESPACE}"]
                kubectl.kubectl(*what, "--type=merge", f"--patch={patch}")


def signed(kind: str, name: str) -> dict[str, Any]:
    """The run once Chains has signed it. Raises ToolFailedError where it does not within three minutes."""

    def found() -> dict[str, Any]:
        return kubectl.get(kind, name, namespace=PIPELINES_NAMESPACE) or {"metadata": {}}

    until(
        lambda: SIGNED in found()["metadata"].get("annotations", {}),
        f"Tekton Chains to sign the {kind} {name}",
        seconds=180,
        pause=1,
    )
    return found()
