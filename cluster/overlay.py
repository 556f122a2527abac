"""The kustomize overlay that says where a cluster's step images are, by digest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cluster import kubectl
from hallmark.errors import BadInputError
from hallmark.files import write_text
from laptop.setup import ROOT

OVERLAYS = ROOT / "install" / "overlays"
PLACEHOLDER = "registry.hallmark.dev"
"""The catalog's images begin with it until an overlay says where they are."""


def on_top(folder: Path, base: Path, images: Mapping[str, str], settings: Mapping[str, Any]) -> None:
    """Write an overlay on top of one of :data:`OVERLAYS`, with settings for the admission policies.

    Args:
        images: name of a step image -> `repository@sha256:...`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(base, folder)],
        # Kustomize reads no single file outside its folder.
        "configurations": ["images.yaml"],
        "images": _images(images),
        "patches": [{"path": "settings.yaml"}],
    }
    write_text(folder / "images.yaml", (base / "images.yaml").read_text())
    write_text(folder / "kustomization.yaml", yaml.safe_dump(kustomization, sort_keys=False))
    write_text(folder / "settings.yaml", yaml.safe_dump(dict(settings), sort_keys=False))


def copy(folder: Path, base: Path) -> None:
    """Make `folder` a copy of an overlay, for its owner to change."""
    shutil.copytree(base, folder)
    file = folder / "kustomization.yaml"
    found = yaml.safe_load(file.read_text())
    found["resources"] = [_moved(name, base, folder) for name in found["resources"]]
    write_text(file, yaml.safe_dump(found, sort_keys=False))


def set_images(folder: Path, images: Mapping[str, str]) -> None:
    """Have the overlay use these images; everything else in it stays as its owner wrote it.

    Raises:
        BadInputError: the folder has no kustomization that could be read.
    """
    file = folder / "kustomization.yaml"
    try:
        found = yaml.safe_load(file.read_text())
        others = [entry for entry in found.get("images", []) if not entry["name"].startswith(f"{PLACEHOLDER}/")]
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{file} is no kustomization: {error}",
            solution=f"mend it, or remove {folder} to have it made from the template",
        ) from error
    found["images"] = [*others, *_images(images)]
    write_text(file, yaml.safe_dump(found, sort_keys=False))


def apply(folder: Path, *, force: bool = False) -> None:
    """Apply it server-side. `force`: also take over what somebody else has set since."""
    kubectl.kubectl("apply", "--server-side", *(["--force-conflicts"] if force else []), "-k", str(folder))


def _images(images: Mapping[str, str]) -> list[dict[str, str]]:
    parted = {name: reference.partition("@") for name, reference in images.items()}
    return [
        {"name": f"{PLACEHOLDER}/{name}", "newName": repository, "digest": digest}
        for name, (repository, _, digest) in parted.items()
    ]


def _moved(resource: str, base: Path, folder: Path) -> str:
    """A resource's path as the copy has to name it: what lies in the folder itself was copied with it."""
    target = (base / resource).resolve()
    return resource if base.resolve() in target.parents else os.path.relpath(target, folder.resolve())
