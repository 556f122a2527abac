from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from laptop.base_image import BaseImage
from laptop.delivery import Delivery, Project
from laptop.keys import KeyPair
from laptop.registry import Registry
from laptop.summary import summary
from laptop.world import World

COMMIT = "c" * 40
ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@pytest.fixture
def project(tmp_path):
    state = tmp_path / "state"
    key = state / "keys"
    world = World(
        state=state,
        candidates=Registry(directory=state / "candidates", port=5),
        releases=Registry(directory=state / "releases", port=6),
        git_url="git://127.0.0.1:7",
        keys=KeyPair(private=key, public=key, password=key),
        cosign=Path("/bin/true"),
        base=BaseImage(reference="base@sha256:0", store=None),
    )
    names = {"source": state / "iris.git", "config": state / "iris-config.git"}
    return Project(name="iris", world=world, folder=state / "projects/iris", **names)


def ended(project, name, *, exit_code=0, image=ONE, commit=COMMIT, message="Tasks Completed: 12"):
    results = {"commit": commit, "accuracy": "0.97", "manifest-commit": "d" * 40, "manifest-changed": "true"}
    if image:
        results["image"] = f"127.0.0.1:6/releases/iris@{image}"
    listed = [{"name": key, "value": value} for key, value in results.items()]
    run = {"status": {"conditions": [{"message": message}], "results": listed}}
    folder = project.folder / "runs" / name
    (folder / "workspaces/run/report").mkdir(parents=True)
    (folder / "run.yaml").write_text(yaml.safe_dump({"items": [run]}))
    return Delivery(exit_code=exit_code, objects=[run], folder=folder)


def refused(project, task):
    delivery = ended(project, "one", exit_code=1, image=None, message="Tasks Completed: 5 (Failed: 1)")
    failed = {"task": task, "command": task, "exitCode": 1}
    found = {"headline": f"{task} refused the model", "solution": "train longer", "failed": failed}
    (delivery.volume / "report/summary.json").write_text(json.dumps(found))
    delivery.report.write_text("<html>")
    for step in ("test-image", "sidecar-candidate"):
        log = delivery.folder / "logs/test-image" / f"{step}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")
    return delivery


def test_a_refusal_ends_with_the_gates_sentence_and_advice(project):
    delivery = refused(project, "verify-model")
    lines = summary(project, delivery).splitlines()
    assert lines[1:4] == [
        "Not delivered: verify-model refused the model",
        "  what to do        train longer",
        f"  report            {delivery.report}",
    ]
    assert f"  its log           tail -n +1 {delivery.folder}/logs/verify-model/*.log" in lines
    assert "container" not in "\n".join(lines)


def test_a_refused_image_comes_with_its_containers_log(project):
    delivery = refused(project, "test-image")
    assert f"  container's log   {delivery.folder}/logs/test-image/sidecar-candidate.log\n" in summary(
        project, delivery
    )


@pytest.mark.parametrize("content", [None, "{", '{"headline": "the run was stopped", "failed": null}'])
def test_a_run_without_a_refusing_gate_ends_with_its_condition(content, project):
    delivery = ended(project, "one", exit_code=130, image=None, message='PipelineRun "one" was cancelled')
    if content is not None:
        (delivery.volume / "report/summary.json").write_text(content)
    assert 'Not delivered: PipelineRun "one" was cancelled\n' in summary(project, delivery)


def test_a_commit_that_gave_another_image_before_is_warned_of(project):
    ended(project, "one", image=OTHER)
    ended(project, "refused", image=None)
    ended(project, "newer", image=OTHER, commit="e" * 40)
    (project.folder / "runs/one/run.yaml").with_name("other.yaml").write_text("")
    text = summary(project, ended(project, "two"))
    assert f"WARNING           run one made another image of this commit, {OTHER}" in text


def test_the_same_image_again_is_no_warning(project):
    ended(project, "one")
    broken = ended(project, "broken").folder / "run.yaml"
    broken.write_text("items: [")
    ended(project, "newer", image=OTHER, commit="e" * 40)
    assert "WARNING  " not in summary(project, ended(project, "two"))


def test_the_end_says_how_to_end_the_registries(project, monkeypatch):
    delivery = ended(project, "one")
    assert summary(project, delivery).endswith(f"`python -m laptop.clean {project.world.state}` ends them.")
    default = project.world.state.with_name(".hallmark")
    project.world.state.rename(default)
    monkeypatch.chdir(default.parent)
    object.__setattr__(project.world, "state", default)
    assert summary(project, delivery).endswith("`make clean` ends them.")


def test_a_delivery_ends_with_a_command_of_cosign_for_all_that_was_attested(project):
    delivery = ended(project, "one")
    report = delivery.volume / "reports/sign-image/sign-image.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"checks": [{"name": "attestations", "value": "verdict, provenance, sbom"}]}))
    text = summary(project, delivery)
    commands = [line.split() for line in text.splitlines() if " /bin/true " in line]
    assert [command[2] for command in commands] == ["verify", *["verify-attestation"] * 3]
    assert [command[-2] for command in commands[2:]] == ["https://slsa.dev/provenance/v1", "https://cyclonedx.org/bom"]
    assert all(command[-1] == f"127.0.0.1:6/releases/iris@{ONE}" for command in commands)
    report.write_text("{")
    assert "verify-attestation" not in summary(project, delivery)
