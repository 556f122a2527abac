"""Bare git repositories made from folders or filled from work trees: what a git server would hold.

Of a folder the same contents give the same commits on every machine: author and dates are pinned, and git's own
configuration (the user's and the machine's) is left out.
"""

from __future__ import annotations

import hashlib
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
    _create(repository)
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


def is_work_tree(folder: Path) -> bool:
    """Whether `folder` is the top of a git work tree; a folder further down in one is not."""
    return (folder / ".git").exists()


def require_committed(folder: Path) -> None:
    """Raises BadInputError if the work tree at `folder` holds anything that its HEAD does not, or has no commit."""
    status = _theirs(folder, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
    changed = [entry[3:] for entry in status.split("\0") if entry]
    if changed:
        names = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise BadInputError(
            f"{folder} holds what is not committed: {names}",
            solution="commit first (a delivery is of a commit), or list in .gitignore what does not belong to it",
        )
    argv = ["git", "-C", str(folder), "rev-parse", "--quiet", "--verify", "HEAD"]
    if run(argv, accept=(0, 1)).exit_code:
        raise BadInputError(f"{folder} has no commit yet", solution="commit first")


def push_head(folder: Path, repository: Path) -> str:
    """Make the main branch of the bare `repository`, which only this does, the HEAD commit of a work tree.

    Raises:
        ToolFailedError: git failed.
    """
    _create(repository)
    # Forced: the maker's history is the maker's, also where it was rewritten or took a folder's place.
    target = f"HEAD:refs/heads/{BRANCH}"
    _theirs(folder, "push", "--quiet", "--force", "--no-verify", str(repository.resolve()), target)
    return _theirs(folder, "rev-parse", "HEAD").strip()


def contents(folder: Path) -> str:
    """A digest of the files below `folder`, as :func:`publish` would take them."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if ".git" in name.parts or any(name.match(line.rstrip("/")) for line in EXCLUDED.split()):
            continue
        if path.is_file():
            found.update(f"{name}\0{path.stat().st_size}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def head(repository: Path) -> str | None:
    """The commit of a repository's main branch; None if it has none yet."""
    found = run(
        ["git", "--git-dir", str(repository), "rev-parse", "--quiet", "--verify", f"refs/heads/{BRANCH}"],
        env=_environment(),
        accept=(0, 1),
    )
    return found.stdout.strip() or None


def _create(repository: Path) -> None:
    if not (repository / "HEAD").exists():
        repository.parent.mkdir(parents=True, exist_ok=True)
        _git(None, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(repository))


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


def _theirs(folder: Path, *arguments: str) -> str:
    """What a git command prints in the maker's own repository, where the maker's settings count."""
    return run(["git", "-C", str(folder), *arguments], env={"GIT_TERMINAL_PROMPT": "0"}, timeout=120).stdout
