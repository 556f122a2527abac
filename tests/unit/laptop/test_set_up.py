"""Setting up a delivery: nothing is published before all three sides are found right."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from hallmark.documents.policy import load_policy
from hallmark.errors import BadInputError
from hallmark.process import run
from laptop.base_image import BaseImage
from laptop.delivery import Sides, set_up, tkn_solo
from laptop.keys import KeyPair
from laptop.registry import Registry
from laptop.repositories import head
from laptop.setup import TOOLS
from laptop.world import World

SAMPLE = Path(__file__).resolve().parents[3] / "samples/iris"
IDENTITY = ["-c", "user.name=Maker", "-c", "user.email=maker@example.invalid"]


@pytest.fixture
def world(tmp_path):
    """A world in which nothing runs: setting up needs its addresses and keys only."""
    state = tmp_path / "state"
    folder = state / "keys"
    folder.mkdir(parents=True)
    keys = KeyPair(private=folder / "cosign.key", public=folder / "cosign.pub", password=folder / "cosign.password")
    for file in (keys.public, keys.private, keys.password):
        file.write_text("a key\n")
    return World(
        state=state,
        candidates=Registry(directory=state / "candidates", port=5),
        releases=Registry(directory=state / "releases", port=6),
        git_url="git://127.0.0.1:7",
        keys=keys,
        cosign=Path("/bin/true"),
        base=BaseImage(reference=f"registry.example.com/base@sha256:{'a' * 64}", store=None),
    )


@pytest.fixture
def sides(tmp_path):
    left_out = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    shutil.copytree(SAMPLE, tmp_path / "given", ignore=left_out)
    given = tmp_path / "given"
    return Sides(repository=given / "repository", validators=given / "validators", config=given / "config")


def commit_all(folder):
    run(["git", "init", "--quiet", str(folder)])
    run(["git", "-C", str(folder), "add", "."])
    run(["git", "-C", str(folder), *IDENTITY, "commit", "--quiet", "--message=Mine"])
    return run(["git", "-C", str(folder), "rev-parse", "HEAD"]).stdout.strip()


def kustomization(sides):
    return sides.config / "production/kustomization.yaml"


def change_images(sides, images):
    file = kustomization(sides)
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "images": images}))


MISTAKES = {
    "no config": (lambda sides: shutil.rmtree(sides.config), "config/production/kustomization.yaml: No such file"),
    "no kustomization": (lambda sides: kustomization(sides).unlink(), "kustomization.yaml: No such file"),
    "no yaml": (lambda sides: kustomization(sides).write_text("images: [\n"), "kustomization.yaml is not YAML"),
    "a list": (lambda sides: kustomization(sides).write_text("- images\n"), "kustomization.yaml is not a mapping"),
    "empty": (lambda sides: kustomization(sides).write_text(""), "kustomization.yaml is not a mapping"),
    "empty images": (lambda sides: change_images(sides, None), r"lists no image iris \(it lists: none\)"),
    "images a mapping": (lambda sides: change_images(sides, {"iris": "x"}), "images is not a list"),
    "no name": (lambda sides: change_images(sides, [{"newName": "x"}]), "entry 1 of images has no name"),
    "other image": (lambda sides: change_images(sides, [{"name": "rose"}]), r"no image iris \(it lists: rose\)"),
    "no newName": (lambda sides: change_images(sides, [{"name": "iris"}]), "image iris has no newName"),
    "no data": (lambda sides: shutil.rmtree(sides.validators / "data"), "validators/data is not a folder"),
    "no validators": (lambda sides: shutil.rmtree(sides.validators), "given/validators/policy/policy.yaml"),
    "no model": (lambda sides: shutil.rmtree(sides.repository), "given/repository/hallmark.yaml"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_the_users_own_file_and_nothing_is_published(mistake, world, sides):
    make, message = MISTAKES[mistake]
    make(sides)
    with pytest.raises(BadInputError, match=message) as found:
        set_up(world, sides, "iris")
    assert str(world.state) not in found.value.message
    assert found.value.solution
    assert not world.repositories.exists()


def test_the_operators_folder_is_published_with_this_machines_address(world, sides):
    project = set_up(world, sides, "iris")
    shown = run(["git", "-C", str(project.config), "show", "main:production/kustomization.yaml"]).stdout
    assert yaml.safe_load(shown)["images"][0]["newName"] == "127.0.0.1:6/releases/iris"
    assert "127.0.0.1:5001" in kustomization(sides).read_text(), "the user's own file stays as it is"
    assert run(["git", "-C", str(project.config), "config", "daemon.receivepack"]).stdout == "true\n"


def test_a_config_folder_that_is_not_used_is_told(world, sides, tmp_path):
    project = set_up(world, sides, "iris")
    before, told = head(project.config), []
    set_up(world, sides, "iris", told.append)
    assert not [line for line in told if "is not used" in line]
    file = kustomization(sides)
    file.write_text(file.read_text().replace("namespace: iris", "namespace: other"))
    set_up(world, sides, "iris", told.append)
    line = next(line for line in told if "is not used" in line)
    assert str(sides.config) in line
    assert str(project.config) in line
    assert "make clean" in line
    assert head(project.config) == before
    shutil.rmtree(project.config)
    set_up(world, sides, "iris", told.append)
    assert (
        "namespace: other"
        in run(["git", "-C", str(project.config), "show", f"main:{file.parent.name}/{file.name}"]).stdout
    )


def test_a_git_repository_is_delivered_at_its_own_commit(world, sides):
    told = []
    commit = commit_all(sides.repository)
    project = set_up(world, sides, "iris", told.append)
    assert head(project.source) == commit
    assert told == []
    (sides.repository / "README.md").write_text("rewritten\n")
    run(["git", "-C", str(sides.repository), *IDENTITY, "commit", "--quiet", "--all", "--amend", "--message=Again"])
    assert head(set_up(world, sides, "iris").source) not in (commit, None)
    assert run(["git", "-C", str(project.source), "rev-list", "--count", "main"]).stdout == "1\n"


def test_what_is_not_committed_is_named_and_not_delivered(world, sides):
    commit_all(sides.repository)
    (sides.repository / "api.py").write_text("changed = True\n")
    (sides.repository / "new file.py").write_text("")
    (sides.repository / ".git/info/exclude").write_text("*.log\n")
    (sides.repository / "ignored.log").write_text("")
    with pytest.raises(BadInputError, match=r"not committed: api\.py, new file\.py$") as found:
        set_up(world, sides, "iris")
    assert found.value.solution.startswith("commit first")
    assert not world.repositories.exists()


def test_a_git_repository_without_a_commit_is_bad_input(world, sides):
    shutil.rmtree(sides.repository / "tests")
    run(["git", "init", "--quiet", str(sides.repository)])
    (sides.repository / ".git/info/exclude").write_text("*\n")
    with pytest.raises(BadInputError, match="has no commit yet"):
        set_up(world, sides, "iris")


def test_a_folder_without_git_is_committed_as_it_is_and_that_is_told(world, sides):
    told = []
    assert head(set_up(world, sides, "iris", told.append).source)
    assert told == [f"{sides.repository} is no git repository of its own: a commit is made from the folder as it is"]


def test_steps_are_shown_programs_and_not_what_lies_beside_them(world, sides, tmp_path):
    """An image that is made there leaves a registry's credential behind where its build is cut short."""
    project = set_up(world, sides, "iris")
    shown = [Path(word.partition("=")[2]) for word in tkn_solo(project, tmp_path) if word.startswith("--tools=")]
    assert TOOLS / "bin" in shown
    assert not any((TOOLS / name).is_relative_to(folder) for folder in shown for name in ("step-images", "base-image"))


def test_the_policys_place_of_production_is_this_machines_in_every_level(world, sides):
    """Else every comparison on a laptop would be refused: the operators' repository is another one there."""
    policy = sides.validators / "policy"
    text = (policy / "policy.yaml").read_text()
    (policy / "team.yaml").write_text(text)
    rules = yaml.safe_load(text)
    del rules["model"]["champion"]
    (policy / "policy.yaml").write_text(yaml.safe_dump({"extends": "team.yaml", **rules}))
    project = set_up(world, sides, "iris")
    champion = load_policy(project.policy).model.champion
    assert [str(place) for place in champion.production] == [
        "git://127.0.0.1:7/iris-config.git main production/kustomization.yaml"
    ]
    assert "git.example.com/operators" in (policy / "team.yaml").read_text()
