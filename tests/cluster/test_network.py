"""What a pod cannot reach of the node, asked from the node's own address, which is where pods come to."""

from __future__ import annotations

import pytest

from cluster import etcd
from cluster.network import inside, listens_inside
from cluster.places import API_PORT, NODE_ADDRESS
from hallmark.process import run


def test_etcd_listens_to_the_node_alone() -> None:
    assert listens_inside(etcd.PORT, "127.0.0.1")
    assert not listens_inside(etcd.PORT, NODE_ADDRESS)


@pytest.mark.parametrize("port", [API_PORT, 10250, 10257, 10259])
def test_a_service_that_pods_reach_tells_nothing_without_a_certificate(port: int) -> None:
    ask = ["curl", "--silent", "--insecure", "--max-time", "5", "--output", "/dev/null", "--write-out", "%{http_code}"]
    done = run(inside([*ask, f"https://{NODE_ADDRESS}:{port}/metrics"]), accept=None, timeout=10)
    assert done.stdout in ("401", "403")
