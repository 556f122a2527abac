"""Findings of static analysis, and SARIF 2.1.0 (OASIS), the format that forges and editors show beside the code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal
from urllib.parse import quote

from hallmark import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

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
        }


def to_sarif(findings: Sequence[Finding], tools: Sequence[str]) -> str:
    """A SARIF log with one run for each of `tools`, also where it found nothing; equal findings give equal bytes."""
    runs = [_run(tool, [finding for finding in sorted(findings) if finding.tool == tool]) for tool in tools]
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": runs}, indent=2) + "\n"


def _run(tool: str, findings: Sequence[Finding]) -> dict[str, Any]:
    rules = {finding.rule: finding.help for finding in findings}
    index = {rule: position for position, rule in enumerate(rules)}
    return {
        "tool": {
            "driver": {
                "name": tool,
                # A step image holds this package without its metadata.
                "version": __version__ if tool == "hallmark" else metadata.version(tool),
                "rules": [{"id": rule, **({"helpUri": uri} if uri else {})} for rule, uri in rules.items()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, index[finding.rule]) for finding in findings],
    }


def _result(finding: Finding, rule_index: int) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": quote(finding.file), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": finding.line, "startColumn": finding.column},
    }
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": finding.level,
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": place}],
    }
