"""Reads credentials from a mounted Secret's files. They stand in no location, argument, error or report."""

from __future__ import annotations

from pathlib import Path

from hallmark.errors import BadInputError


def read(folder: Path | None, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, str]:
    """The contents of the folder's files by name, without line ends; nothing where there is no folder.

    Raises:
        BadInputError: a required file is missing, empty, or cannot be read.
    """
    if folder is None:
        return {}
    found: dict[str, str] = {}
    for name in (*required, *optional):
        try:
            text = (folder / name).read_text(encoding="utf-8").rstrip("\r\n")
        except FileNotFoundError:
            text = ""
        except (OSError, ValueError) as error:
            raise BadInputError(f"cannot read {name} of the credential", solution="check the mounted Secret") from error
        if text:
            found[name] = text
        elif name in required:
            raise BadInputError(
                f"the credential has no {name}", solution=f"give a Secret with the keys {' and '.join(required)}"
            )
    return found
