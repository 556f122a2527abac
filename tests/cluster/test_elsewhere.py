"""`make cluster-up` with KUBECONFIG: installing into a cluster that is there already, here the one of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster import catalog, kubectl, registry, step_images
from cluster.catalog import OVERLAY
from cluster.places import KUBECONFIG, NETWORK_NAMESPACE, NODE_ADDRESS, PIPELINES_NAMESPACE, RELEASES

REGISTRY = f"{RELEASES}/elsewhere"


@pytest.fixture
def afterwards() -> Iterator[None]:
    """The catalog as it was, with the images of `make cluster-up`."""
    yield
    catalog.install(catalog.publish_images(print), catalog.base_image(print), print)


def install(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `make cluster-up` calls, where the cluster's names lead to its node, as they would for a user of one."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{NODE_ADDRESS} {RELEASES.partition(':')[0]}\n")
    script = 'mount --bind "$1" /etc/hosts && exec nsenter --net="$2" "$3" -m cluster.up'
    inside = ["sh", "-c", script, "sh", str(hosts), f"/run/netns/{NETWORK_NAMESPACE}", sys.executable]
    credential = {"REGISTRY_AUTH_FILE": str(registry.credential("releases")), "TLS_VERIFY": "false"}
    return subprocess.run(
        ["unshare", "--mount", *inside],
        env={**os.environ, "KUBECONFIG": str(KUBECONFIG), **credential, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def test_it_pushes_the_images_and_applies_the_owner_s_overlay(tmp_path: Path, afterwards: None) -> None:
    folder = tmp_path / "mine"
    first = install(tmp_path, REGISTRY=REGISTRY, OVERLAY=str(folder))
    assert first.returncode == 0, first.stderr
    assert f"your addresses in {folder}/settings.yaml" in first.stdout

    settings = (OVERLAY / "settings.yaml").read_text()
    (folder / "settings.yaml").write_text(settings)
    second = install(tmp_path, REGISTRY=REGISTRY, OVERLAY=str(folder))
    assert second.returncode == 0, second.stderr
    assert (folder / "settings.yaml").read_text() == settings
    built = step_images.ensure(step_images.CACHE, print)["steps"]
    task = kubectl.get("task", "check-code", namespace=PIPELINES_NAMESPACE)
    assert task is not None
    assert task["spec"]["steps"][0]["image"] == f"{REGISTRY}/steps@{built.digest}"
    allowed = kubectl.get("configmap", "hallmark-admission", namespace="hallmark-admission")
    assert allowed is not None
    assert allowed["data"]["image-steps"] == f"{REGISTRY}/steps@{built.digest}"
    assert allowed["data"]["param.repository-url"] == yaml.safe_load(settings)["data"]["param.repository-url"]


def test_nothing_is_done_without_a_registry(tmp_path: Path) -> None:
    done = install(tmp_path)
    assert done.returncode == 2
    assert "REGISTRY" in done.stderr


def test_a_cluster_that_does_not_answer_is_named(tmp_path: Path) -> None:
    kubeconfig = yaml.safe_load(KUBECONFIG.read_text())
    kubeconfig["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "config").write_text(yaml.safe_dump(kubeconfig))
    done = install(tmp_path, REGISTRY=REGISTRY, KUBECONFIG=str(tmp_path / "config"))
    assert done.returncode == 2
    assert "does not answer" in done.stderr


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = install(tmp_path, REGISTRY=REGISTRY, KUBECONFIG=str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert f"{tmp_path / 'nowhere'}, which does not exist" in done.stderr


def test_an_expired_credential_is_said_to_be_one(tmp_path: Path) -> None:
    kubeconfig = yaml.safe_load(KUBECONFIG.read_text())
    kubeconfig["users"][0]["user"] = {"token": "expired"}
    (tmp_path / "config").write_text(yaml.safe_dump(kubeconfig))
    done = install(tmp_path, REGISTRY=REGISTRY, KUBECONFIG=str(tmp_path / "config"))
    assert done.returncode == 2
    assert "log in again" in done.stderr


def test_a_registry_that_refuses_the_push_leaves_the_catalog_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "nobody").write_text("{}")
    before = kubectl.get("task", "check-code", namespace=PIPELINES_NAMESPACE)
    overlay = tmp_path / "mine"
    done = install(tmp_path, REGISTRY=REGISTRY, OVERLAY=str(overlay), REGISTRY_AUTH_FILE=str(tmp_path / "nobody"))
    assert done.returncode == 3
    assert "authentication required" in done.stderr
    assert kubectl.get("task", "check-code", namespace=PIPELINES_NAMESPACE) == before
    assert not overlay.exists()
