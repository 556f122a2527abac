"""The image of a repository without a Containerfile: the base, Hallmark's model server, and the model.

Nothing of the repository runs while it is made, and nothing is unpacked: two layers are written and laid on those of
the base. The server's layer is the same for all models, the model's the same for all commits that train the same one.
So a change of the model is one new layer, and the registry has all others.
"""

from __future__ import annotations

import importlib.resources
import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hallmark import image_labels, model_artifact
from hallmark.documents.model import Model
from hallmark.errors import BadInputError
from hallmark.files import require_digest, sha256_file
from hallmark.image_assembly import REF, Assembled, Base, Layer, Settings, assemble, of_list
from hallmark.image_reference import Image, image
from hallmark.platforms import this_machine
from hallmark.tools import skopeo

FOLDER = "/app"
ENTRYPOINT = ("python3", "-m", "serving")
USER = "1001:0"
"""Any other user will do as well: all files are readable by all, and none is written."""


def build_and_push(
    base: Image,
    target: str,
    tag: str,
    registry: skopeo.Registry,
    *,
    model: Path,
    model_digest: str,
    description: Model,
    labels: Mapping[str, str],
    created: int,
    beside: Mapping[str, bytes] | None = None,
) -> Assembled:
    """Make the image, or the list of images, and push it to the repository `target` under `tag`.

    A model that is to be fetched is pushed there as well, as an artefact of its own, which a label names.

    Args:
        base: an image; or a list of images, of which this machine's is taken, or all that the model is for
            (`image.platforms`), which then become a list.
        model: the model's file; its digest is computed from what was copied.
        created: seconds since 1970 that the image is dated.
        beside: files for the model's folder: its signature, which the server verifies where the deployment tells it a
            key, and what else that is about. In a layer of their own, for they name the commit; the model's does not.

    Raises:
        BadInputError: the model is another one, or the base cannot be built on.
        ToolFailedError: a registry does not answer or does not let us in.
    """
    bases = _bases(base, description.image.platforms, registry)
    if description.image.model == "fetched":
        artifact = model_artifact.push(
            model, model_digest, name=description.metadata.name, target=target, registry=registry
        )
        labels = {**labels, image_labels.MODEL_ARTIFACT: artifact}
    for single in bases:
        # Under a tag of its own, for registries remove what has none. What the repository has is not sent again.
        skopeo.copy(single, registry, target, f"base-{single.digest.removeprefix('sha256:')[:12]}", registry)
    with tempfile.TemporaryDirectory(prefix="hallmark-layout-") as scratch:
        settings = Settings(
            created=created,
            labels=labels,
            annotations=manifest_annotations(labels, base, created),
            entrypoint=ENTRYPOINT,
            working_directory=FOLDER,
            user=USER,
            port=description.image.port,
            environment={"PYTHONPATH": FOLDER, "PYTHONUNBUFFERED": "1"},
        )
        require_digest("the model", sha256_file(model), model_digest)
        layers = [server_layer(), model_layer(model, model_digest, description)]
        if beside:
            files = {f"{FOLDER}/model/{name}": content for name, content in beside.items()}
            layers.append(Layer(files=files, created_by="hallmark build-image: model's signature"))
        layout = Path(scratch) / "layout"
        made = assemble(list(bases.values()), layers, settings, layout)
        skopeo.push_layout(layout, REF, target, tag, registry, digest=made.digest)
    return made


def _bases(base: Image, platforms: Sequence[str], registry: skopeo.Registry) -> dict[Image, Base]:
    """The images to lay layers on, with a platform each where there are to be several."""
    manifest = skopeo.manifest(base, registry)
    several = len(platforms) > 1
    if not skopeo.is_list(manifest):
        if several:
            raise BadInputError(
                f"hallmark.yaml wants images for {', '.join(platforms)}, and the base {base} is for one platform",
                solution="start the run with the digest of a list of images, or leave image.platforms out",
            )
        return {base: _base(base, manifest, registry)}
    found: dict[Image, Base] = {}
    for wanted in platforms or [this_machine()]:
        told, digest = of_list(manifest, wanted)
        single = image(base.repository, digest)
        if single in found:
            raise BadInputError(
                f"the base {base} has one image for several of {', '.join(platforms)}",
                solution="name each of the base's platforms once in image.platforms in hallmark.yaml",
            )
        found[single] = _base(single, skopeo.manifest(single, registry), registry, told if several else None)
    return found


def _base(
    single: Image, manifest: Mapping[str, Any], registry: skopeo.Registry, platform: Mapping[str, Any] | None = None
) -> Base:
    """Raises BadInputError: it is not one image, or one whose configuration does not name its layers."""
    skopeo.require_layers(single, manifest)
    config = skopeo.configuration(single, registry)
    rootfs = config.get("rootfs")
    named = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(named, list) or len(named) != len(manifest["layers"]):
        raise BadInputError(
            f"the configuration of the base {single} does not name its layers",
            solution="name a base image that follows OCI's image specification",
        )
    return Base(manifest=manifest, config=config, platform=platform)


def manifest_annotations(labels: Mapping[str, str], base: Image, created: int) -> dict[str, str]:
    """What the manifest says of the image: the labels, its base and its date (OCI's annotations.md)."""
    return {
        **labels,
        image_labels.BASE_NAME: base.repository,
        image_labels.BASE_DIGEST: base.digest,
        image_labels.CREATED: datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def server_layer() -> Layer:
    """The model server, as it lies in this package."""
    folder = importlib.resources.files("hallmark") / "serving"
    files = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.endswith(".py")}
    return Layer(
        files={f"{FOLDER}/serving/{name}": content for name, content in files.items()},
        created_by="hallmark build-image: model server",
    )


def model_layer(model: Path, digest: str, description: Model) -> Layer:
    """What the server has to know of the model, and its file, unless that is fetched at each start."""
    kept = description.image.model
    told = {
        "digest": digest,
        "size": model.stat().st_size,
        "kept": kept,
        "format": description.model.format,
        "name": description.metadata.name,
        "version": description.metadata.version,
        "task": description.task,
        "features": description.data.features,
        "trusted": description.image.trusted_types,
        "port": description.image.port,
    }
    files: dict[str, bytes | Path] = {
        f"{FOLDER}/model/serving.json": json.dumps(told, indent=1, sort_keys=True).encode()
    }
    if kept == "baked":
        files[f"{FOLDER}/model/model.{description.model.format}"] = model
    return Layer(files=files, created_by=f"hallmark build-image: model, {kept}")
