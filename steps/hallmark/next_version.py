"""Proposes a semantic version (https://semver.org) for a model by what changed against the one in production.

Only a proposal: what its callers rely on, the maker knows better.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Change = Literal["first", "none", "patch", "minor", "major"]
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a model; the features in the order in which it is given them."""

    version: str
    digest: str
    task: str
    features: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Proposal:
    version: str
    change: Change
    reason: str
    fits: bool
    """Whether the version that the maker gave is at least this one."""


def propose(now: Known, before: Known | None, *, better: bool) -> Proposal:
    """The version that `now` should have.

    Args:
        before: the model in production; None where none is known.
        better: whether `now` was shown to be better than it, by the metric that the policy compares.
    """
    if before is None or not _VERSION.fullmatch(before.version):
        reason = "no model in production is known to compare with, so the maker's version stands"
        return Proposal(version=now.version, change="first", reason=reason, fits=True)
    change, reason = _change(now, before, better=better)
    version = _raised(before.version, change)
    return Proposal(version=version, change=change, reason=reason, fits=_order(now.version) >= _order(version))


def _change(now: Known, before: Known, *, better: bool) -> tuple[Change, str]:
    if now.digest == before.digest:
        return "none", "the model is the one in production, byte for byte"
    if now.task != before.task:
        return "major", f"it is a {now.task} and was a {before.task}"
    if removed := [name for name in before.features if name not in now.features]:
        return "major", f"it is no longer given {_listed(removed)}"
    if added := [name for name in now.features if name not in before.features]:
        if tuple(name for name in now.features if name in before.features) == before.features:
            return "minor", f"it is given {_listed(added)} too, which its callers have to send"
        return "major", "its features come in another order"
    if now.features != before.features:
        return "major", "its features come in another order"
    if better:
        return "minor", "it was shown to be better than the one in production"
    return "patch", "it was trained anew: the same features, not shown to be better"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _raised(version: str, change: Change) -> str:
    """`version` without what stands after a hyphen, raised.

    >>> _raised("1.2.3", "minor"), _raised("1.2.3-rc.1", "patch"), _raised("1.2.3", "none")
    ('1.3.0', '1.2.3', '1.2.3')
    """
    if change in ("none", "first"):
        return version
    major, minor, patch = (int(part) for part in version.partition("-")[0].split("."))
    if change == "major":
        return f"{major + 1}.0.0"
    if change == "minor":
        return f"{major}.{minor + 1}.0"
    # What was a release candidate becomes the release.
    return f"{major}.{minor}.{patch}" if "-" in version else f"{major}.{minor}.{patch + 1}"


def _order(version: str) -> tuple[int, int, int, bool]:
    """Rises with the version; a release comes after its candidates, which are all alike here."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return (0, 0, 0, False)
    return (int(found[1]), int(found[2]), int(found[3]), found[4] is None)
