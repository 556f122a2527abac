"""Tests that need the cluster: `make cluster-up` brings it up, and without it they fail."""

from __future__ import annotations

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
