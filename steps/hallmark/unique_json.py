"""JSON in which no key stands twice: two readers must not be able to see two things in it."""

from __future__ import annotations

import json
from typing import Any


def loads(text: str | bytes) -> Any:
    """The JSON in `text`; Python's own parser keeps one of two equal keys, and says nothing.

    Raises:
        ValueError: it is no JSON (`json.JSONDecodeError`), or a key, which is named, stands twice in one object.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:40]!r} stands twice in one object")
        found[key] = value
    return found
