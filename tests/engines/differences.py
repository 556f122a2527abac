"""The committed list of what tkn-solo and Tekton do differently, and the comparison that holds it to be complete.

Each entry of `tests/cluster/differences.yaml` has a `scenario`, a sentence `why`, and `fields`: the name of a field to
what `tkn-solo` and `tekton` have there. A value `{matches: ...}` is a regular expression for the whole of it. With
`sometimes: true` the engines may also agree, in any of the entry's fields: where Tekton itself races.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from engines.observation import NOT_RUN, fields

FILE = Path(__file__).parents[1] / "cluster" / "differences.yaml"
ABSENT = "(none)"
"""The value of a field that only the other engine's observation has."""

ENGINES = ("tkn-solo", "tekton")


def unexplained(scenario: str, solo: Mapping[str, Any], tekton: Mapping[str, Any]) -> dict[str, Any]:
    """Each field in which two observations differ otherwise than the list says, or no longer differ.

    Where one engine did not run at all, that is the difference.
    """
    if NOT_RUN in (solo["reason"], tekton["reason"]):
        solo, tekton = {"reason": solo["reason"]}, {"reason": tekton["reason"]}
    first, second = fields(solo), fields(tekton)
    pairs = {name: (first.get(name, ABSENT), second.get(name, ABSENT)) for name in sorted({*first, *second})}
    different = {name: dict(zip(ENGINES, pair, strict=True)) for name, pair in pairs.items() if pair[0] != pair[1]}
    listed = [entry for entry in entries() if entry["scenario"] == scenario]
    known = {name: pair for entry in listed for name, pair in entry["fields"].items()}
    expected = {name for entry in listed if not entry.get("sometimes") for name in entry["fields"]}
    found: dict[str, Any] = {name: "no longer a difference" for name in expected if name not in different}
    for name, pair in different.items():
        if name not in known or not all(_is(pair[engine], known[name][engine]) for engine in ENGINES):
            found[name] = pair
    return found


def entries() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(FILE.read_text())
    return found


def rendered(found: Mapping[str, Any]) -> str:
    """Differences as the list would have them, for the message of a failed test."""
    return "\n" + yaml.safe_dump(dict(found), sort_keys=False, width=120, allow_unicode=True)


def _is(value: Any, known: Any) -> bool:
    if isinstance(known, dict):
        return bool(re.fullmatch(known["matches"], str(value), re.DOTALL))
    return bool(value == known)
