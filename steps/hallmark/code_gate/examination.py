"""Runs the tools that the policy switches on, and gathers what they found."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from hallmark import __version__, python_sources
from hallmark.code_gate import advisories, databases, licences, locks, notebooks
from hallmark.code_gate.notebooks import Module
from hallmark.documents.rules_code import Code
from hallmark.errors import BadInputError
from hallmark.files import inside
from hallmark.history import proven
from hallmark.python_sources import PythonSources
from hallmark.reporting.sarif import Finding
from hallmark.tools import bandit, git, gitleaks, ruff

TOOLS = (python_sources.TOOL, ruff.NAME, bandit.NAME, gitleaks.NAME, locks.TOOL, advisories.TOOL, licences.TOOL)
"""Every tool that a finding may be of, in the order of the report."""

DATABASES = "code.vulnerabilities.databases"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What is looked at beside the rules."""

    source: Path
    sources: PythonSources
    policy: Path
    history: Path | None = None
    """A bare repository that holds `commit` and every file of it and its ancestors."""
    commit: str = ""
    advisories: Path | None = None
    """A database for policies that name none below their own folder."""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What the tools found; `versions` names each that ran."""

    findings: tuple[Finding, ...]
    versions: Mapping[str, str]
    modules: Mapping[str, Module]
    """The Python of each notebook that has some, by the notebook's path."""
    left_out: int = 0
    """Cells of notebooks in other languages."""
    locked: int = 0
    """Packages that were looked up."""
    database: str = ""
    """What the advisories are, for people: date and number."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)


def examine(inputs: Inputs, rules: Code, today: datetime.date) -> Examination:
    """Run every tool that `rules` switch on.

    Raises:
        BadInputError: the policy names what a tool does not have, or asks for what this task was not given.
        ToolFailedError: a tool failed, or left something out.
    """
    read, broken = _notebooks(inputs)
    findings = [*inputs.sources.hidden, *broken, *(cell for module in read.values() for cell in module.unread)]
    versions = {python_sources.TOOL: __version__}
    if rules.ruff.enabled:
        versions[ruff.NAME] = metadata.version(ruff.NAME)
        findings = _with_ruff(inputs, rules, findings)
    if rules.bandit.enabled:
        versions[bandit.NAME] = metadata.version(bandit.NAME)
        findings += _bandit(inputs, rules, read, {one.file for one in findings if one.rule == ruff.SYNTAX_ERROR})
    if rules.secrets.enabled:
        versions[gitleaks.NAME] = gitleaks.version()
        findings += _secrets(inputs, rules)
    dependencies = _dependencies(inputs, rules, today) if rules.lock.enabled else _Dependencies()
    versions |= dict.fromkeys(dependencies.tools, __version__)
    return Examination(
        findings=tuple(sorted((*findings, *dependencies.findings))),
        versions={tool: versions[tool] for tool in TOOLS if tool in versions},
        modules={name: module for name, module in read.items() if module.starts},
        left_out=sum(module.left_out for module in read.values()),
        locked=dependencies.locked,
        database=dependencies.database,
        figures=dependencies.figures,
        digests=dependencies.digests,
    )


def _notebooks(inputs: Inputs) -> tuple[dict[str, Module], list[Finding]]:
    read = {name: notebooks.read(inputs.source / name, name) for name in inputs.sources.notebooks}
    return (
        {name: module for name, module in read.items() if isinstance(module, Module)},
        [finding for finding in read.values() if isinstance(finding, Finding)],
    )


def _with_ruff(inputs: Inputs, rules: Code, findings: Sequence[Finding]) -> list[Finding]:
    """`findings` and ruff's; where ruff shows the line of a syntax error, our word on the same file is left out."""
    readable = (*inputs.sources.files, *inputs.sources.notebooks)
    found = ruff.check(inputs.source, readable, select=rules.ruff.select, allow_suppressions=rules.allow_suppressions)
    broken = {finding.file for finding in found if finding.rule == ruff.SYNTAX_ERROR}
    return [*(one for one in findings if not (one.rule == notebooks.UNREAD and one.file in broken)), *found]


