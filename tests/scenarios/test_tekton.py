"""Tekton's semantics in real runs: every `tekton-*` folder is run through the command line as a user would.

`engines.scenario` says what the folders hold. The same folders run on a real Tekton in `tests/cluster`.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from engines import solo
from engines.observation import asked, observed, wanted
from engines.podman import listed, podman_on, storage
from engines.rootfs import make_rootfs
from engines.scenario import SEMANTICS, Scenario
from tkn_solo.host.podman import Podman

SECONDS = 60


@pytest.mark.parametrize("name", SEMANTICS)
def test_a_run_ends_as_on_a_cluster(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    scenario = Scenario(name)
    places = {place: request.getfixturevalue(place) for place in PLACES if scenario.needs(place)}
    finished = solo.run(scenario, places, tmp_path)
    assert finished.exit_code == scenario.expect["exit"], finished.errors
    for text in scenario.expect.get("errors", []):
        assert text in finished.errors
    if "reason" in scenario.expect:
        assert asked(observed(finished, scenario.logs), scenario.expect) == wanted(scenario.expect), finished.logs


PLACES = ("registry", "credential", "rootfs")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a registry on this machine, ended afterwards."""
    folder = tmp_path_factory.mktemp("registry")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address = f"127.0.0.1:{port}"
    storage = {"filesystem": {"rootdirectory": str(folder / "data")}}
    config = {"version": 0.1, "storage": storage, "http": {"addr": address}, "log": {"level": "error"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        ["docker-registry", "serve", str(folder / "config.yaml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the registry does not start"
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def credential(tmp_path: Path) -> Path:
    """Nothing: the registry on this machine asks for no name."""
    folder = tmp_path / "credential"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_rootfs(tmp_path_factory.mktemp("rootfs"))


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Path]:
    with storage(tmp_path / "images") as folder:
        yield folder


def test_every_scenario_has_a_pipeline_and_an_expectation() -> None:
    assert len(SEMANTICS) >= 12
    for name in SEMANTICS:
        assert {"pipeline.yaml", "expect.yaml"} <= {path.name for path in Scenario(name).folder.iterdir()}


ORPHAN = """
import sys
from pathlib import Path
from tkn_solo.host.podman import ContainerRequest, Podman
from tkn_solo.process import StopSignal

env = Path(sys.argv[1], "env")
env.touch()
request = ContainerRequest(
    name="orphan", image="localhost/server:latest", network="none", user=0, capabilities=frozenset(), strict_root=False,
    entrypoint=["/usr/bin/perl"], arguments=["-e", "sleep 600"], directory="", env_file=env, mounts=[],
)
assert Podman(Path(sys.argv[1])).run(request, StopSignal()) > 0
"""


def test_containers_of_a_tkn_solo_that_is_no_more_are_removed_at_the_next_start(rootfs: Path, images: Path) -> None:
    images.mkdir()
    archive = shutil.make_archive(str(images / "rootfs"), "tar", rootfs)
    subprocess.run([*podman_on(images), "import", "--quiet", archive, "server:latest"], check=True, capture_output=True)
    subprocess.run([sys.executable, "-c", ORPHAN, str(images)], check=True)
    assert listed(images) == "orphan"
    Podman(images).remove_orphans()
    assert listed(images) == ""
