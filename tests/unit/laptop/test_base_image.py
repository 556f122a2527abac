"""The base image: which one is taken, and that the one made here serves, builds and pushes quickly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hallmark.errors import BadInputError
from hallmark.process import run
from laptop import base_image, registry
from laptop.containers import buildah, remove
from laptop.setup import TOOLS

DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture(scope="module")
def candidates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry") / "candidates"
    with registry.running(folder) as found:
        yield found
    remove(folder)


@pytest.fixture(scope="module")
def base(candidates):
    """The image that `make run` uses, in a registry of these tests; made if this machine has none yet."""
    return base_image.ensure(candidates, TOOLS / "base-image", lambda line: None, environment={})


def test_an_image_with_a_digest_is_used_as_given():
    given = {"BASE_IMAGE": f"registry.example/base@{DIGEST}"}
    nowhere = registry.Registry(directory=Path("nowhere"), port=1)
    found = base_image.ensure(nowhere, Path("nowhere"), lambda line: None, environment=given)
    assert found == base_image.BaseImage(reference=f"registry.example/base@{DIGEST}", store=None)
    assert not Path("nowhere").exists()


@pytest.mark.parametrize(
    ("given", "resolved"),
    [
        ("registry.example/base:1", f"registry.example/base@{DIGEST}"),
        ("registry.example:5000/base", f"registry.example:5000/base@{DIGEST}"),
        ("registry.example:5000/base:1.2", f"registry.example:5000/base@{DIGEST}"),
    ],
)
def test_a_tag_is_resolved_to_a_digest_once(fake, given, resolved):
    calls = fake("skopeo", f'echo "$*" >> "$CALLS"; echo {DIGEST}')
    assert base_image.resolve(given) == resolved
    assert calls.read_text() == f"inspect --format {{{{.Digest}}}} docker://{given}\n"


@pytest.mark.parametrize("image", ["127.0.0.1:1/base:1", "localhost:1/base", "registry.example/base@sha256:short"])
def test_an_image_that_nobody_has_is_bad_input(image):
    with pytest.raises(BadInputError, match=f"BASE_IMAGE {image} cannot be resolved"):
        base_image.resolve(image)


def test_the_registry_holds_the_image_by_its_digest(candidates, base):
    repository, _, digest = base.reference.partition("@")
    assert repository == f"{candidates.address}/{base_image.REPOSITORY}"
    assert candidates.holds(base_image.REPOSITORY, digest)


def test_the_image_runs_as_an_ordinary_user_of_group_0(candidates, base):
    argv = ["skopeo", "inspect", "--config", "--tls-verify=false", "--authfile", str(candidates.auth_file)]
    config = json.loads(run([*argv, f"docker://{base.reference}"]).stdout)["config"]
    assert (config["User"], config["WorkingDir"]) == ("1001:0", "/app")
    assert config["Labels"]["org.opencontainers.image.title"]


def test_a_second_call_does_nothing(candidates, base, monkeypatch):
    monkeypatch.setattr(base_image, "buildah", None)
    monkeypatch.setattr(base_image, "_push", None)
    said: list[str] = []
    assert base_image.ensure(candidates, TOOLS / "base-image", said.append, environment={}) == base
    assert said == []


def test_an_image_on_top_builds_and_pushes_from_the_store_without_packing_the_base_again(candidates, base, tmp_path):
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Containerfile").write_text(
        f"FROM {base.reference}\nRUN python3 -c 'import skops.io' && id -u > /app/user\n"
    )
    state = tmp_path / "state"
    shutil.copytree(base.store / "cache", state / "cache")
    store = ["--storage-opt", f"overlay.imagestore={base.store / 'storage'}"]
    try:
        building = ["build", "--pull-never", "--isolation", "chroot", "--timestamp", "0", "--tag", "localhost/top"]
        buildah(state, [*store, *building, str(tmp_path / "context")])
        assert not any((state / "storage" / "overlay-images").rglob(f"*{base.reference[-64:]}*"))
        pushing = ["push", "--tls-verify=false", "--authfile", str(candidates.auth_file)]
        buildah(state, [*store, *pushing, "localhost/top", f"docker://{candidates.address}/some/top:1"])
        argv = ["skopeo", "inspect", "--raw", "--tls-verify=false", "--authfile", str(candidates.auth_file)]
        top = json.loads(run([*argv, f"docker://{candidates.address}/some/top:1"]).stdout)["layers"]
        bottom = json.loads(run([*argv, f"docker://{base.reference}"]).stdout)["layers"]
        assert [layer["digest"] for layer in top[:-1]] == [layer["digest"] for layer in bottom]
    finally:
        remove(state)
