"""Tekton Chains, which signs what runs say they made: upstream's manifests, its controller built here.

Not a part of `make cluster-up`: OpenShift Pipelines brings it, and Hallmark works with it and without it.
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from cluster import kubectl
from cluster.addons import Addon
from cluster.catalog import secret
from cluster.places import PIPELINES_NAMESPACE
from cluster.waiting import until

NAME, NAMESPACE = "tekton-chains-controller", "tekton-chains"
USER = f"system:serviceaccount:{NAMESPACE}:{NAME}"
PREFIX = "chains.tekton.dev/"
CONTROLLER = Addon(
    name=NAME,
    source="controllers",
    module="github.com/tektoncd/chains",
    package="github.com/tektoncd/chains/cmd/controller",
    namespace=NAMESPACE,
)

SETTINGS = {
    "artifacts.taskrun.format": "slsa/v2alpha4",
    "artifacts.taskrun.storage": "tekton",
    "artifacts.pipelinerun.format": "slsa/v2alpha4",
    "artifacts.pipelinerun.storage": "tekton",
    # Chains 0.26 asks a registry on plain HTTP for the image by HTTPS, even where it is told to write by HTTP.
    "artifacts.oci.storage": "",
}
"""https://tekton.dev/docs/chains/config/: what it signs stands in the annotations of the runs."""


def start(keys: Mapping[str, bytes]) -> None:
    """Build and install the controller, and wait until it runs.

    Args:
        keys: files of cosign's key pair: `cosign.key`, `cosign.password`, `cosign.pub`.
    """
    CONTROLLER.start()
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "chains-config", "namespace": NAMESPACE},
        "data": SETTINGS,
    }
    kubectl.apply(settings, secret("signing-secrets", keys, namespace=NAMESPACE), server_side=True)
    CONTROLLER.wait()


def stop() -> None:
    """Remove the controller, and what it has put on runs so that they wait for it before they are deleted."""
    kubectl.kubectl("scale", "deployment", NAME, f"--namespace={NAMESPACE}", "--replicas=0")
    for kind in ("taskrun", "pipelinerun"):
        for item in kubectl.items(kind, namespace=PIPELINES_NAMESPACE):
            there = item["metadata"].get("finalizers", [])
            kept = [name for name in there if not name.startswith(PREFIX)]
            if kept != there:
                patch = yaml.safe_dump({"metadata": {"finalizers": kept}})
                what = ["patch", kind, item["metadata"]["name"], f"--namespace={PIPELINES_NAMESPACE}"]
                # Nobody else may change a run that was started.
                kubectl.kubectl(*what, "--type=merge", f"--patch={patch}", f"--as={USER}")
    CONTROLLER.stop()


def noted(kind: str, name: str) -> dict[str, str]:
    """What Chains has written on a run, without its prefix, once it is done with it.

    Raises:
        ToolFailedError: it was not within three minutes.
    """

    def found() -> dict[str, str]:
        item = kubectl.get(kind, name, namespace=PIPELINES_NAMESPACE) or {"metadata": {}}
        there = item["metadata"].get("annotations", {}).items()
        return {key.removeprefix(PREFIX): value for key, value in there if key.startswith(PREFIX)}

    until(lambda: "signed" in found(), f"Tekton Chains to sign the {kind} {name}", seconds=180, pause=1)
    return found()
