"""Manifests as upstream has them in its Go modules, with the images that are made here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from cluster.places import SOURCES
from hallmark.process import run


def module_folder(module: str, path: str) -> Path:
    """Where Go keeps the files of a module that `tools/<module>` pins."""
    argv = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", path]
    return Path(run(argv, cwd=SOURCES / module, env=os.environ, timeout=300).stdout.strip())


def manifests(folder: Path, pattern: str, images: Mapping[str, str]) -> list[dict[str, Any]]:
    """The objects in the files of a folder that match `pattern`, in order of their names.

    Args:
        images: text in the manifest -> image that takes its place.
    """
    found = []
    for path in sorted(folder.glob(pattern)):
        text = path.read_text()
        # The longest first: one name may begin another.
        for name in sorted(images, key=len, reverse=True):
            text = text.replace(name, images[name])
        found += [item for item in yaml.load_all(text, Loader=yaml.CSafeLoader) if item]
    return found


def of_kinds(objects: Iterable[dict[str, Any]], *kinds: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Those of these kinds, and all others."""
    objects = list(objects)
    return [item for item in objects if item["kind"] in kinds], [item for item in objects if item["kind"] not in kinds]
