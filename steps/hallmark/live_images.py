"""A list of the images that are live, by digest: what has to be signed again while a key is rotated."""

from __future__ import annotations

from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.image_reference import Image, parse_image

MAXIMUM = 10_000


def read(file: Path) -> list[Image]:
    """The images in `file`, one `repository@sha256:...` a line, `#` for comments; each once, in order.

    Raises:
        BadInputError: it cannot be read, is empty, too long, or names an image without a digest.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"cannot read {file}", solution="give a file with one image a line") from error
    named = dict.fromkeys(text for line in lines if (text := line.partition("#")[0].strip()))
    if not named or len(named) > MAXIMUM:
        raise BadInputError(
            f"{file} names {len(named)} images",
            solution=f"give between one and {MAXIMUM}; where nothing is live, leave --images out",
        )
    return [parse_image(name) for name in named]
