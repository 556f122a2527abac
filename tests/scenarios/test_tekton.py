"""Tekton's semantics in real runs: every `tekton-*` folder is run through the command line as a user would.

`pipeline.yaml` is what runs. `expect.yaml` holds what has to come out:

- `start`: the Pipeline to start, instead of running the run in the file
- `args`: more arguments; `{here}` is the scenario's folder, `{registry}` the address of a registry, `{rootfs}` a
  folder with a small server for an image, `{images}` a storage for podman
- `exit`: the exit code
- `reason`, `message`: the run's condition
- `tasks`: pipeline task to its TaskRun's reason, or to a map with `reason`, `message`, `retries`, `steps`
- `skipped`: skipped task to reason
- `results`: the run's results, all of them
- `logs`: `task/step` to lines that the log must hold
- `errors`: texts that standard error must hold
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tkn_solo.host.podman import Podman, runtime_folder

HERE = Path(__file__).parent
SCENARIOS = sorted(path.name for path in HERE.glob("tekton-*") if path.is_dir())
SECONDS = 60
SERVER = """
use Socket;
socket(S, PF_INET, SOCK_STREAM, 6) or die;
bind(S, sockaddr_in(8080, INADDR_ANY)) or die;
listen(S, 5);
open(F, "<", "/made") or die; my $made = <F>;
my $root = open(T, ">", "/new") ? "writable" : "read-only";
my $tmp = open(T, ">", "/tmp/new") ? "writable" : "read-only";
my $body = "$ENV{GREETING}, uid $>, made $made, root $root, tmp $tmp\\n";
while (accept(C, S)) {
  sysread(C, my $request, 4096);
  syswrite(C, "HTTP/1.0 200 OK\\r\\nContent-Length: " . length($body) . "\\r\\n\\r\\n$body");
  close(C);
}
"""


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_ends_as_on_a_cluster(scenario: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = HERE / scenario
    expect = yaml.safe_load((folder / "expect.yaml").read_text())
    extra = [filled(argument, folder, request) for argument in expect.get("args", [])]
    run_dir = tmp_path / "run"
    what = ["start", expect["start"]] if "start" in expect else ["run"]
    command = [*what, "-f", str(folder / "pipeline.yaml"), "--run-dir", str(run_dir), "-o", "yaml", *extra]
    # Something in the environment that no step may see.
    environment = {**os.environ, "LEAKED": "from-the-outside"}
    done = subprocess.run(
        [sys.executable, "-m", "tkn_solo.cli", *command],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == expect["exit"], done.stderr
    for text in expect.get("errors", []):
        assert text in done.stderr
    if "reason" in expect:
        assert observed(yaml.safe_load(done.stdout), expect) == wanted(expect)
    for place, lines in expect.get("logs", {}).items():
        log = (run_dir / "logs" / f"{place}.log").read_text().splitlines()
        assert [line for line in lines if line not in log] == [], f"{place}: {log}"


def filled(argument: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """The argument with `{here}` and the fixtures that it names."""
    names = re.findall(r"{(registry|rootfs|images)}", argument)
    values = {name: str(request.getfixturevalue(name)) for name in names}
    return argument.format(here=folder, **values)


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


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Perl, its libraries and a small HTTP server: an image's files without any base image."""
    folder = tmp_path_factory.mktemp("rootfs")
    perl = shutil.which("perl")
    assert perl is not None
    linked = subprocess.run(["ldd", perl], capture_output=True, text=True, check=True).stdout
    for file in (perl, *re.findall(r"/\S+", linked)):
        target = folder / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    for base in Path("/usr/lib").glob("*/perl-base"):
        shutil.copytree(base, folder / str(base).lstrip("/"))
    (folder / "server.pl").write_text(SERVER)
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Path]:
    """A storage for podman; nothing may be left running in it."""
    folder = tmp_path / "images"
    yield folder
    left = listed(folder)
    # Podman may keep its storage mounted, which would keep pytest from removing the folder.
    subprocess.run(["umount", str(folder / "graph" / "overlay")], capture_output=True, check=False)
    shutil.rmtree(runtime_folder(folder))
    assert left == ""


def podman_on(folder: Path) -> list[str]:
    """Podman on the storage that tkn-solo keeps in this folder."""
    runtime = runtime_folder(folder)
    places = {"--root": folder / "graph", "--runroot": runtime / "run", "--tmpdir": runtime / "tmp"}
    return ["podman", "--runtime", "runc", *(str(part) for place in places.items() for part in place)]


def listed(folder: Path) -> str:
    """The names of all containers in the storage."""
    command = [*podman_on(folder), "ps", "--all", "--format", "{{.Names}}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def observed(document: dict[str, Any], expect: dict[str, Any]) -> dict[str, Any]:
    """What expect.yaml speaks of, from the completed objects."""
    items = document["items"] if document["kind"] == "List" else [document]
    run, children = items[0], items[1:]
    status = run["status"]
    names = {child["name"]: child["pipelineTaskName"] for child in status.get("childReferences", [])}
    tasks = {}
    for child in children:
        name = names[child["metadata"]["name"]]
        tasks[name] = task_of(child["status"], expect.get("tasks", {}).get(name))
    found: dict[str, Any] = {
        "reason": status["conditions"][0]["reason"],
        "tasks": tasks,
        "skipped": {item["name"]: item["reason"] for item in status.get("skippedTasks", [])},
        "results": {item["name"]: item["value"] for item in status.get("results", [])},
    }
    if "message" in expect:
        found["message"] = status["conditions"][0]["message"]
    return found


def task_of(status: dict[str, Any], wanted_task: Any) -> Any:
    """The TaskRun's reason, or as much as a map in expect.yaml asks for."""
    condition = status["conditions"][0]
    if not isinstance(wanted_task, dict):
        return condition["reason"]
    full = {
        "reason": condition["reason"],
        "message": condition["message"],
        "retries": [earlier["conditions"][0]["reason"] for earlier in status.get("retriesStatus", [])],
        "steps": {
            step["name"]: f"{step['terminationReason']} {step['terminated']['exitCode']}"
            for step in status.get("steps", [])
        },
        "sidecars": [sidecar["name"] for sidecar in status.get("sidecars", [])],
    }
    return {key: full[key] for key in wanted_task}


def wanted(expect: dict[str, Any]) -> dict[str, Any]:
    keys = ("reason", "message", "tasks", "skipped", "results")
    empty: dict[str, Any] = {"tasks": {}, "skipped": {}, "results": {}}
    return {key: expect.get(key, empty.get(key)) for key in keys if key in expect or key in empty}


def test_every_scenario_has_a_pipeline_and_an_expectation() -> None:
    assert len(SCENARIOS) >= 12
    for scenario in SCENARIOS:
        assert {"pipeline.yaml", "expect.yaml"} <= {path.name for path in (HERE / scenario).iterdir()}


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
