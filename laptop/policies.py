"""The validators' policy, as far as it has to fit the machine that a model is tried on."""

from __future__ import annotations

from pathlib import Path

from hallmark.documents.policy import load_policy
from hallmark.files import write_text


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
    named = {place.repository for place in champion.production}
    for file in sorted(folder.rglob("*.y*ml")):
        text = before = file.read_text(encoding="utf-8")
        for repository in sorted(named, key=len, reverse=True):
            text = text.replace(repository, url)
        if text != before:
            write_text(file, text)
