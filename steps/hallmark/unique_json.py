"""JSON in which no key stands twice: two readers must not be able to see two things in it."""

from __future__ import annotations

import json
from typing import Any


def loads(text: str | bytes) -> Any:
    """The JSON in `text`; Python's own parser keeps one of two equal keys, and says nothing.

    Raises:
        ValueError: it is no JSON (`json.JSONDecodeError`), or a key stands twice.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found
