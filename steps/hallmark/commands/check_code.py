"""Looks for bugs (ruff) and insecure code (bandit) in every Python file of the repository, without running any of it.

Trusts: the policy's rules, and nothing in the repository: no configuration, no ignore file, and no `# noqa` or
`# nosec` unless the policy allows them.
Refuses: any finding; a file that a tool cannot parse; code hidden from the tools (compiled, in an encoding of its own,
behind a link that leads out); a repository without a Python file, because there nothing was checked.
Notebooks are read by ruff only. Writes `check-code.sarif` beside the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hallmark import python_sources
from hallmark.command import Context, Outcome
from hallmark.contract import param, path
from hallmark.documents.model import load_model
from hallmark.documents.policy import load_policy
from hallmark.documents.rules_code import Code
from hallmark.files import require_digest, sha256_bytes, sha256_tree, write_text
from hallmark.gate_report import Check, GateReport, decide
from hallmark.python_sources import PythonSources
from hallmark.reporting.sarif import Finding, to_sarif
from hallmark.tools import bandit, ruff

EXAMPLE = "hallmark check-code --source=. --policy=policy --source-digest=sha256:... --policy-digest=sha256:..."
COMMAND = "check-code"
SARIF = "check-code.sarif"

SHOWN_FINDINGS = 500
"""The report names no more; all are in the SARIF file."""


@dataclass(frozen=True, kw_only=True)
class Params:
    source: Path = path("The checked out repository.")
    policy: Path = path("The validators' folder.")
    source_digest: str = param("Digest of the checked out tree.")
    policy_digest: str = param("Digest of the validators' folder.")


@dataclass(frozen=True, kw_only=True)
class Results:
    """None of its own; the CLI writes the report's digest."""


def run(params: Params, context: Context) -> Outcome:
    """Check the code. Figures: `findings` [{tool, rule, file, line, message}], `findings_total`, `files`."""
    rules = load_policy(params.policy, expected_digest=params.policy_digest).code
    require_digest("the source", sha256_tree(params.source), params.source_digest)
    script = load_model(params.source).training.script
    sources = python_sources.find(params.source, scripts=(script,))
    context.say(f"checking {len(sources.files)} Python files and {len(sources.notebooks)} notebooks")
    findings = sorted(_findings(params.source, sources, rules))
    sarif = to_sarif(findings, (ruff.NAME, bandit.NAME, python_sources.TOOL))
    write_text(context.report_dir / SARIF, sarif)
    digests = {"source": params.source_digest, "policy": params.policy_digest, "sarif": sha256_bytes(sarif.encode())}
    return Outcome(report=report(findings, sources, rules, digests), results=Results())


def _findings(source: Path, sources: PythonSources, rules: Code) -> list[Finding]:
    """All tools' findings. Where ruff shows a syntax error's line, bandit's word that it read nothing is left out."""
    readable = (*sources.files, *sources.notebooks)
    by_ruff = ruff.check(source, readable, select=rules.ruff.select, allow_suppressions=rules.allow_suppressions)
    by_bandit = bandit.check(
        source,
        sources.files,
        bandit.Rules(
            severity=rules.bandit.severity,
            confidence=rules.bandit.confidence,
            skip=rules.bandit.skip,
            allow_suppressions=rules.allow_suppressions,
        ),
    )
    broken = {finding.file for finding in by_ruff if finding.rule == ruff.SYNTAX_ERROR}
    by_bandit = [finding for finding in by_bandit if not (finding.rule == bandit.UNREAD and finding.file in broken)]
    return [*by_ruff, *by_bandit, *sources.hidden]


def report(findings: Sequence[Finding], sources: PythonSources, rules: Code, digests: dict[str, str]) -> GateReport:
    """The gate's decision on what the tools found."""
    notebooks = f" and {_plural(len(sources.notebooks), 'notebook')} (by ruff only)" if sources.notebooks else ""
    read = f"{_plural(len(sources.files), 'Python file')}{notebooks}"
    suppressions = "suppressions allowed" if rules.allow_suppressions else "suppressions do not count"
    skipped = f"; {', '.join(rules.bandit.skip)} left out" if rules.bandit.skip else ""
    levels = f"{rules.bandit.severity} severity and {rules.bandit.confidence} confidence"
    checks = [
        Check(
            name="something to check",
            passed=bool(sources.files or sources.notebooks),
            value=read,
            limit="at least one Python file",
        ),
        _check(findings, python_sources.TOOL, "nothing hidden from the tools", "source in UTF-8, nothing compiled"),
        _check(
            findings,
            ruff.NAME,
            "style and bugs (ruff)",
            f"no finding of {', '.join(rules.ruff.select)}; {suppressions}",
        ),
        _check(
            findings,
            bandit.NAME,
            "security (bandit)",
            f"no finding of at least {levels}{skipped}; {suppressions}",
        ),
    ]
    return decide(
        COMMAND,
        checks,
        passed=f"no finding in {read}",
        refused=_refusal(findings),
        solution="mend the code at the lines named; if a rule is wrong for this model, ask the policy's owner",
        figures={
            "findings": [finding.as_figure() for finding in findings[:SHOWN_FINDINGS]],
            "findings_total": len(findings),
            "files": len(sources.files) + len(sources.notebooks),
        },
        digests=digests,
    )


def _check(findings: Sequence[Finding], tool: str, name: str, limit: str) -> Check:
    found = [finding for finding in findings if finding.tool == tool]
    return Check(
        name=name,
        passed=not found,
        value=_plural(len(found), "finding"),
        limit=limit,
        detail="\n".join(finding.text for finding in found[:SHOWN_FINDINGS]),
    )


def _refusal(findings: Sequence[Finding]) -> str:
    if not findings:
        return "there is no Python file, so nothing was checked"
    return f"{_plural(len(findings), 'finding')} in the code; the first: {findings[0].text}"


def _plural(number: int, thing: str) -> str:
    """`no finding`, `1 finding`, `2 findings`."""
    return f"{number or 'no'} {thing}{'' if number in (0, 1) else 's'}"
