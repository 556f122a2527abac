"""bandit: insecure code. The policy's levels count; nothing that lies in the checked tree can switch a test off."""

from __future__ import annotations

import json
import posixpath
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hallmark import process
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.reporting.sarif import Finding, Level
from hallmark.tools.batches import batches

NAME = "bandit"
UNREAD = "unread"
"""The rule under which a file stands that bandit could not examine; it passes over such files silently."""

_LEVELS: dict[str, Level] = {"HIGH": "error", "MEDIUM": "warning", "LOW": "note"}
_MESSAGE_CHARACTERS = 400


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the policy asks of bandit: findings from both levels on, of all tests but those to skip."""

    severity: str
    confidence: str
    skip: Sequence[str]
    allow_suppressions: bool


def check(source: Path, files: Sequence[str], rules: Rules) -> list[Finding]:
    """What bandit finds in `files` (relative to `source`).

    Raises:
        BadInputError: the policy skips a test that this bandit does not have.
        ToolFailedError: bandit itself failed, or left a file out.
    """
    found: list[Finding] = []
    for batch in batches(files):
        done = process.run(build_argv(batch, rules), cwd=source, accept=(0, 1))
        if "Unknown test found" in done.stderr:
            raise BadInputError(
                f"the policy's code.bandit.skip ({', '.join(rules.skip)}) names a test that bandit does not have",
                solution="the policy's owner has to name tests that this version of bandit has",
            )
        findings, seen = parse(done.stdout)
        if missed := set(batch) - seen:
            raise ToolFailedError(
                f"bandit did not look at {', '.join(sorted(missed)[:5])}", solution="use the locked version of bandit"
            )
        found.extend(findings)
    return found


def build_argv(files: Sequence[str], rules: Rules) -> list[str]:
    """The command.

    Files are named one by one and `-x` is empty, because bandit takes exclusions from a `.bandit` file in a folder
    that it is given, and passes over some folder names by itself. `-I` keeps Python from importing a `bandit.py` that
    lies in the working directory.
    """
    return [
        *(sys.executable, "-I", "-m", "bandit", "--quiet", "--format=json", "--exclude="),
        f"--severity-level={rules.severity}",
        f"--confidence-level={rules.confidence}",
        *([f"--skip={','.join(rules.skip)}"] if rules.skip else []),
        *(() if rules.allow_suppressions else ("--ignore-nosec",)),
        "--",
        *(f"./{file}" for file in files),
    ]


def parse(text: str) -> tuple[list[Finding], set[str]]:
    """The findings in bandit's JSON, and the files it looked at. Raises ToolFailedError where it is none."""
    try:
        answer = json.loads(text)
        found = [_finding(entry) for entry in answer["results"]]
        found += [_unread(entry) for entry in answer["errors"]]
        seen = {posixpath.normpath(name) for name in answer["metrics"] if name != "_totals"}
    except (ValueError, KeyError, TypeError) as error:
        raise ToolFailedError(
            f"bandit's answer is not understood: {error!r}", solution="use the locked version of bandit"
        ) from error
    return found, seen


def _finding(entry: dict[str, Any]) -> Finding:
    return Finding(
        tool=NAME,
        rule=entry["test_id"],
        file=posixpath.normpath(entry["filename"]),
        line=max(1, entry["line_number"]),
        column=max(1, entry["col_offset"] + 1),
        message=f"{entry['issue_text']} ({entry['issue_severity']} severity)"[:_MESSAGE_CHARACTERS],
        level=_LEVELS.get(entry["issue_severity"], "warning"),
        help=entry["more_info"],
        end_line=max(entry.get("line_range") or [0]),
    )


def _unread(entry: dict[str, Any]) -> Finding:
    return Finding(
        tool=NAME,
        rule=UNREAD,
        file=posixpath.normpath(entry["filename"]),
        line=1,
        message=f"bandit could not examine this file: {entry['reason']}"[:_MESSAGE_CHARACTERS],
    )
