"""Names of images: a repository without a tag, and a repository with a digest. Nothing here is ever named by a tag."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hallmark.errors import BadInputError
from hallmark.files import DIGEST

# The grammar of github.com/distribution/reference, with the registry's host required.
REPOSITORY = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)+"
)

BY_DIGEST = rf"^(?:{REPOSITORY.pattern}@)?sha256:[0-9a-f]{{64}}$"
"""A digest, or a reference with one."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image by digest; `str` gives `repository@sha256:...`."""

    repository: str
    digest: str

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"


def image(repository: str, digest: str) -> Image:
    """The image `repository@digest`. Raises BadInputError where one of them is none."""
    if not REPOSITORY.fullmatch(repository):
        raise BadInputError(
            f"{repository!r} is no repository of images",
            solution="give host and path without a tag, e.g. registry.example.com/releases/iris",
        )
    if not DIGEST.fullmatch(digest):
        raise BadInputError(f"{digest!r} is no digest", solution="give `sha256:` and 64 hexadecimal digits")
    return Image(repository=repository, digest=digest)


def parse_image(text: str) -> Image:
    """The image in a text `repository@sha256:...`.

    >>> parse_image("registry.example.com/iris:latest")
    Traceback (most recent call last):
    hallmark.errors.BadInputError: registry.example.com/iris:latest does not name an image by digest

    Raises:
        BadInputError: it names no digest, or a tag.
    """
    repository, at, digest = text.partition("@")
    if not at:
        raise BadInputError(
            f"{text} does not name an image by digest",
            solution="give repository@sha256:...; a tag can point to another image at any time",
        )
    return image(repository, digest)
