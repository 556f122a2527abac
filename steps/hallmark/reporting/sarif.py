"""Findings of static analysis, and SARIF 2.1.0 (OASIS), the format that forges and editors show beside the code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

FINGERPRINT = "hallmark/v1"
"""The name of our fingerprints among those of other makers."""

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """One thing that a tool found in one place."""

    file: str
    """Path in the repository, with slashes."""
    line: int
    """From 1."""
    column: int = 1
    """From 1, in characters."""
    tool: str
    rule: str
    message: str
    level: Level = "error"
    help: str = ""
    """Address of the rule's description."""
    end_line: int = 0
    """The last line of the place, 0 where the tool tells only one."""
    cell: int = 0
    """The code cell of a notebook, from 1; lines are then the cell's own. 0 in other files."""
    commit: str = ""
    """The commit that brought it, for what was found in the history."""
    fingerprint: str = ""
    """Tells this finding from others also after lines were added above it (`code_gate.baseline`)."""

    @property
    def text(self) -> str:
        """The finding as a line: `train.py:12: B602 (bandit): ...`."""
        return f"{self.file}:{self.line}: {self.rule} ({self.tool}): {self.message}"

    def as_figure(self) -> dict[str, Any]:
        """What the reports show of it."""
        return {
            "tool": self.tool,
            "rule": self.rule,
            "file": self.file,
            "line": self.line,
            "message": self.message,
            "cell": self.cell,
            "commit": self.commit,
            "fingerprint": self.fingerprint,
        }


NONE: Mapping[Finding, str] = {}


def to_sarif(findings: Sequence[Finding], tools: Mapping[str, str], accepted: Mapping[Finding, str] = NONE) -> str:
    """A SARIF log with one run for each tool, also where it found nothing; equal findings give equal bytes.

    Args:
        tools: the tools that ran, and the version of each.
        accepted: those of `findings` that do not count, and why: they are marked as suppressed.
    """
    runs = [
        _run(tool, version, [finding for finding in sorted(findings) if finding.tool == tool], accepted)
        for tool, version in tools.items()
    ]
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": runs}, indent=2) + "\n"


def _run(tool: str, version: str, findings: Sequence[Finding], accepted: Mapping[Finding, str]) -> dict[str, Any]:
    rules = {finding.rule: finding.help for finding in findings}
    index = {rule: position for position, rule in enumerate(rules)}
    return {
        "tool": {
            "driver": {
                "name": tool,
                "version": version,
                "rules": [{"id": rule, **({"helpUri": uri} if uri else {})} for rule, uri in rules.items()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, index[finding.rule], accepted) for finding in findings],
    }


def _result(finding: Finding, rule_index: int, accepted: Mapping[Finding, str]) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": quote(finding.file), "uriBaseId": "%SRCROOT%"},
        "region": {
            "startLine": finding.line,
            "startColumn": finding.column,
            **({"endLine": finding.end_line} if finding.end_line > finding.line else {}),
        },
    }
    reason = accepted.get(finding)
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": finding.level,
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": place}],
        **({"partialFingerprints": {FINGERPRINT: finding.fingerprint}} if finding.fingerprint else {}),
        # An empty list says that the result is known not to be suppressed, as all results or none must (3.27.23).
        "suppressions": [] if reason is None else [{"kind": "external", "justification": reason}],
        **({"properties": known} if (known := _properties(finding)) else {}),
    }


def _properties(finding: Finding) -> dict[str, Any]:
    return {name: value for name, value in (("cell", finding.cell), ("commit", finding.commit)) if value}
