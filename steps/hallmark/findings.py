"""What one part of a gate found: the gate puts the parts together into its report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hallmark.gate_report import Check


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Checks for the report's decision, and what the HTML page draws of them (JSON values, by the figure's name)."""

    checks: tuple[Check, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)


def together(parts: Iterable[Findings]) -> Findings:
    """The checks in the order of the parts; lists of the same figure one after the other."""
    checks: list[Check] = []
    figures: dict[str, Any] = {}
    for part in parts:
        checks.extend(part.checks)
        for name, value in part.figures.items():
            figures[name] = [*figures[name], *value] if name in figures else value
    return Findings(checks=tuple(checks), figures=figures)
