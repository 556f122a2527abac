"""build-image of a repository without a Containerfile: layers are laid on the base, and nothing is built."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from hallmark import image_labels, model_artifact
from hallmark.documents.model import load_model
from hallmark.errors import BadInputError
from hallmark.files import sha256_file
from hallmark.image_assembly import of_list
from hallmark.image_builder import builder
from hallmark.tools import skopeo

from .supply_chain_helpers import Called
from .supply_chain_images import Registries, digest, labels_of, small_root
from .test_build_image import Build, base, build, files, reference, source

__all__ = ["base", "build", "source"]


@pytest.fixture
def served(source: Path) -> Path:
    """The repository without its Containerfile."""
    (source / "Containerfile").unlink()
    return source


def layers(registries: Registries, called: Called) -> list[str]:
    assert called.code == 0, called.output
    return [layer["digest"] for layer in skopeo.manifest(*reference(registries, called))["layers"]]


def test_the_image_is_the_base_with_the_server_and_the_model(
    build: Build,
    registries: Registries,
    served: Path,
    base: str,
    tmp_path: Path,
) -> None:
    called = build()
    assert called.code == 0, called.output
    assert "Hallmark's model server on" in called.output
    config = skopeo.configuration(*reference(registries, called))
    assert config["config"]["Entrypoint"] == ["python3", "-m", "serving"]
    assert (config["config"]["User"], config["config"]["WorkingDir"]) == ("1001:0", "/app")
    assert config["config"]["ExposedPorts"] == {"8080/tcp": {}}
    labels = labels_of(*reference(registries, called))
    assert labels[image_labels.MODEL_DIGEST] == sha256_file(tmp_path / "model" / "model.skops")
    told = skopeo.manifest(*reference(registries, called))["annotations"]
    assert labels.items() <= told.items()
    assert (told[image_labels.BASE_NAME], told[image_labels.BASE_DIGEST]) == tuple(base.split("@"))
    added = files(registries, called, tmp_path / "layout")
    assert added["app/model/model.skops"] == (0o644, 0, 0, b"a trained model\n")
    assert "app/serving/__main__.py" in added
    assert json.loads(added["app/model/serving.json"][3])["features"] == ["width", "length"]
    # Nothing of the maker's repository is in it.
    assert not [name for name in added if "train" in name or "Containerfile" in name]


def test_the_same_inputs_give_the_same_digest_and_another_model_one_new_layer(
    build: Build,
    registries: Registries,
    served: Path,
    tmp_path: Path,
) -> None:
    first = build()
    moved = tmp_path / "elsewhere"
    shutil.copytree(served, moved)
    shutil.copytree(tmp_path / "model", tmp_path / "other place")
    (tmp_path / "other place" / "model.skops").chmod(0o600)
    os.utime(tmp_path / "other place" / "model.skops", (1, 1))
    second = build(source=moved, model=tmp_path / "other place")
    # Into a registry that has nothing of it yet.
    third = build(candidate_image=f"{registries.candidate}-cold")
    assert [first.code, second.code, third.code] == [0, 0, 0], third.output
    assert first.result("digest") == second.result("digest") == third.result("digest")
    before = layers(registries, first)
    (tmp_path / "model" / "model.skops").write_bytes(b"another model\n")
    after = layers(registries, build(commit="d" * 40))
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


def test_a_model_that_is_to_be_fetched_is_beside_the_image_under_its_own_digest(
    build: Build, registries: Registries, served: Path, tmp_path: Path
) -> None:
    described = served / "hallmark.yaml"
    described.write_text(described.read_text().replace("image: {", "image: {model: fetched, "))
    called, again = build(), build(commit="d" * 40)
    image, registry = reference(registries, called)
    added = files(registries, called, tmp_path / "layout")
    assert [name for name in added if name.startswith("app/model")] == ["app/model", "app/model/serving.json"]
    model = tmp_path / "model" / "model.skops"
    told = json.loads(added["app/model/serving.json"][3])
    assert (told["kept"], told["digest"], told["size"]) == ("fetched", sha256_file(model), model.stat().st_size)
    labels = labels_of(image, registry)
    assert labels[image_labels.MODEL_DIGEST] == sha256_file(model)
    artifact = model_artifact.of(labels, image.repository)
    # It stays the same for another commit with the same model, and so does its tag.
    assert artifact == model_artifact.of(labels_of(*reference(registries, again)), image.repository)
    assert artifact is not None
    assert skopeo.manifest(artifact, registry)["layers"][0]["digest"] == sha256_file(model)
    bounds: dict[str, Any] = {"maximum_bytes": 1 << 20, "timeout": 60}
    model_artifact.take_out(artifact, sha256_file(model), registry, tmp_path / "taken", **bounds)
    assert (tmp_path / "taken").read_bytes() == model.read_bytes()
    with pytest.raises(BadInputError, match="and not the model"):
        model_artifact.take_out(artifact, digest("9"), registry, tmp_path / "taken", **bounds)
    with pytest.raises(BadInputError, match="larger than 5 bytes"):
        model_artifact.take_out(artifact, sha256_file(model), registry, tmp_path / "other", maximum_bytes=5, timeout=60)
    with pytest.raises(BadInputError, match="is no digest"):
        model_artifact.of({image_labels.MODEL_ARTIFACT: "latest"}, image.repository)


def test_a_base_with_a_model_beside_it_says_nothing_about_the_model_that_is_baked(
    build: Build, registries: Registries, served: Path
) -> None:
    repository = f"{registries.candidates.address}/candidates/base-{registries.name}"
    base = registries.push(repository, {image_labels.MODEL_ARTIFACT: digest("9"), "mine": "kept"})
    called = build(base_image=f"{repository}@{base}")
    assert called.code == 0, called.output
    labels = labels_of(*reference(registries, called))
    assert (labels["mine"], model_artifact.of(labels, registries.candidate)) == ("kept", None)


def test_a_model_that_was_changed_on_the_way_or_a_base_that_is_not_there_is_refused(
    build: Build,
    served: Path,
    base: str,
) -> None:
    changed = build(model_digest=digest("9"))
    assert changed.code == 2, changed.output
    assert "the model was changed on the way" in changed.output
    missing = build(base_image=base.partition("@")[0] + "@" + digest("9"))
    assert missing.code == 3, missing.output
    assert build(credential="").code == 3


def test_of_a_base_for_several_platforms_this_machines_image_is_taken(
    build: Build, registries: Registries, served: Path
) -> None:
    repository = f"{registries.candidates.address}/base/several"
    index = registries.push(repository, {}, as_index=True, layer_tar=small_root())
    called = build(base_image=f"{repository}@{index}")
    assert called.code == 0, called.output
    told = skopeo.manifest(*reference(registries, called))
    assert len(told["layers"]) == 3
    assert told["annotations"][image_labels.BASE_DIGEST] == index


@pytest.mark.parametrize(
    ("lines", "other", "words"),
    [
        ("", "Dockerfile", "containerfile: Dockerfile"),
        ("model: {format: joblib}", "", "loads skops and onnx, not joblib"),
        ("image: {predict: /predict}", "", "predicts at /v1/models/iris:predict and /v2/models/iris/infer"),
        ("image: {builder: server, containerfile: Containerfile}", "", "takes no image.containerfile"),
        ("image: {builder: server, readiness: /ready}", "", "tells that it is ready at /v2/health/ready"),
        ("image: {builder: containerfile, model: fetched}", "", "it is Hallmark's server that fetches"),
        ("image: {model: fetched}", "Containerfile", "the model fetched, which only images of Hallmark"),
        ("image: {builder: containerfile, trustedTypes: [a.B]}", "", "is for image.builder: server"),
    ],
)
def test_what_hallmarks_server_cannot_serve_is_told_before_anything_is_built(
    served: Path,
    lines: str,
    other: str,
    words: str,
) -> None:
    described = (served / "hallmark.yaml").read_text()
    kept = [line for line in described.splitlines() if not line.startswith(lines.partition(":")[0] + ":") or not lines]
    (served / "hallmark.yaml").write_text("\n".join([*kept, lines]) + "\n")
    if other:
        (served / other).write_text("FROM scratch\n")
    with pytest.raises(BadInputError) as caught:
        builder(served, load_model(served))
    assert words in f"{caught.value} {caught.value.solution}"


def test_a_list_of_images_gives_the_one_that_is_wanted_or_says_what_it_has() -> None:
    def entry(letter: str, **platform: str) -> dict[str, Any]:
        return {"digest": digest(letter), "platform": {"os": "linux", **platform}}

    index = {"manifests": [entry("1", architecture="arm64", variant="v8"), entry("2", architecture="amd64")]}
    assert of_list(index, "linux/amd64") == ({"os": "linux", "architecture": "amd64"}, digest("2"))
    assert of_list(index, "linux/arm64")[1] == of_list(index, "linux/arm64/v8")[1] == digest("1")
    with pytest.raises(BadInputError, match="nothing for linux/s390x, but for linux/amd64, linux/arm64/v8"):
        of_list(index, "linux/s390x")
    # Of just the name that is wanted, wherever it stands: any machine of the kind can run that one.
    index["manifests"].insert(0, entry("3", architecture="amd64", variant="v3"))
    assert [of_list(index, name)[1] for name in ("linux/amd64", "linux/amd64/v3")] == [digest("2"), digest("3")]
