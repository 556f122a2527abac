"""What a digest stands for: one image, or a list of them by platform. Imports nothing of the documents."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from hallmark.image_reference import Image, image
from hallmark.tools import skopeo

AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class Part:
    """An image by itself, or one of a list."""

    platform: str
    """As the list calls it; empty of an image by itself."""
    image: Image


def parts_of(whole: Image, registry: skopeo.Registry) -> list[Part]:
    """The images that `whole` stands for; only itself, where it is no list.

    Raises:
        BadInputError: as `skopeo.platforms`, or what the list calls an image is a list of its own.
        ToolFailedError: as `skopeo.platforms`.
    """
    listed = skopeo.platforms(whole, registry)
    found = [Part(platform=name, image=image(whole.repository, digest)) for name, digest in listed.items()]
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        list(pool.map(lambda part: skopeo.require_single(part.image, registry), found))
    return found or [Part(platform="", image=whole)]


def configurations(whole: Image, registry: skopeo.Registry) -> dict[Part, Mapping[str, Any]]:
    """The configuration of each of these images.

    Raises:
        BadInputError, ToolFailedError: as `parts_of` and `skopeo.configuration`.
    """
    parts = parts_of(whole, registry)
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        found = pool.map(lambda part: skopeo.configuration(part.image, registry), parts)
        return dict(zip(parts, found, strict=True))
