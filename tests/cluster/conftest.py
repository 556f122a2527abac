"""Tests that need the cluster: `make cluster-up` brings it up, and without it they fail."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cluster import kubectl
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
