"""A model that is in no image, as an artefact of the image's own repository, where the server can fetch it.

It is a manifest with one layer, the model's file as it is, so that a registry has the model under the very digest that
image, verdict and server know: `/v2/REPOSITORY/blobs/DIGEST` (OCI distribution specification). The format is the CNCF's
ModelPack (https://github.com/modelpack/model-spec). The manifest says nothing but what the model is, so that the next
commit with the same one finds it there; and its tag is its own digest, so that it never moves.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hallmark import image_labels
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.files import DIGEST, require_digest, sha256_bytes, sha256_file
from hallmark.gate_report import Check
from hallmark.image_assembly import OCI, REF
from hallmark.image_reference import Image, image
from hallmark.tools import skopeo

MODEL = "application/vnd.cncf.model."
WEIGHTS = f"{MODEL}weight.v1.raw"
FILE_PATH = "org.cncf.model.filepath"


def tag(artifact: str) -> str:
    """What the artefact with this digest is called in its repository; registries remove what has no tag.

    Not by the model's digest: one file may be two models' or two formats', and the manifest, which says so, another.
    """
    return f"model-{artifact.removeprefix('sha256:')}"


def push(model: Path, digest: str, *, name: str, target: str, registry: skopeo.Registry) -> str:
    """Push the model's file to the repository `target`, and return the artefact's digest.

    Args:
        digest: of the file; compared with what is pushed.
        name: the model's.

    Raises:
        BadInputError: the file is another one.
        ToolFailedError: the registry does not answer or does not let us in.
    """
    require_digest("the model", sha256_file(model), digest)
    with tempfile.TemporaryDirectory(prefix="hallmark-artifact-") as scratch:
        folder = Path(scratch) / "layout"
        made = _layout(folder, model, digest, name)
        skopeo.push_layout(folder, REF, target, tag(made), registry, digest=made)
    return made


def of(labels: Mapping[str, str], repository: str) -> Image | None:
    """The artefact that belongs to an image with these labels; None where the model is in the image.

    Raises:
        BadInputError: the label names none.
    """
    found = labels.get(image_labels.MODEL_ARTIFACT)
    if not found:
        return None
    if not DIGEST.fullmatch(found):
        raise BadInputError(
            f"the image's label {image_labels.MODEL_ARTIFACT} is no digest", solution="build the image anew"
        )
    return image(repository, found)


def look(
    labels: Mapping[str, str], repository: str, model_digest: str, registry: skopeo.Registry
) -> tuple[Image | None, list[Check]]:
    """As `of`, and whether the artefact holds the model that was judged, and nothing else.

    Labels are what somebody wrote: one that leads to nothing, or to something else, is a check that failed.

    Raises:
        ToolFailedError: the registry does not answer or does not let us in.
    """
    try:
        artifact = of(labels, repository)
    except BadInputError as error:
        return None, [_check(error.message, model_digest)]
    if artifact is None:
        return None, []
    try:
        found = _held(artifact, registry)
    except ToolFailedError as error:
        # Asked for a blob as for a manifest, some registries tell a failure of their own: so of `distribution` 2.8.
        if not isinstance(error, skopeo.NoSuchImageError) and not skopeo.lacks(
            repository, tag(artifact.digest), registry
        ):
            raise
        found = f"the registry has no {artifact}"
    return artifact, [_check(found, model_digest)]


def _check(found: str, model_digest: str) -> Check:
    return Check(
        name="model beside the image", passed=found == model_digest, value=found, limit=f"equal to {model_digest}"
    )


def _held(artifact: Image, registry: skopeo.Registry) -> str:
    """The digest of the one model that the artefact is, or else in words what it is."""
    told = skopeo.manifest(artifact, registry)
    layers = told.get("layers")
    if told.get("mediaType", skopeo.MANIFESTS[0]) != skopeo.MANIFESTS[0] or not isinstance(layers, list):
        return f"no manifest of a model, but {str(told.get('mediaType'))[:100]}"
    if not skopeo.are_layers(layers, (WEIGHTS,)):
        return "something else than files of models"
    return ", ".join(layer["digest"] for layer in layers[:3])


def _require_model(artifact: Image, model_digest: str, registry: skopeo.Registry) -> None:
    found = _held(artifact, registry)
    if found != model_digest:
        raise BadInputError(
            f"{artifact} holds {found}, and not the model {model_digest}", solution="build the image anew"
        )


def publish(
    artifact: Image, model_digest: str, registry: skopeo.Registry, target: str, target_registry: skopeo.Registry
) -> None:
    """Copy the artefact to the repository `target`, if it holds the model.

    Raises:
        BadInputError: it holds another one.
        ToolFailedError: one of the registries does not answer or does not let us in.
    """
    _require_model(artifact, model_digest, registry)
    skopeo.copy(artifact, registry, target, tag(artifact.digest), target_registry)


def take_out(
    artifact: Image, model_digest: str, registry: skopeo.Registry, target: Path, *, maximum_bytes: int, timeout: float
) -> int:
    """Fetch the model into the file `target`, which is on the file system of its folder; returns its bytes.

    Raises:
        BadInputError: it is another one, or larger than `maximum_bytes`.
        ToolFailedError: the registry does not give it, or needs longer than `timeout` seconds.
    """
    _require_model(artifact, model_digest, registry)
    with tempfile.TemporaryDirectory(prefix=".artifact-", dir=target.parent) as scratch:
        (file,) = skopeo.download(
            artifact,
            registry,
            Path(scratch) / "artifact",
            maximum_bytes=maximum_bytes,
            timeout=timeout,
            kinds=(WEIGHTS,),
        )
        require_digest("the model in the registry", sha256_file(file), model_digest)
        file.rename(target)
    return target.stat().st_size


def _layout(folder: Path, model: Path, digest: str, name: str) -> str:
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    # Not copied: skopeo follows the link.
    (blobs / digest.removeprefix("sha256:")).symlink_to(model.resolve())
    config = {
        "descriptor": {"name": name},
        "config": {"format": model.suffix.removeprefix(".")},
        "modelfs": {"type": "layers", "diffIds": [digest]},
    }
    layer = {"mediaType": WEIGHTS, "digest": digest, "size": model.stat().st_size}
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}manifest.v1+json",
        "artifactType": f"{MODEL}manifest.v1+json",
        "config": {"mediaType": f"{MODEL}config.v1+json", **_write(blobs, config)},
        "layers": [{**layer, "annotations": {FILE_PATH: model.name}}],
    }
    top = _write(blobs, manifest)
    named = {"mediaType": manifest["mediaType"], **top, "annotations": {"org.opencontainers.image.ref.name": REF}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}), encoding="utf-8")
    (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}), encoding="utf-8")
    return str(top["digest"])


def _write(blobs: Path, content: object) -> dict[str, Any]:
    data = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    digest = sha256_bytes(data)
    (blobs / digest.removeprefix("sha256:")).write_bytes(data)
    return {"digest": digest, "size": len(data)}
