"""`make cluster-enrol`: a user's own model on the cluster of this machine, delivered by a push."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import enrolment, kubectl
from cluster.places import PIPELINES_NAMESPACE, RELEASES
from cluster.waiting import until
from engines import tekton
from laptop.setup import ROOT

NAME = "rose"


@pytest.fixture(scope="session")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample under another name."""
    folder = tmp_path_factory.mktemp("own") / "iris"
    shutil.copytree(ROOT / "samples/iris", folder)
    for name in ("repository/hallmark.yaml", "validators/policy/policy.yaml", "config/production/kustomization.yaml"):
        file = folder / name
        file.write_text(
            file.read_text().replace("name: iris", f"name: {NAME}").replace("/releases/iris", f"/releases/{NAME}")
        )
    return folder


def enrol(repository: Path, sides: Path) -> subprocess.CompletedProcess[str]:
    """The command as a user calls it."""
    given = [f"MODEL={repository}", f"VALIDATORS={sides}/validators", f"CONFIG={sides}/config"]
    command = ["make", "--no-print-directory", "cluster-enrol", *given, f"BIN={Path(sys.executable).parent}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_a_push_to_a_model_that_was_enrolled_delivers_it(sides: Path) -> None:
    for _ in ("once", "and once more, which changes nothing"):
        done = enrol(sides / "repository", sides)
        assert done.returncode == 0, done.stderr
    assert f"git clone http://ada@127.0.0.1:13000/makers/{NAME}.git" in done.stdout
    commit = enrolment.push_change(f"makers/{NAME}", "Deliver this one")
    name = f"{NAME}-{commit[:12]}"
    until(lambda: kubectl.get("pipelinerun", name, namespace=PIPELINES_NAMESPACE) is not None, name, seconds=60)
    run = tekton.finished("PipelineRun", name, PIPELINES_NAMESPACE, seconds=420)[0]
    assert run["status"]["conditions"][0]["status"] == "True", run["status"]["conditions"]
    results = {result["name"]: result["value"] for result in run["status"]["results"]}
    assert results["image"].startswith(f"{RELEASES}/releases/{NAME}@sha256:")


def test_a_policy_for_another_model_is_refused_before_anything_is_made(sides: Path) -> None:
    judged_by_iris = sides.parent / "judged-by-iris"
    shutil.copytree(sides, judged_by_iris)
    shutil.copy(ROOT / "samples/iris/validators/policy/policy.yaml", judged_by_iris / "validators/policy")
    done = enrol(sides / "repository", judged_by_iris)
    assert done.returncode == 2
    assert "the policy is for iris" in done.stderr


def test_a_folder_that_is_not_there_is_named_by_its_variable(sides: Path, tmp_path: Path) -> None:
    done = enrol(tmp_path / "nowhere", sides)
    assert done.returncode == 2
    assert "MODEL: there is no file" in done.stderr


@pytest.mark.parametrize("name", ["iris", "x" * 51])
def test_a_name_that_no_run_could_have_is_refused(name: str, sides: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(sides / "repository", repository)
    file = repository / "hallmark.yaml"
    file.write_text(file.read_text().replace(f"name: {NAME}", f"name: {name}"))
    done = enrol(repository, sides)
    assert done.returncode == 2
    assert "metadata.name" in done.stderr
    assert kubectl.get("trigger", "x" * 51, namespace=PIPELINES_NAMESPACE) is None
