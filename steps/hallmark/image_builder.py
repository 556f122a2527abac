"""Which way a repository becomes an image: by its own Containerfile, or as Hallmark's server with the model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from hallmark.documents.model import Model
from hallmark.errors import BadInputError

CONTAINERFILE = "Containerfile"
OTHER_NAMES = ("Dockerfile", "containerfile", "dockerfile")
"""Files that look meant for a build, but are not taken for it unless `hallmark.yaml` names them."""

Builder = Literal["containerfile", "server"]


def builder(source: Path, model: Model) -> Builder:
    """What `image.builder` says; where it says nothing, `containerfile` if there is one, else `server`.

    Raises:
        BadInputError: there is a file of another name that was probably meant, or the server cannot serve the model.
    """
    said = model.image.builder
    if said == "containerfile" or model.image.containerfile is not None:
        return "containerfile"
    if said is None and (source / CONTAINERFILE).is_file():
        wants = {"the model fetched": model.image.model == "fetched", "several platforms": bool(model.image.platforms)}
        if asked := [what for what, wanted in wants.items() if wanted]:
            raise BadInputError(
                f"the repository has a {CONTAINERFILE}, and hallmark.yaml wants {' and '.join(asked)}, which only "
                "images of Hallmark's own server know",
                solution="add `builder: server` to image in hallmark.yaml, or take that out of it",
            )
        return "containerfile"
    if said is None:
        if meant := [name for name in OTHER_NAMES if (source / name).exists()]:
            raise BadInputError(
                f"the repository has a {meant[0]}, and hallmark.yaml does not say how its image is built",
                solution=f"add `containerfile: {meant[0]}` to image in hallmark.yaml to build it by that file, or "
                "`builder: server` to have the model served by Hallmark's own server",
            )
        if model.unservable:
            raise BadInputError(
                f"the repository has no {CONTAINERFILE}, and {model.unservable}",
                solution=f"commit a {CONTAINERFILE}, or change hallmark.yaml so that Hallmark's server can serve it",
            )
    return "server"


def containerfile(model: Model) -> str:
    """The path of the Containerfile inside the repository."""
    return model.image.containerfile or CONTAINERFILE
