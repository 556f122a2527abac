"""A delivery as a commit message records it, and the rule that an older commit never replaces a newer one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hallmark.errors import BadInputError
from hallmark.files import DIGEST
from hallmark.history import Relation
from hallmark.tools.git import COMMIT

TRAILER = re.compile(r"^\s*([A-Z][A-Za-z-]+): (\S.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What one commit of the configuration repository delivered."""

    manifest_commit: str
    image_digest: str
    source_commit: str
    source_time: int
    """The committer's date of the source commit, seconds since 1970."""


def message(name: str, trailers: Mapping[str, str]) -> str:
    """The commit's message, with a trailer for each fact (git-interpret-trailers(1)).

    Raises:
        BadInputError: a value has a line break or a control character, so that it could pose as another trailer.
    """
    facts = {"Image-Name": name, **trailers}
    for key, value in facts.items():
        if not value or not value.isprintable():
            raise BadInputError(f"{key} is empty or has unprintable characters", solution="give one line of text")
    lines = "".join(f"{key}: {value}\n" for key, value in facts.items())
    return f"Deliver {name} {trailers['Image-Digest'].removeprefix('sha256:')[:12]}\n\n{lines}"


def parse(manifest_commit: str, text: str, name: str) -> Delivery | None:
    """The delivery of the image `name` that a commit's message records; None where it records none."""
    trailers = dict(TRAILER.findall(text))
    digest, commit = trailers.get("Image-Digest", ""), trailers.get("Source-Commit", "")
    time = trailers.get("Source-Commit-Time", "")
    if trailers.get("Image-Name") != name or not time.isascii() or not time.isdigit():
        return None
    if not DIGEST.fullmatch(digest) or not COMMIT.fullmatch(commit):
        return None
    return Delivery(manifest_commit=manifest_commit, image_digest=digest, source_commit=commit, source_time=int(time))


def objection(commit: str, time: int, last: Delivery | None, relation: Relation, standing: str | None) -> str:
    """Why `commit` must not be delivered now; empty where nothing speaks against it.

    Args:
        time: the committer's date of `commit`, seconds since 1970.
        last: the last delivery of this image, None where there was none.
        relation: what `commit` is to the last delivery's source commit.
        standing: the digest that stands in the manifest now.
    """
    if last is None:
        return ""
    newer = f"{last.source_commit[:12]}, delivered by {last.manifest_commit[:12]}"
    if relation == "older":
        return f"{commit[:12]} is an ancestor of {newer}"
    if relation in ("diverged", "unknown") and time < last.source_time:
        why = "on another branch" if relation == "diverged" else "not in the repository's history"
        return f"{commit[:12]} was committed {last.source_time - time} s before {newer} ({why})"
    if relation == "same" and standing != last.image_digest:
        return f"{commit[:12]} was delivered by {last.manifest_commit[:12]} and then taken back"
    return ""
