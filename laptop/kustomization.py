"""The operators' kustomization, as far as a delivery needs it: the entry of the model's image."""

from __future__ import annotations

from pathlib import Path

import yaml

from hallmark.errors import BadInputError

PATH = "production/kustomization.yaml"
"""In the configuration repository."""


def image_address(config: Path, image: str) -> str:
    """The `newName` of an image in the kustomization below the folder `config`.

    Raises:
        BadInputError: no kustomization, no YAML, or no entry of that name with a `newName`.
    """
    file = config / PATH
    solution = f"the operators' folder (CONFIG, --config) has to hold {PATH}; samples/iris/config is an example"
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"cannot read {file}: {error.strerror}", solution=solution) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        told = " ".join(str(error).split())
        raise BadInputError(f"{file} is not YAML: {told}", solution="mend the YAML at that line") from error
    if not isinstance(document, dict):
        raise BadInputError(f"{file} is not a mapping", solution=solution)
    entries = document.get("images") or []
    if not isinstance(entries, list):
        raise BadInputError(f"{file}: images is not a list", solution=solution)
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise BadInputError(f"{file}: entry {number} of images has no name", solution="give it a name")
    found = [entry for entry in entries if entry["name"] == image]
    if not found:
        names = ", ".join(entry["name"] for entry in entries) or "none"
        raise BadInputError(
            f"{file} lists no image {image} (it lists: {names})",
            solution=f"add an entry with `name: {image}`, the model's name, and a newName to images",
        )
    address = found[0].get("newName")
    if not isinstance(address, str) or not address:
        raise BadInputError(
            f"{file}: the image {image} has no newName", solution="add the registry's address, as newName: HOST/NAME"
        )
    return address
