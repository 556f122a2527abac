"""gitleaks: secrets, in a folder and in the commits of a repository. Nothing of what it finds is ever repeated.

Its own rules count. Nothing that lies in the checked tree can switch one off: no `.gitleaks.toml`, no
`.gitleaksignore`, no `gitleaks:allow` unless the policy allows it. What its rules leave out for everybody (pictures,
lock files of package managers, `node_modules`) is left out here too.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hallmark import process
from hallmark.errors import ToolFailedError
from hallmark.reporting.sarif import Finding
from hallmark.tools.git import Git

NAME = "gitleaks"
FOUND = 7
"""The exit code we ask for where there are findings: 1 is what it ends with when it fails."""

SECONDS = 1800.0
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Git's name for a tree without files, which every repository has."""

_CONFIG = "[extend]\nuseDefault = true\n"
_LOGGED_TROUBLE = re.compile(r"^\S+ (?:ERR|FTL|PNC|WRN skipping).*$", re.MULTILINE)
_COMMITS = re.compile(r"INF (\d+) commits scanned")


def check_tree(source: Path, *, allow_suppressions: bool) -> list[Finding]:
    """The secrets in the files below `source`.

    gitleaks always obeys a `.gitleaksignore` in the folder that it is given. So it is given another one, with a link
    for each file.

    Raises:
        ToolFailedError: gitleaks is missing, failed, or passed over a file.
    """
    with tempfile.TemporaryDirectory(prefix="hallmark-gitleaks-") as name:
        folder = Path(name)
        for file, relative in _files(source):
            link = folder / "tree" / relative
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
        (folder / "tree").mkdir(exist_ok=True)
        arguments = ["dir", "--follow-symlinks", *_arguments(folder, allow_suppressions), "tree"]
        return parse(_run(arguments, folder, {}).stdout, prefix="tree/")


def check_history(git: Git, history: Path, commit: str, *, allow_suppressions: bool) -> list[Finding]:
    """The secrets in any commit of the bare repository `history` that led to `commit`, also where they were removed.

    Merges are compared with each of their parents, because a merge can bring what none of them had; a secret that is
    found again that way has the same place and counts once.

    Raises:
        ToolFailedError: gitleaks is missing, failed, or did not read a commit; git misses a file's content.
    """
    with tempfile.TemporaryDirectory(prefix="hallmark-gitleaks-") as name:
        log = f"-m --full-history --no-ext-diff --no-textconv --no-renames --diff-filter=tuxdb {commit}"
        arguments = ["git", f"--log-opts={log}", *_arguments(Path(name), allow_suppressions), str(history.resolve())]
        # GIT_ATTR_SOURCE: no `.gitattributes` of a commit declares a text to be binary, which gitleaks passes over.
        environment = {**git.offline().env, "GIT_ATTR_SOURCE": EMPTY_TREE, "GIT_DIR": str(history.resolve())}
        done = _run(arguments, Path(name), environment)
        told = _COMMITS.search(done.stderr)
        if told is None or int(told[1]) == 0:
            raise ToolFailedError(
                f"gitleaks read no commit of the history: {done.last_words}",
                solution="see that fetch-source fetched the history with its files, then start a new run",
            )
        return sorted(set(parse(done.stdout)))


def parse(text: str, *, prefix: str = "") -> list[Finding]:
    """The findings in gitleaks' JSON, of files below `prefix`. Raises ToolFailedError where it is none."""
    try:
        answer = json.loads(text)
        if not isinstance(answer, list):
            raise TypeError("a list was expected")
        return [_finding(entry, prefix) for entry in answer]
    except (ValueError, KeyError, TypeError) as error:
        # Neither the error nor the answer is shown, as both could hold what was found.
        raise ToolFailedError(
            f"gitleaks' answer is not understood ({type(error).__name__})",
            solution="use the pinned version of gitleaks",
        ) from None


def version() -> str:
    """The version that gitleaks tells. Raises ToolFailedError where it is missing."""
    return process.run([NAME, "version"]).stdout.strip().removeprefix("v")


def _arguments(folder: Path, allow_suppressions: bool) -> list[str]:
    config = folder / "config.toml"
    config.write_text(_CONFIG, encoding="utf-8")
    return [
        *(f"--config={config}", f"--gitleaks-ignore-path={folder / 'none'}"),
        *("--report-format=json", "--report-path=-", "--redact=100", f"--exit-code={FOUND}"),
        *("--no-banner", "--no-color", "--log-level=info"),
        *(() if allow_suppressions else ("--ignore-gitleaks-allow",)),
    ]


def _run(arguments: list[str], cwd: Path, environment: Mapping[str, str]) -> process.Completed:
    """Run it, and believe its exit code only if it did not say that it left something out: it then ends with 0 too."""
    done = process.run(
        [NAME, *arguments], cwd=cwd, env={**environment, "NO_COLOR": "1"}, timeout=SECONDS, accept=(0, FOUND)
    )
    if trouble := _LOGGED_TROUBLE.search(done.stderr):
        raise ToolFailedError(
            f"gitleaks did not look at everything: {trouble[0][:300]}",
            solution="mend what it complains of, then start a new run",
        )
    return done


def _files(source: Path) -> list[tuple[Path, str]]:
    """Each regular file, absolute and relative; what a link in the tree leads to is a file of the tree itself."""
    top = source.resolve()
    found = (Path(folder, name) for folder, _, names in os.walk(top) for name in names)
    return sorted(
        (file, file.relative_to(top).as_posix()) for file in found if file.is_file() and not file.is_symlink()
    )


def _finding(entry: dict[str, Any], prefix: str) -> Finding:
    commit = entry["Commit"]
    return Finding(
        tool=NAME,
        rule=entry["RuleID"],
        file=(entry["SymlinkFile"] or entry["File"]).removeprefix(prefix),
        line=max(1, entry["StartLine"]),
        column=max(1, entry["StartColumn"]),
        end_line=max(0, entry["EndLine"]),
        message=f"in commit {commit[:12]}: {entry['Description']}" if commit else entry["Description"],
        commit=commit,
    )
