"""Credentials of image registries: Secret workspaces of type kubernetes.io/dockerconfigjson, or docker's own file."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hallmark.errors import BadInputError

KEYS = ("config.json", ".dockerconfigjson")


@contextlib.contextmanager
def docker_config(credential: Path | None) -> Iterator[Path]:
    """A private file `config.json` with the credential, in a folder of its own; anonymous without one.

    A tool that is given this file never looks for another one, so what the machine's user is logged in to does not
    count.

    Raises:
        BadInputError: the folder holds no such credential.
    """
    text = "{}" if credential is None else _read(credential)
    with tempfile.TemporaryDirectory(prefix="hallmark-auth-") as folder:
        file = Path(folder) / "config.json"
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        yield file


def _read(credential: Path) -> str:
    found = [credential / key for key in KEYS if (credential / key).is_file()]
    if not found:
        raise BadInputError(
            f"{credential} holds no registry credential",
            solution="give a Secret of type kubernetes.io/dockerconfigjson, or one with docker's config.json",
        )
    try:
        text = found[0].read_text(encoding="utf-8")
        if not isinstance(json.loads(text), dict):
            raise ValueError("no object")
    except (ValueError, OSError) as error:
        raise BadInputError(
            f"{found[0]} is no docker configuration", solution='write it as {"auths": {"<host>": {"auth": "..."}}}'
        ) from error
    return text
