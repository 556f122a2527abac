"""The Task test-image as it stands, by tkn-solo with podman, on real containers that it must refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from engines.podman import storage
from hallmark.datasets import FEATURES_FILE, PREDICTIONS_FILE, write_frame
from hallmark.documents.policy import policy_digest
from hallmark.files import sha256_file, sha256_tree
from hallmark.image_assembly import REF, Base, Layer, Settings, assemble
from hallmark.image_reference import Image
from hallmark.tools import skopeo
from laptop.delivery import tools

from .supply_chain_helpers import MODEL
from .supply_chain_images import Registries, small_root

TASK = Path(__file__).parents[4] / "tasks" / "test-image" / "test-image.yaml"
DIES = r"sleep 2; print STDERR qq(ModuleNotFoundError: no module named numpy\n); exit 3;"
# socket, bind, listen and accept with Linux' numbers: the small root has perl without its modules.
TELLS_ITSELF = """
socket(S, 2, 1, 0) or die; bind(S, pack('S n x12', 2, 8080)) or die; listen(S, 9);
my $w = open(F, '>', '/written') ? 'yes' : 'no'; my $n = -e '/sys/class/net/eth0' ? 'yes' : 'no';
my $b = qq(user $< group ) . int($() . qq( writes $w secrets ) . (-e '/workspace/policy' ? 'yes' : 'no') . qq( lan $n);
while (accept(C, S)) { sysread(C, my $r, 9999);
  syswrite(C, qq(HTTP/1.1 500 No\\r\\nContent-Length: ) . length($b) . qq(\\r\\n\\r\\n$b)); close(C); }
"""
Run = Callable[..., dict[str, Any]]


def pushed(registries: Registries, program: str, folder: Path) -> Image:
    """A real image that runs a perl program."""
    registry = skopeo.Registry(authfile=registries.candidates.auth_file, tls_verify=False)
    base = Image(
        repository=registries.candidate, digest=registries.push(registries.candidate, {}, layer_tar=small_root())
    )
    settings = Settings(
        created=0,
        labels={},
        annotations={},
        entrypoint=["/usr/bin/perl", "/server.pl"],
        working_directory="/",
        user="1001:0",
        port=8080,
    )
    layer = Layer(files={"/server.pl": program.encode()}, created_by="test")
    below = Base(manifest=skopeo.manifest(base, registry), config=skopeo.configuration(base, registry))
    made = assemble([below], [layer], settings, folder)
    skopeo.push_layout(folder, REF, registries.candidate, "it", registry, digest=made.digest)
    return Image(repository=registries.candidate, digest=made.digest)


@pytest.fixture
def run(registries: Registries, policy: Path, tmp_path: Path) -> Run:
    """Run the Task on an image with this program, and return its report."""
    folders = {name: tmp_path / name for name in ("source", "features", "predictions", "responses", "report")}
    for folder in folders.values():
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)
    (folders["source"] / "hallmark.yaml").write_text(MODEL)
    number = pl.Series("row", [0], dtype=pl.Int64)
    write_frame(
        pl.DataFrame([number, *pl.DataFrame({"width": [1.0], "length": [2.0]})]), folders["features"] / FEATURES_FILE
    )
    write_frame(pl.DataFrame([number, pl.Series("prediction", ["long"])]), folders["predictions"] / PREDICTIONS_FILE)

    def call(program: str, *, ready_within: float) -> dict[str, Any]:
        file = policy / "policy.yaml"
        file.write_text(file.read_text().replace("readyWithin: 5", f"readyWithin: {ready_within}"))
        image = pushed(registries, program, tmp_path / "made")
        params = {
            "candidate-image": image.repository,
            "image-digest": image.digest,
            "source-digest": sha256_tree(folders["source"]),
            "policy-digest": policy_digest(policy),
            "features-digest": sha256_file(folders["features"] / FEATURES_FILE),
            "predictions-digest": sha256_file(folders["predictions"] / PREDICTIONS_FILE),
        }
        bound = {**folders, "policy": policy}
        claims = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in bound]
        task_run = {
            "apiVersion": "tekton.dev/v1",
            "kind": "TaskRun",
            "metadata": {"name": "probe"},
            "spec": {
                "taskRef": {"name": "test-image"},
                "params": [{"name": name, "value": value} for name, value in params.items()],
                "workspaces": claims,
            },
        }
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(task_run))
        argv = [sys.executable, "-m", "tkn_solo.cli", "run", "-f", str(TASK), "-f", str(tmp_path / "run.yaml")]
        argv += [f"--tools={folder}" for folder in tools()]
        argv += [f"--run-dir={tmp_path / 'run'}", *(f"--claim={name}={folder}" for name, folder in bound.items())]
        with storage(tmp_path / "images") as images:
            done = subprocess.run(
                [*argv, f"--image-store={images}"],
                env={**os.environ, "REGISTRY_AUTH_FILE": str(registries.candidates.auth_file)},
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
                cwd=tmp_path,
            )
        assert done.returncode == 1, done.stdout + done.stderr
        assert (folders["report"] / "test-image.json").exists(), done.stdout + done.stderr
        report: dict[str, Any] = json.loads((folders["report"] / "test-image.json").read_text())
        return report

    return call


def test_a_container_that_dies_at_its_start_is_told_at_once_with_its_last_words(run: Run) -> None:
    # Waited for an hour, the test would never end.
    report = run(DIES, ready_within=3600)
    ready = report["checks"][0]
    assert (report["status"], ready["name"], ready["passed"]) == ("refused", "ready", False)
    assert ready["value"] == "the container ended with exit code 3"
    assert "no module named numpy" in ready["detail"]


def test_a_container_has_a_user_that_its_image_does_not_know_a_read_only_root_and_nothing_of_the_run(run: Run) -> None:
    report = run(TELLS_ITSELF, ready_within=3)
    value = report["checks"][0]["value"]
    assert "group 0 writes no secrets no lan no" in value
    assert int(value.partition("user ")[2].split()[0]) not in (0, 1001)
