"""Platforms: the system and the processor that an image is for, `linux/amd64` or `linux/arm64/v8`.

https://github.com/opencontainers/image-spec (image-index.md, the property `platform`)
"""

from __future__ import annotations

import platform
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from hallmark.errors import BadInputError
from hallmark.files import DIGEST
from hallmark.gate_report import Check

NAME = r"^linux/[a-z0-9]+(/[a-z0-9.]+)?$"
"""Of those that documents may name; without a variant it stands for all of them."""
PROPERTIES = ("os", "architecture", "variant")
"""Of a platform in a list of images, as far as its name tells them."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Linux calls a machine, and what images call it; others have one name."""


def this_machine() -> str:
    """The platform that this process runs on, without its variant."""
    machine = platform.machine()
    return f"linux/{ARCHITECTURES.get(machine, machine)}"


def name_of(told: Any) -> str:
    """The name of a platform in a list of images; empty where it has none.

    >>> name_of({"os": "linux", "architecture": "arm64", "variant": "v8"})
    'linux/arm64/v8'
    """
    if not isinstance(told, Mapping):
        return ""
    return "/".join(str(told[key]) for key in PROPERTIES if told.get(key))


def covers(name: str, other: str) -> bool:
    """Whether `name` stands for `other`.

    >>> covers("linux/arm64", "linux/arm64/v8"), covers("linux/arm64/v8", "linux/arm64"), covers("linux/a", "linux/ab")
    (True, False, False)
    """
    return other == name or other.startswith(f"{name}/")


def as_text(digests: Mapping[str, str]) -> str:
    """The digests of a list's images by platform, as a task hands them over: `linux/amd64=sha256:...`, with blanks."""
    return " ".join(f"{name}={digest}" for name, digest in digests.items())


def of_text(text: str) -> dict[str, str]:
    """What :func:`as_text` wrote. Raises BadInputError where it did not."""
    found = dict(entry.partition("=")[::2] for entry in text.split())
    if len(found) < len(text.split()) or not all(
        re.match(NAME, name) and DIGEST.fullmatch(digest) for name, digest in found.items()
    ):
        raise BadInputError(
            "the image's platforms are no list of PLATFORM=sha256:...",
            solution="hand over build-image's result image-platforms",
        )
    return found


def tested_check(platforms: Collection[str], tested: str | None, allowed: Sequence[str]) -> Check:
    """Whether an image was called on each of its platforms that has to be; args as of :func:`untested`."""
    missing = untested(platforms, tested, allowed)
    # Who reads only what passed has to be told too.
    without = untested(platforms, tested, [])
    told = f"; not tested on {', '.join(without)}, as the policy allows" if without else ""
    return Check(
        name="platforms",
        passed=not missing,
        value=f"not tested on {', '.join(missing)}" if missing else f"{', '.join(platforms)}{told}",
        limit=" or ".join([tested or "where it was tested", *allowed]),
    )


def untested(platforms: Iterable[str], tested: str | None, allowed: Sequence[str]) -> list[str]:
    """Those of an image's platforms on which it neither ran nor need have run.

    Args:
        tested: where the image's container was called; of several variants of it nobody knows which one that was.
        allowed: which the policy lets go without (`image.untestedPlatforms`).
    """
    names = list(platforms)
    ran = [name for name in names if tested and covers(tested, name)]
    if not ran:
        # What is allowed is that it ran on another one of them.
        return names
    return [
        name for name in names if not any(covers(one, name) for one in allowed) and (name not in ran or len(ran) > 1)
    ]
