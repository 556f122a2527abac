"""containerd: pulls images and runs containers for the kubelet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from cluster.daemons import Daemon, inside
from cluster.places import CANDIDATES, CANDIDATES_PORT, NODE_ADDRESS, RELEASES, RELEASES_PORT, STATE
from hallmark.process import run

FOLDER = STATE / "containerd"
SOCKET = STATE / "run" / "containerd.sock"
PAUSE = "hallmark.test/pause:built"
"""The image of the process that holds a pod's namespaces."""

CNI_PLUGINS = "/usr/lib/cni"


def start() -> None:
    _write_settings()
    (STATE / "run").mkdir(parents=True, exist_ok=True)
    argv = ["containerd", "--config", str(FOLDER / "config.toml"), "--log-level", "warn"]
    Daemon(name="containerd", argv=argv).start(_answers, seconds=30)


def import_image(archive: Path, reference: str) -> None:
    """Take the image `reference` from a file, by its digest too.

    A kubelet tells an image's digest only where it is a part of a name, and Tekton Chains signs no run in which a
    container has none.
    """
    names = ["--digests", f"--base-name={reference.rpartition(':')[0]}"]
    ctr("images", "import", "--snapshotter=overlayfs", *names, str(archive))


def images() -> set[str]:
    """The names of the images that are there."""
    return set(ctr("images", "list", "--quiet").split())


def ctr(*arguments: str) -> str:
    """What containerd's own client prints, in the kubelet's namespace."""
    return run(["ctr", f"--address={SOCKET}", "--namespace=k8s.io", *arguments], timeout=300).stdout


def _answers() -> bool:
    done = run(inside(["ctr", f"--address={SOCKET}", "version"]), accept=None, timeout=10)
    return done.exit_code == 0


def _write_settings() -> None:
    """https://github.com/containerd/containerd/blob/v1.6.20/docs/cri/config.md"""
    registries = FOLDER / "registries"
    for name, port in {CANDIDATES: CANDIDATES_PORT, RELEASES: RELEASES_PORT}.items():
        (registries / name).mkdir(parents=True, exist_ok=True)
        # The node resolves no names of the cluster, so the mirror is an address; and it is plain HTTP.
        (registries / name / "hosts.toml").write_text(
            f'server = "http://{name}"\n[host."http://{NODE_ADDRESS}:{port}"]\n  capabilities = ["pull", "resolve"]\n'
        )
    network = FOLDER / "cni"
    network.mkdir(parents=True, exist_ok=True)
    (network / "10-pods.conflist").write_text(json.dumps(_pod_network(), indent=2))
    tables: Mapping[str, Mapping[str, object]] = {
        "": {
            "version": 2,
            "root": str(FOLDER / "root"),
            "state": str(STATE / "run" / "containerd"),
            # Nothing here may lower its own OOM score on a machine without CAP_SYS_RESOURCE.
            "oom_score": 0,
        },
        "grpc": {"address": str(SOCKET)},
        'plugins."io.containerd.internal.v1.opt"': {"path": str(FOLDER / "opt")},
        'plugins."io.containerd.grpc.v1.cri"': {
            "sandbox_image": PAUSE,
            "restrict_oom_score_adj": True,
            # Not in /run/netns, where nobody would know afterwards whose they are.
            "netns_mounts_under_state_dir": True,
            "disable_apparmor": not _machine_has_apparmor(),
        },
        'plugins."io.containerd.grpc.v1.cri".containerd': {"snapshotter": "overlayfs"},
        'plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc': {"runtime_type": "io.containerd.runc.v2"},
        'plugins."io.containerd.grpc.v1.cri".cni': {"bin_dir": CNI_PLUGINS, "conf_dir": str(network)},
        'plugins."io.containerd.grpc.v1.cri".registry': {"config_path": str(registries)},
    }
    lines = []
    for name, values in tables.items():
        lines += [f"[{name}]"] if name else []
        # A string, a number or a boolean is written alike in JSON and in TOML.
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    (FOLDER / "config.toml").write_text("\n".join(lines) + "\n")


def _pod_network() -> dict[str, object]:
    addresses = {"type": "host-local", "dataDir": str(STATE / "cni"), "ranges": [[{"subnet": "10.232.0.0/24"}]]}
    bridge = {
        "type": "bridge",
        "bridge": "pods0",
        "isGateway": True,
        "ipMasq": True,
        # A pod reaches itself through its service.
        "hairpinMode": True,
        "ipam": {**addresses, "routes": [{"dst": "0.0.0.0/0"}]},
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, ports]}


def _machine_has_apparmor() -> bool:
    return Path("/sys/module/apparmor/parameters/enabled").exists() and bool(shutil.which("apparmor_parser"))
