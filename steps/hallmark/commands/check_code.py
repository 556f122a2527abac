"""Looks for bugs (ruff), insecure code (bandit) and secrets (gitleaks) in the repository, without running any of it,
and for what is known of the packages that it pins.

Trusts: the policy's rules, and nothing in the repository: no configuration, no ignore file, and no `# noqa`,
`# nosec` or `gitleaks:allow` unless the policy allows them.
Refuses: any finding that the policy's baseline does not accept; a file that a tool cannot parse; code hidden from the
tools (compiled, in an encoding of its own, behind a link that leads out); a repository without Python, because there
nothing was checked. Writes `check-code.sarif` beside the report.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hallmark import python_sources
from hallmark.code_gate import advisories, baseline, licences, locks
from hallmark.code_gate.baseline import Sorted
from hallmark.code_gate.examination import TOOLS, Examination, Inputs, examine
from hallmark.command import Context, Outcome
from hallmark.contract import param, path
from hallmark.documents.baseline import Accepted, Baseline
from hallmark.documents.model import load_model
from hallmark.documents.policy import load_policy
from hallmark.documents.rules_code import Code
from hallmark.files import require_digest, sha256_bytes, sha256_tree, write_text
from hallmark.gate_report import Check, GateReport, decide
from hallmark.python_sources import PythonSources
from hallmark.reporting.sarif import Finding, to_sarif
from hallmark.tools import bandit, gitleaks, ruff

EXAMPLE = (
    "hallmark check-code --source=. --policy=policy --source-digest=sha256:... --policy-digest=sha256:... "
    "--history=.git --commit=$(git rev-parse HEAD)"
)
COMMAND = "check-code"
SARIF = "check-code.sarif"

SHOWN_FINDINGS = 500
"""The report names no more; all are in the SARIF file."""
SHOWN_LINES = 4
"""How many findings stand below the checks, whatever their number, so that a refusal reads in some ten lines."""


@dataclass(frozen=True, kw_only=True)
class Params:
    source: Path = path("The checked out repository.")
    policy: Path = path("The validators' folder.")
    source_digest: str = param("Digest of the checked out tree.")
    policy_digest: str = param("Digest of the validators' folder.")
    history: Path | None = path("The repository's commits, with their files.", default=None)
    commit: str = param("Full SHA of the commit that is checked; its history is.", default="")
    advisories: Path | None = path("OSV's database of PyPI, if the policy has none of its own.", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    """None of its own; the CLI writes the report's digest."""


def run(params: Params, context: Context) -> Outcome:
    """Check the code. Figures: see `report`."""
    rules = load_policy(params.policy, expected_digest=params.policy_digest).code
    require_digest("the source", sha256_tree(params.source), params.source_digest)
    accepted = baseline.load(params.policy, rules.baseline, TOOLS) if rules.baseline else None
    script = load_model(params.source).training.script
    sources = python_sources.find(params.source, scripts=(script,))
    context.say(f"checking {len(sources.files)} Python files and {len(sources.notebooks)} notebooks")
    today = datetime.datetime.now(datetime.UTC).date()
    inputs = Inputs(
        source=params.source,
        sources=sources,
        policy=params.policy,
        history=params.history,
        commit=params.commit,
        advisories=params.advisories,
    )
    examined = examine(inputs, rules, today)
    found = sort(params.source, examined, accepted, today)
    sarif = to_sarif([*found.counting, *found.accepted], examined.versions, found.accepted)
    write_text(context.report_dir / SARIF, sarif)
    digests = {
        "source": params.source_digest,
        "policy": params.policy_digest,
        "sarif": sha256_bytes(sarif.encode()),
        **examined.digests,
    }
    return Outcome(report=report(found, examined, sources, rules, digests), results=Results())


def sort(source: Path, examined: Examination, accepted: Baseline | None, today: datetime.date) -> Sorted:
    """The findings with their fingerprints, by what the baseline says of them."""
    text = baseline.text_in(
        source,
        whole=frozenset({python_sources.TOOL, bandit.UNREAD, ruff.SYNTAX_ERROR}),
        by_message=frozenset({locks.TOOL, advisories.TOOL, licences.TOOL}),
        by_place=frozenset({gitleaks.NAME}),
    )
    findings = baseline.with_fingerprints(examined.findings, text)
    if accepted is None:
        return Sorted(counting=tuple(findings), accepted={})
    return baseline.apply(findings, accepted, today)


