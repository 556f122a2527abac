"""Every `tekton-*` scenario on tkn-solo and on a real Tekton, which differ only where `differences.yaml` says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from cluster import registry
from cluster.places import CANDIDATES
from engines import solo, tekton
from engines.differences import ENGINES, entries, rendered, unexplained
from engines.observation import observed
from engines.rootfs import make_rootfs
from engines.scenario import FOLDER, SEMANTICS, Finished, Scenario

AT_ONCE = 4
"""Scenarios on the cluster at a time; they wait for pods most of the time."""


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    return {
        "registry": CANDIDATES,
        "credential": registry.credential("candidates").parent,
        "rootfs": make_rootfs(tmp_path_factory.mktemp("rootfs")),
    }


@pytest.fixture(scope="session")
def on_tekton(request: pytest.FixtureRequest, places: Mapping[str, object]) -> Iterator[Mapping[str, Future[Finished]]]:
    """The scenarios that this session asks for, begun together so that they need not wait for one another's pods."""
    asked = [item.callspec.params["name"] for item in request.session.items if "on_tekton" in item.fixturenames]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(tekton.run, Scenario(name), places) for name in asked}


@pytest.mark.parametrize("name", SEMANTICS)
def test_both_engines_come_to_the_same(
    name: str,
    on_tekton: Mapping[str, Future[Finished]],
    places: Mapping[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenario = Scenario(name)
    # The machine pulls a sidecar's image with a credential of its own, as a kubelet does.
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(registry.credential("candidates")))
    here = solo.run(scenario, {**places, "registry": registry.outside("candidates")}, tmp_path)
    there = on_tekton[name].result()
    found = unexplained(name, observed(here, scenario.logs), observed(there, scenario.logs))
    assert not found, rendered(found)


def test_each_difference_is_of_a_scenario_and_says_why() -> None:
    for entry in entries():
        assert set(entry) - {"sometimes"} == {"scenario", "why", "fields"}
        assert all(set(pair) == set(ENGINES) for pair in entry["fields"].values())
        assert (FOLDER / entry["scenario"] / "expect.yaml").exists()
