"""kubelet: starts the node's pods."""

from __future__ import annotations

from pathlib import Path

import yaml

from cluster import containerd, control_groups
from cluster.certificates import AUTHORITY, kubeconfig_of
from cluster.daemons import Daemon
from cluster.kubectl import get
from cluster.places import DNS_ADDRESS, NODE, NODE_ADDRESS, STATE
from cluster.programs import program

FOLDER = STATE / "kubelet"


def start() -> None:
    """Start it and wait until the API server calls the node ready."""
    control_groups.make()
    FOLDER.mkdir(parents=True, exist_ok=True)
    settings = FOLDER / "config.yaml"
    settings.write_text(yaml.safe_dump(_settings(), sort_keys=False))
    argv = [
        str(program("kubelet")),
        f"--config={settings}",
        f"--root-dir={FOLDER}",
        f"--kubeconfig={kubeconfig_of('kubelet')}",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
        "--v=1",
    ]
    Daemon(name="kubelet", argv=argv).start(_node_is_ready, seconds=60)


def _node_is_ready() -> bool:
    node = get("node", NODE)
    conditions = (node or {}).get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _settings() -> dict[str, object]:
    """https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/"""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(AUTHORITY)}},
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": control_groups.ROOT,
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{containerd.SOCKET}",
        "enforceNodeAllocatable": [],
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        # Images are never removed: the control plane's cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "maxParallelImagePulls": 4,
        "serializeImagePulls": False,
        "maxPods": 200,
        # Without CAP_SYS_RESOURCE nobody may lower an OOM score.
        "oomScoreAdj": 0,
        "registerWithTaints": [],
        "resolvConf": str(_no_name_servers()),
        "staticPodPath": "",
        "syncFrequency": "10s",
        "volumePluginDir": str(FOLDER / "volume-plugins"),
    }


def _no_name_servers() -> Path:
    """What pods that do not use the cluster's DNS get: the machine's own cannot be reached from there."""
    file = FOLDER / "resolv.conf"
    file.write_text("")
    return file
