"""`python -m cluster.up`: a real single-node Kubernetes with Tekton, two registries and Gitea, all real.

With KUBECONFIG set to another cluster, Hallmark is installed there instead.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from cluster import (
    apiserver,
    catalog,
    certificates,
    containerd,
    control_images,
    controllers,
    coredns,
    daemons,
    elsewhere,
    enrolment,
    etcd,
    gitea,
    kube_proxy,
    kubelet,
    network,
    programs,
    registry,
    storage,
    tekton,
    triggers,
)
from cluster.places import STATE, USER_KUBECONFIG
from hallmark.errors import BadInputError
from hallmark.files import write_text
from laptop.console import exit_code_of, say
from laptop.delivery import Sides
from laptop.setup import ROOT
from laptop.world import locked

SAMPLE = Sides(
    repository=ROOT / "samples/iris/repository",
    validators=ROOT / "samples/iris/validators",
    config=ROOT / "samples/iris/config",
)


def main() -> None:
    given = os.environ.get("KUBECONFIG")
    if given and Path(given).resolve() != USER_KUBECONFIG:
        elsewhere.install(elsewhere.Settings.of(os.environ), say)
        return
    if os.geteuid() != 0:
        raise BadInputError(
            "a cluster on this machine needs root: network namespaces, mounts and control groups",
            solution="run `make cluster-up` as root, or install into a cluster that you have: docs/install.md",
        )
    here()


def here() -> None:
    """The cluster of this machine, with Hallmark and its sample on it."""
    programs.ensure(say)
    started = time.monotonic()
    STATE.mkdir(parents=True, exist_ok=True, mode=0o711)
    with locked(STATE):
        _take_possession()
        start()
        say(f"Tekton is up after {time.monotonic() - started:.0f} s")
        install()
    say(f"the cluster is up after {time.monotonic() - started:.0f} s: export KUBECONFIG={USER_KUBECONFIG}")


def _take_possession() -> None:
    """There is one such cluster on a machine, and its processes run programs of the checkout that started it.

    Raises:
        BadInputError: another checkout has started it.
    """
    note = STATE / "checkout"
    owner = note.read_text() if note.exists() else ""
    if owner and owner != str(ROOT) and any(daemons.running(name) for name in daemons.known()):
        raise BadInputError(
            f"the cluster of this machine was started from {owner}",
            solution=f"use it from there, or end it first: make cluster-down, here or in {owner}",
        )
    write_text(note, str(ROOT))


def start() -> None:
    """Start what does not run yet, in the order in which one needs the other."""
    network.start()
    certificates.ensure()
    network.start_forwarders()
    etcd.start()
    containerd.start()
    apiserver.start()
    controllers.start()
    control_images.load(say)
    kubelet.start()
    kube_proxy.start()
    say("Kubernetes is up")
    tekton.start(say)
    coredns.start()
    storage.start()
    for name in registry.PORTS:
        registry.start(name)
    gitea.start()
    tekton.wait()


def install() -> None:
    """Put Hallmark and its sample on the cluster."""
    base_image = catalog.base_image(say)
    catalog.install(catalog.publish_images(say), base_image, say)
    enrolment.people()
    sample = enrolment.enrol("iris", SAMPLE, base_image, config="config")
    triggers.install(sample)
    triggers.wait()


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
