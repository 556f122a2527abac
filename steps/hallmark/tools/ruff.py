"""ruff: style and bugs. The policy's rules count; nothing that lies in the checked tree can switch one off."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hallmark import process
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.reporting.sarif import Finding
from hallmark.tools.batches import batches

NAME = "ruff"
SYNTAX_ERROR = "invalid-syntax"
"""The rule under which it names what Python could not parse, whatever is selected."""

_MESSAGE_CHARACTERS = 400


def check(source: Path, files: Sequence[str], *, select: Sequence[str], allow_suppressions: bool) -> list[Finding]:
    """What ruff finds in `files` (relative to `source`).

    Raises:
        BadInputError: the policy selects a rule that this ruff does not have, or that would have no effect.
        ToolFailedError: ruff itself failed.
    """
    found: list[Finding] = []
    for batch in batches(files):
        argv = build_argv(batch, select=select, allow_suppressions=allow_suppressions)
        done = process.run(argv, cwd=source, accept=None)
        _require_answer(done, select)
        found.extend(parse(done.stdout, source))
    return found


def build_argv(files: Sequence[str], *, select: Sequence[str], allow_suppressions: bool) -> list[str]:
    """The command. Files named one by one are checked whatever .gitignore and ruff's own exclusions say.

    `-I` keeps Python from importing a `ruff.py` that lies in the working directory.
    """
    return [
        *(sys.executable, "-I", "-m", "ruff", "check"),
        *("--isolated", "--no-cache", "--no-fix", "--no-force-exclude", "--output-format=json"),
        f"--target-version=py{sys.version_info.major}{sys.version_info.minor}",
        f"--select={','.join(select)}",
        *(() if allow_suppressions else ("--ignore-noqa",)),
        "--",
        *(f"./{file}" for file in files),
    ]


def parse(text: str, source: Path) -> list[Finding]:
    """The findings in ruff's JSON. Raises ToolFailedError where it is none."""
    try:
        answer = json.loads(text)
        if not isinstance(answer, list):
            raise TypeError("a list was expected")
        return [_finding(entry, source) for entry in answer]
    except (ValueError, KeyError, TypeError) as error:
        raise ToolFailedError(
            f"ruff's answer is not understood: {error!r}", solution="use the locked version of ruff"
        ) from error


def _finding(entry: dict[str, Any], source: Path) -> Finding:
    cell = f"cell {entry['cell']}: " if entry.get("cell") else ""
    file = Path(entry["filename"])
    return Finding(
        tool=NAME,
        rule=entry["code"] or SYNTAX_ERROR,
        file=(file.relative_to(source.resolve()) if file.is_absolute() else file).as_posix(),
        line=entry["location"]["row"],
        column=entry["location"]["column"],
        message=(cell + entry["message"])[:_MESSAGE_CHARACTERS],
        help=entry["url"] or "",
        end_line=(entry.get("end_location") or {}).get("row", 0),
        cell=entry.get("cell") or 0,
    )


def _require_answer(done: process.Completed, select: Sequence[str]) -> None:
    """A rule that ruff does not apply must not look like a rule that found nothing."""
    if "Unknown rule selector" in done.stderr or "has no effect" in done.stderr:
        raise BadInputError(
            f"the policy's code.ruff.select ({', '.join(select)}) is not what ruff can apply: {done.last_words}",
            solution="the policy's owner has to name rules that this version of ruff has (see `ruff rule --all`)",
        )
    if done.exit_code not in (0, 1):
        raise ToolFailedError(
            f"ruff ended with exit code {done.exit_code}: {done.last_words}",
            solution="mend what ruff complains of, then run again",
        )
