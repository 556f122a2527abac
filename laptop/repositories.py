"""Bare git repositories made from folders: what a git server would hold.

The same contents give the same commits on every machine: author and dates are pinned, and git's own configuration
(the user's and the machine's) is left out.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.process import run

FIRST_COMMIT = 1767225600
"""Seconds since 1970 of the first commit: 2026-01-01. Each further commit is a minute younger than its parent."""

BRANCH = "main"
EXCLUDED = "__pycache__/\n*.pyc\n.pytest_cache/\n.coverage\n"
"""What running the sample's tests leaves in a folder; it never belongs to its repository."""


def publish(folder: Path, repository: Path, message: str) -> str:
    """Make the bare `repository` hold what `folder` holds, and return the head of its main branch.

    The first call creates it with one commit. Later ones add a commit if the contents changed since, and do nothing
    otherwise; a commit that somebody else pushed in between stays in the history.

    Args:
        folder: contents of the commit; a `.git` inside of it does not count.
        repository: folder of the bare repository; `file://` and plain paths both reach it.
        message: of the commit, if one is made.

    Raises:
        BadInputError: `folder` is no folder.
        ToolFailedError: git failed, or something pushed at the same moment.
    """
    if not folder.is_dir():
        raise BadInputError(f"{folder} is not a folder", solution="give the folder that the repository is made from")
    if not (repository / "HEAD").exists():
        repository.parent.mkdir(parents=True, exist_ok=True)
        _git(None, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(repository))
    (repository / "info").mkdir(exist_ok=True)
    (repository / "info" / "exclude").write_text(EXCLUDED)
    parent = head(repository)
    with tempfile.TemporaryDirectory(prefix="laptop-index-") as scratch:
        staging = {"GIT_INDEX_FILE": str(Path(scratch) / "index"), "GIT_WORK_TREE": str(folder.resolve())}
        _git(repository, "add", "--all", ".", cwd=folder, env=staging)
        tree = _git(repository, "write-tree", env=staging)
    if parent and tree == _git(repository, "rev-parse", f"{parent}^{{tree}}"):
        return parent
    commit = _commit(repository, tree, parent, message)
    # The old value makes this fail instead of dropping what was pushed meanwhile.
    _git(repository, "update-ref", f"refs/heads/{BRANCH}", commit, parent or "0" * 40)
    return commit


def head(repository: Path) -> str | None:
    """The commit of a repository's main branch; None if it has none yet."""
    found = run(
        ["git", "--git-dir", str(repository), "rev-parse", "--quiet", "--verify", f"refs/heads/{BRANCH}"],
        env=_environment(),
        accept=(0, 1),
    )
    return found.stdout.strip() or None


def _commit(repository: Path, tree: str, parent: str | None, message: str) -> str:
    seconds = FIRST_COMMIT
    if parent:
        seconds = int(_git(repository, "show", "--no-patch", "--format=%ct", parent)) + 60
    pinned = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Sample"), ("EMAIL", "sample@hallmark.invalid"), ("DATE", f"{seconds} +0000"))
    }
    parents = ["-p", parent] if parent else []
    return _git(repository, "commit-tree", tree, *parents, "-m", message, env=pinned)


def _environment() -> dict[str, str]:
    return {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}


def _git(repository: Path | None, *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """What a git command prints; without the settings of the user and of the machine."""
    where = [] if repository is None else ["--git-dir", str(repository.resolve())]
    done = run(["git", *where, *arguments], cwd=cwd, env={**_environment(), **(env or {})}, timeout=120)
    return done.stdout.strip()
