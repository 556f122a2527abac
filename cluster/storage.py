"""The default StorageClass: folders of the node, made and removed by local-path-provisioner."""

from __future__ import annotations

import json
from typing import Any

from cluster import kubectl
from cluster.control_images import BUSYBOX, reference
from cluster.places import STATE
from cluster.upstream import manifests, module_folder

FOLDER = STATE / "volumes"
NAMESPACE = "local-path-storage"
CLASS = "standard"


def start() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    upstream = module_folder("local-path", "github.com/rancher/local-path-provisioner") / "deploy"
    images = {
        "rancher/local-path-provisioner:v0.0.30": reference("local-path-provisioner"),
        "image: busybox": f"image: {BUSYBOX}",
        "/opt/local-path-provisioner": str(FOLDER),
    }
    kubectl.apply(*map(_adapted, manifests(upstream, "local-path-storage.yaml", images)))


def _adapted(item: dict[str, Any]) -> dict[str, Any]:
    if item["kind"] == "StorageClass":
        item["metadata"] = {
            "name": CLASS,
            "annotations": {
                "storageclass.kubernetes.io/is-default-class": "true",
                # Only on volumes of this type does the kubelet honour a pod's fsGroup.
                "defaultVolumeType": "local",
            },
        }
    if item["kind"] == "Deployment":
        container = item["spec"]["template"]["spec"]["containers"][0]
        # The program is the image's entrypoint, and has no folder on PATH.
        container["args"] = container.pop("command")[1:]
        container["resources"] = {"requests": {"cpu": "10m", "memory": "32Mi"}}
    if item["kind"] == "ConfigMap":
        item["data"]["config.json"] = json.dumps(
            {"nodePathMap": [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [str(FOLDER)]}]}
        )
    return item
