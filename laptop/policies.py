"""The validators' policy, as far as it has to fit the machine that a model is tried on."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from hallmark.base_images import named
from hallmark.documents.policy import load_policy
from hallmark.files import write_text
from hallmark.image_reference import parse_image


def have_production_at(folder: Path, url: str) -> None:
    """Put this machine's configuration repository in the place of the one that the policy names.

    A policy says where production is described (`model.champion.production`), and this machine has a repository of its
    own for that. Branch and path stay as they are, and so does a policy that asks for no comparison.

    Args:
        folder: a copy of the policy's folder, with all levels that the policy extends.

    Raises:
        BadInputError: the policy has a mistake.
    """
    champion = load_policy(folder).model.champion
    if champion is None:
        return
    _replace(folder, {place.repository for place in champion.production}, url)


def have_base(folder: Path, reference: str, *, environment: Mapping[str, str] = os.environ) -> None:
    """Put the base image that was made on this machine in the place of those that the policy names.

    No policy can know the digest of what is made here. A base that `BASE_IMAGE` names has one beforehand: the policy
    has to name it. A policy that names no bases stays as it is.

    Args:
        folder: as of :func:`have_production_at`.
        reference: `repository@sha256:...`.

    Raises:
        BadInputError: the policy has a mistake.
    """
    rules = load_policy(folder).image
    if not environment.get("BASE_IMAGE") and not named(rules, parse_image(reference)).passed:
        _replace(folder, set(rules.bases), reference)


def _replace(folder: Path, old: set[str], new: str) -> None:
    """Put `new` in the place of each old text in the policy's files, of two that begin alike the longer one first."""
    if not old:
        return
    words = re.compile("|".join(map(re.escape, sorted(old, key=len, reverse=True))))
    for file in sorted(folder.rglob("*.y*ml")):
        text = file.read_text(encoding="utf-8")
        changed = words.sub(lambda _: new, text)
        if changed != text:
            write_text(file, changed)
