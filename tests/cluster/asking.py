"""Asking the API server whether it would admit an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from cluster.kubectl import kubectl
from hallmark.process import Completed

Object = dict[str, Any]
Change = Callable[[Object], None]

ADMINISTRATOR = ["--as=ada", "--as-group=system:masters"]
"""The policies hold for everybody, not only for those whom roles already keep out."""


def ask(item: Object, who: list[str]) -> Completed:
    """Let the API server judge a creation that does not happen."""
    return kubectl("create", "--dry-run=server", "-f", "-", *who, stdin=yaml.safe_dump(item), accept=None)


def assert_admitted(done: Completed) -> None:
    assert done.exit_code == 0, done.stderr


def assert_denied(done: Completed, phrase: str) -> None:
    assert done.exit_code != 0, "it was admitted"
    assert "denied request" in done.stderr, done.stderr
    assert phrase in done.stderr, done.stderr