def _bandit(inputs: Inputs, rules: Code, modules: Mapping[str, Module], broken: set[str]) -> list[Finding]:
    """What bandit finds in files, and in the cells of notebooks, which it is shown as files."""
    asked = bandit.Rules(
        severity=rules.bandit.severity,
        confidence=rules.bandit.confidence,
        skip=rules.bandit.skip,
        allow_suppressions=rules.allow_suppressions,
    )
    found = bandit.check(inputs.source, inputs.sources.files, asked)
    shown = {f"{number}.py": name for number, name in enumerate(name for name in modules if modules[name].starts)}
    with tempfile.TemporaryDirectory(prefix="hallmark-notebooks-") as folder:
        for file, name in shown.items():
            (Path(folder) / file).write_text(modules[name].text, encoding="utf-8")
        for one in bandit.check(Path(folder), tuple(shown), asked):
            found.append(modules[shown[one.file]].place(one, shown[one.file]))
    return [finding for finding in found if not (finding.rule == bandit.UNREAD and finding.file in broken)]


def _secrets(inputs: Inputs, rules: Code) -> list[Finding]:
    found = gitleaks.check_tree(inputs.source, allow_suppressions=rules.allow_suppressions)
    if not rules.secrets.history:
        return found
    if inputs.history is None or not inputs.commit:
        raise BadInputError(
            "the policy asks for secrets in the history (code.secrets.history), and no history was given",
            solution="give --history and --commit as fetch-source has them, or let the policy set history to false",
        )
    with git.session() as session, proven(session, inputs.history, inputs.commit, contents=True) as history:
        in_history = gitleaks.check_history(
            session, history, inputs.commit, allow_suppressions=rules.allow_suppressions
        )
    return [*found, *in_history]


@dataclass(frozen=True, kw_only=True)
class _Dependencies:
    findings: tuple[Finding, ...] = ()
    tools: tuple[str, ...] = ()
    locked: int = 0
    database: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)


def _dependencies(inputs: Inputs, rules: Code, today: datetime.date) -> _Dependencies:
    read = locks.read(inputs.source, files=rules.lock.files, hashes=rules.lock.hashes)
    findings, tools = list(read.findings), [locks.TOOL]
    figures: dict[str, Any] = {"lock_files": list(read.files)}
    digests: dict[str, str] = {}
    told = ""
    if rules.vulnerabilities.enabled:
        asked = rules.vulnerabilities
        with tempfile.TemporaryDirectory(prefix="hallmark-advisories-") as folder:
            given = _database(inputs, rules)
            place = databases.accepted(given, asked.databases, Path(folder) / "accepted", key=DATABASES)
            database = advisories.load(place, {package.name for package in read.pinned})
        advisories.require_fresh(database, rules.vulnerabilities, today)
        known = advisories.look_up(read.pinned, database, rules.vulnerabilities, today=today)
        findings += known.findings
        tools.append(advisories.TOOL)
        told = f"{database.total} advisories of {database.newest}"
        digests["advisories"] = database.digest
        figures["advisories"] = {
            "newest": f"{database.newest}",
            "total": database.total,
            "ignored": list(known.ignored),
            "below_severity": known.below,
            "notes": list(known.notes),
        }
    if rules.licences.enabled:
        licensed = licences.list_of(read.pinned, rules.licences)
        findings += licences.judge(licensed, rules.licences)
        tools.append(licences.TOOL)
        figures["licences"] = [
            {"package": one.package.name, "version": one.package.version, "licence": one.licence or "unknown"}
            for one in licensed
        ]
    return _Dependencies(
        findings=tuple(findings),
        tools=tuple(tools),
        locked=len(read.pinned),
        database=told,
        figures=figures,
        digests=digests,
    )


def _database(inputs: Inputs, rules: Code) -> Path:
    if rules.vulnerabilities.advisories is not None:
        return inside(inputs.policy, rules.vulnerabilities.advisories)
    if inputs.advisories is not None:
        return inputs.advisories
    raise BadInputError(
        "the policy asks for known vulnerabilities (code.vulnerabilities), and there is no advisory database",
        solution="bind the workspace `advisories`, or name a file below the policy in code.vulnerabilities.advisories",
    )