def report(
    found: Sorted, examined: Examination, sources: PythonSources, rules: Code, digests: dict[str, str]
) -> GateReport:
    """The gate's decision on what the tools found.

    Figures: `findings` [{tool, rule, file, line, message, cell, commit, fingerprint}], `findings_total`, `files`,
    `tools` [{tool, version, findings, accepted}], `baseline` {accepted, expired, unmatched}, and, where the policy
    asks for them, `lock_files` [path], `advisories` {newest, total, ignored, below_severity, notes} and
    `licences` [{package, version, licence}].
    """
    findings = found.counting
    read = _read(sources, examined)
    checks = [
        Check(
            name="something to check",
            passed=bool(sources.files or examined.modules),
            value=read,
            limit="at least one Python file",
        ),
        *_tool_checks(findings, examined, rules),
        *([_baseline_check(found)] if rules.baseline else []),
    ]
    return decide(
        COMMAND,
        checks,
        passed=f"no finding in {read}{_accepted(found)}",
        refused=_refusal(found),
        solution="mend the code at the lines named (all are in check-code.sarif); a secret is to be revoked first; "
        "if a rule is wrong for this model, ask the policy's owner, who can accept a finding in the baseline",
        tools=examined.versions,
        figures={
            "findings": [finding.as_figure() for finding in findings[:SHOWN_FINDINGS]],
            "findings_total": len(findings),
            "files": len(sources.files) + len(sources.notebooks),
            "tools": [
                {
                    "tool": tool,
                    "version": version,
                    "findings": sum(finding.tool == tool for finding in findings),
                    "accepted": sum(finding.tool == tool for finding in found.accepted),
                }
                for tool, version in examined.versions.items()
            ],
            "baseline": {
                "accepted": [{**one.as_figure(), "reason": reason} for one, reason in found.accepted.items()],
                "expired": [_entry(entry) for entry in found.expired],
                "unmatched": [_entry(entry) for entry in found.unmatched],
            },
            **examined.figures,
        },
        digests=digests,
    )


def _tool_checks(findings: Sequence[Finding], examined: Examination, rules: Code) -> list[Check]:
    suppressions = "suppressions allowed" if rules.allow_suppressions else "suppressions do not count"
    skipped = f"; {', '.join(rules.bandit.skip)} left out" if rules.bandit.skip else ""
    levels = f"{rules.bandit.severity} severity and {rules.bandit.confidence} confidence"
    where = "in the files and in every commit that led here" if rules.secrets.history else "in the files"
    hashed = "version and hash" if rules.lock.hashes else "version"
    allowed = f"one of {', '.join(rules.licences.allowed)}" if rules.licences.allowed else "any"
    denied = f"; never {', '.join(rules.licences.denied)}" if rules.licences.denied else ""
    texts = {
        python_sources.TOOL: ("nothing hidden from the tools", "source in UTF-8, nothing compiled"),
        ruff.NAME: ("style and bugs (ruff)", f"no finding of {', '.join(rules.ruff.select)}; {suppressions}"),
        bandit.NAME: ("security (bandit)", f"no finding of at least {levels}{skipped}; {suppressions}"),
        gitleaks.NAME: ("secrets (gitleaks)", f"none {where}; {suppressions}"),
        locks.TOOL: ("locked dependencies", f"every package pinned by {hashed}"),
        advisories.TOOL: (
            "known vulnerabilities",
            f"none of at least {rules.vulnerabilities.severity} severity in {examined.locked} packages, by "
            f"{examined.database}",
        ),
        licences.TOOL: ("licences", f"{allowed}{denied}"),
    }
    failing = {finding.tool for finding in findings}
    lines = max(1, SHOWN_LINES // max(1, len(failing)))
    return [_check(findings, tool, *texts[tool], lines=lines) for tool in examined.versions]


def _check(findings: Sequence[Finding], tool: str, name: str, limit: str, *, lines: int) -> Check:
    found = [finding for finding in findings if finding.tool == tool]
    more = f" (and {len(found) - lines} more in {SARIF})" if len(found) > lines else ""
    return Check(
        name=name,
        passed=not found,
        value=_plural(len(found), "finding"),
        limit=limit,
        detail="\n".join(finding.text for finding in found[:lines]) + more,
    )


def _baseline_check(found: Sorted) -> Check:
    """What the baseline did; it says no to an entry that has expired while its finding is still there."""
    unmatched = f"; {_plural(len(found.unmatched), 'entry', 'entries')} without a finding" if found.unmatched else ""
    return Check(
        name="accepted findings (baseline)",
        passed=not found.missed,
        value=f"{len(found.accepted)} accepted, {len(found.expired)} expired{unmatched}",
        limit="no expired entry whose finding is still there",
        detail="\n".join(
            f"{entry.file}: {entry.rule} ({entry.tool}) expired on {entry.expires}" for entry in found.missed
        ),
    )


def _entry(entry: Accepted) -> dict[str, Any]:
    return entry.model_dump(mode="json")


def _read(sources: PythonSources, examined: Examination) -> str:
    files = _plural(len(sources.files), "Python file")
    notebooks = f" and {_plural(len(sources.notebooks), 'notebook')}" if sources.notebooks else ""
    left_out = f" ({_plural(examined.left_out, 'cell')} in other languages left out)" if examined.left_out else ""
    return f"{files}{notebooks}{left_out}"


def _accepted(found: Sorted) -> str:
    return f" beside {_plural(len(found.accepted), 'accepted one')}" if found.accepted else ""


def _refusal(found: Sorted) -> str:
    findings = found.counting
    if not findings:
        return "there is no Python file, so nothing was checked"
    counts = {tool: sum(finding.tool == tool for finding in findings) for tool in TOOLS}
    by_tool = ", ".join(f"{tool} {number}" for tool, number in counts.items() if number)
    return f"{_plural(len(findings), 'finding')}{_accepted(found)} ({by_tool}); the first: {findings[0].text}"


def _plural(number: int, thing: str, things: str = "") -> str:
    """`no finding`, `1 finding`, `2 findings`."""
    return f"{number or 'no'} {thing if number in (0, 1) else things or f'{thing}s'}"
