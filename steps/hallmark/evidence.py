"""The gates' reports as evidence: found by their digest among all reports of the run, and about this delivery."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from hallmark import left_behind
from hallmark.command import COMMANDS
from hallmark.documents.mistakes import first_of
from hallmark.errors import BadInputError
from hallmark.files import DIGEST, sha256_bytes
from hallmark.gate_report import GateReport
from hallmark.verdict import SHOWN_CHARACTERS, SHOWN_CHECKS, GateEvidence, VerdictCheck

MAXIMUM_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One gate's report."""

    gate: str
    digest: str
    passed: bool
    said: str
    """For people: passed, refused, error, or what the report is about instead of this delivery."""
    report: GateReport

    def in_verdict(self) -> GateEvidence:
        """What the verdict holds of it: the outcome, and as many of its figures as fit."""
        return GateEvidence(
            passed=self.passed,
            report=self.digest,
            summary=self.report.summary[:SHOWN_CHARACTERS],
            checks=[
                VerdictCheck(
                    name=check.name[:SHOWN_CHARACTERS],
                    passed=check.passed,
                    value=check.value[:SHOWN_CHARACTERS],
                    limit=check.limit[:SHOWN_CHARACTERS],
                )
                for check in self.report.checks[:SHOWN_CHECKS]
            ],
            tools=self.report.tools,
        )


def read_evidence(gates: Iterable[str], reports: Path, about: Mapping[str, str]) -> dict[str, Evidence]:
    """The report of each gate that has one.

    Args:
        gates: `command=digest` for each; a gate that wrote no report has an empty digest and no evidence.
        reports: holds `<task>/<command>.json`.
        about: this delivery's digests by name. A report that names one of them with another digest is about
            something else, and does not count as passed.

    Raises:
        BadInputError: an entry is none, a gate stands twice, or no report has the digest.
    """
    found: dict[str, Evidence] = {}
    for gate, digest in map(_parsed, gates):
        if gate in found:
            raise BadInputError(
                f"the gate {gate} stands twice in --gates", solution="hand over one report for each gate"
            )
        if digest:
            found[gate] = _evidence(gate, digest, reports, about)
    return found


def _parsed(entry: str) -> tuple[str, str]:
    gate, separator, digest = entry.partition("=")
    if not separator or gate not in COMMANDS or (digest and not DIGEST.fullmatch(digest)):
        raise BadInputError(
            f"--gates has {entry!r}, which is no command with its report's digest",
            solution="give command=sha256:..., the report-digest of that command's task",
        )
    return gate, digest


def _evidence(gate: str, digest: str, reports: Path, about: Mapping[str, str]) -> Evidence:
    report = _found(gate, digest, reports)
    foreign = sorted(name for name, value in report.digests.items() if value != about.get(name, value))
    said = f"its report is about another {', '.join(foreign)}" if foreign else report.status
    passed = report.command == gate and report.status == "passed" and report.exit_code == 0
    return Evidence(gate=gate, digest=digest, passed=passed and not foreign, said=said, report=report)


def _found(gate: str, digest: str, reports: Path) -> GateReport:
    """The report with that digest; where it lies does not matter, so that tasks may be called as one likes."""
    for path in sorted(reports.glob(f"*/{gate}.json")):
        text = left_behind.read(path, what=f"the report {path.relative_to(reports)}", maximum=MAXIMUM_BYTES)
        if sha256_bytes(text) == digest:
            return _report(text, gate)
    raise BadInputError(
        f"no report of {gate} has the digest {digest} that its task handed over: it is missing, or was changed",
        solution="find out what else writes to this run's volume, then start a new run",
    )


def _report(text: bytes, gate: str) -> GateReport:
    try:
        return TypeAdapter(GateReport).validate_json(text)
    except ValidationError as error:
        raise BadInputError(
            f"the report of {gate} is not understood: {first_of(error)}",
            solution="let the gate and the judge be of the same version of Hallmark",
        ) from error
