"""What a command found, as one value: printed for people, kept as JSON, and as JUnit for tools that read that."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hallmark.errors import REFUSED

Status = Literal["passed", "refused", "error"]


REASONS = 3
"""How many failed checks the summary of a refusal names; the others it counts."""
REASON_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing a gate looked at: `value` is what was found, `limit` what the policy asks, both for people to read."""

    name: str
    passed: bool
    value: str = ""
    limit: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class GateReport:
    """The whole answer of a command.

    `figures` holds JSON values that the HTML report draws (its keys are the command's own, e.g. `confusion_matrix`);
    `digests` names every artefact that was read or written, `tools` the versions of what it worked with. Never a raw
    row of data, never a secret.
    """

    command: str
    status: Status
    summary: str
    """One sentence: what was found."""
    solution: str = ""
    """What to do, where the status is not `passed`."""
    checks: tuple[Check, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    exit_code: int = 0
    tools: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Canonical JSON: the same findings give the same bytes, so that the report's digest can be signed."""
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True, allow_nan=False) + "\n"

    def to_junit(self) -> str:
        """A JUnit test suite with a test case for each check (https://github.com/testmoapp/junitxml)."""
        from xml.etree import ElementTree  # nosec B405: it only writes here

        suite = ElementTree.Element("testsuite", name=f"hallmark.{self.command}", tests=str(max(1, len(self.checks))))
        for check in self.checks or (self._as_check(),):
            case = ElementTree.SubElement(suite, "testcase", classname=f"hallmark.{self.command}", name=check.name)
            if not check.passed:
                kind = "error" if self.status == "error" else "failure"
                found = ElementTree.SubElement(case, kind, message=_printable(f"{check.value} {check.limit}".strip()))
                found.text = _printable(check.detail or self.summary)
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
        suite.set("errors", str(len(suite.findall("testcase/error"))))
        ElementTree.indent(suite)
        return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"

    def to_text(self) -> str:
        """The report as lines for a terminal or a log."""
        lines = [f"{self.command}: {self.status}: {self.summary}"]
        for check in self.checks:
            limit = f"  ({check.limit})" if check.limit else ""
            lines.append(f"  {'ok' if check.passed else 'NO'}  {check.name}: {check.value}{limit}".rstrip())
            if check.detail and not check.passed:
                lines.extend(f"        {line}" for line in check.detail.splitlines()[:12])
        if self.solution:
            lines.append(f"  what to do: {self.solution}")
        return _printable("\n".join(lines))

    def _as_check(self) -> Check:
        return Check(name=self.command, passed=self.status == "passed", detail=self.summary)


def _printable(text: str) -> str:
    """`text` without the control characters that XML 1.0 cannot hold, and that would move a terminal's cursor."""
    return "".join(character for character in text if character in "\t\n" or character.isprintable())


def failures(checks: Sequence[Check]) -> str:
    """The checks that failed in one sentence, with what the first three of them found: the summary of a refusal."""
    failed = [check for check in checks if not check.passed]
    if not failed:
        return "nothing was checked"
    more = f"; and {len(failed) - REASONS} more" if len(failed) > REASONS else ""
    reasons = "; ".join(map(_reason, failed[:REASONS]))
    return f"{len(failed)} of {len(checks)} checks failed: {reasons}{more}"


def _reason(check: Check) -> str:
    found = check.value if len(check.value) <= REASON_CHARACTERS else f"{check.value[:REASON_CHARACTERS]}…"
    return f"{check.name}: {found}" + (f" (needed: {check.limit})" if check.limit else "")


def decide(
    command: str,
    checks: list[Check],
    *,
    passed: str,
    refused: str,
    solution: str,
    figures: dict[str, Any] | None = None,
    digests: dict[str, str] | None = None,
    tools: Mapping[str, str] | None = None,
) -> GateReport:
    """A gate's report: it passes if there is at least one check and every check passed."""
    good = bool(checks) and all(check.passed for check in checks)
    return GateReport(
        command=command,
        status="passed" if good else "refused",
        summary=passed if good else refused,
        solution="" if good else solution,
        checks=tuple(checks),
        figures=figures or {},
        digests=digests or {},
        exit_code=0 if good else REFUSED,
        tools=dict(tools or {}),
    )
