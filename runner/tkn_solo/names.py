"""Names as upstream forms them: containers, child TaskRuns, generated suffixes."""

from __future__ import annotations

import hashlib
import random
import re

_LONGEST = 63
_HASH = 32
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def container_name(step: str, index: int) -> str:
    """`step-<name>`, or `step-unnamed-<index>`."""
    return f"step-{step}" if step else f"step-unnamed-{index}"


def child_name(parent: str, suffix: str) -> str:
    """`parent + suffix` within 63 characters; longer ones are cut and hashed as knative's kmeta does."""
    if len(parent) + len(suffix) <= _LONGEST:
        return parent + suffix
    head = _LONGEST - _HASH
    if head <= len(suffix):
        name = parent[:head] + _md5(parent + suffix)
        name += suffix[: max(0, _LONGEST - len(name))]
        return re.sub(r"[^a-z0-9]+$", "", name)
    return parent[: head - len(suffix)] + _md5(parent) + suffix


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def generated_name(prefix: str) -> str:
    """`prefix` and five random characters, as `generateName` does."""
    return prefix + "".join(random.choices(_ALPHABET, k=5))  # noqa: S311 - a name, no secret
