"""Tests that need the cluster: `make cluster-up` brings it up, and without it they fail."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest

from cluster import kubectl
from cluster.places import PIPELINES_NAMESPACE
from hallmark.errors import HallmarkError


@pytest.fixture(scope="session", autouse=True)
def cluster() -> None:
    """The cluster answers and has Tekton."""
    try:
        kubectl.kubectl("get", "customresourcedefinition", "pipelineruns.tekton.dev", timeout=20)
    except HallmarkError as error:
        pytest.exit(f"no cluster with Tekton answers ({error}): run `make cluster-up` first", returncode=3)


@pytest.fixture(scope="session")
def settings() -> Mapping[str, str]:
    """What the admission policies let runs be given."""
    found = kubectl.get("configmap", "hallmark-admission", namespace="hallmark-admission")
    assert found is not None, "the catalog is not installed: apply an overlay of install/overlays"
    allowed: Mapping[str, str] = found["data"]
    return allowed


@pytest.fixture(scope="session")
def tekton(settings: Mapping[str, str]) -> list[str]:
    """kubectl's flags for acting as Tekton's controller."""
    return [f"--as={settings['tekton-controller']}"]


@pytest.fixture(scope="session")
def base_image(settings: Mapping[str, str]) -> str:
    """What models build on, by digest."""
    return settings["param.base-image"].split()[0]


@pytest.fixture(scope="session")
def iris_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sample's policy, as the cluster holds it."""
    held = kubectl.get("configmap", "iris-policy", namespace=PIPELINES_NAMESPACE)
    assert held is not None, "the sample is not enrolled: `make cluster-up` does"
    folder = tmp_path_factory.mktemp("iris") / "policy"
    folder.mkdir()
    for name, content in held["binaryData"].items():
        (folder / name).write_bytes(base64.b64decode(content))
    return folder
