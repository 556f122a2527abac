"""The committed list of what tkn-solo and Tekton do differently, and the comparison that holds it to be complete."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from engines.observation import NOT_RUN, fields

FILE = Path(__file__).parents[1] / "cluster" / "differences.yaml"
ABSENT = "(none)"


def differences(solo: Mapping[str, Any], tekton: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each field on which two observations differ, with tkn-solo's value and Tekton's.

    Where one engine did not run at all, that is the difference.
    """
    if NOT_RUN in (solo["reason"], tekton["reason"]):
        solo, tekton = {"reason": solo["reason"]}, {"reason": tekton["reason"]}
    first, second = fields(solo), fields(tekton)
    pairs = {name: (first.get(name, ABSENT), second.get(name, ABSENT)) for name in sorted({*first, *second})}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def listed(scenario: str) -> dict[str, tuple[Any, Any]]:
    """What the list says of a scenario, in the form of `differences`."""
    return {
        entry["field"]: (entry["tkn-solo"], entry["tekton"]) for entry in entries() if entry["scenario"] == scenario
    }


def entries() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(FILE.read_text())
    return found
