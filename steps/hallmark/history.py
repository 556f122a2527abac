"""A bare repository that holds every branch and tag of another one: which commit a name means, which came first."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from hallmark.errors import BadInputError
from hallmark.tools.git import COMMIT, RAW_ATTRIBUTES, Git

ABBREVIATED = re.compile(r"[0-9a-f]{7,63}")

SEEN = {"uploadpack.allowFilter": "true", "uploadpack.allowAnySHA1InWant": "true", "core.commitGraph": "false"}
"""Of the repository through which another one's objects are read."""

Relation = Literal["same", "older", "newer", "diverged", "unknown"]


def fetch(git: Git, url: str, history: Path, *, contents: bool = False) -> None:
    """Fill the empty folder `history` from `url`.

    Args:
        contents: whether every file of every commit is wanted too; else the server may leave them out.

    Raises:
        ToolFailedError: the server does not answer, or does not let us in.
    """
    git.run("init", "--quiet", "--bare", str(history))
    (history / "info").mkdir(exist_ok=True)
    (history / "info" / "attributes").write_text(RAW_ATTRIBUTES, encoding="utf-8")
    git.run("remote", "add", "origin", url, repository=history)
    refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    lean = () if contents else ("--filter=blob:none",)
    git.run("fetch", "--quiet", "--no-tags", *lean, "origin", *refs, repository=history)


@contextlib.contextmanager
def proven(git: Git, history: Path, *commits: str, contents: bool) -> Iterator[Path]:
    """A copy of `commits` and of all that led to them, whose every object was hashed anew; it goes with the block.

    `history` lies on a volume that others write to: what it says of itself (grafts, replaced or left out commits,
    configuration, caches of ancestry) does not count, only its objects do, and those are what their names say.

    Args:
        commits: full SHAs of commits that `history` holds.
        contents: whether every file of every commit is wanted too; else only who came before whom.

    Raises:
        BadInputError: an object is missing, damaged, or another one than its name says.
    """
    local = replace(git.offline(), transports=("file",))
    with tempfile.TemporaryDirectory(prefix="hallmark-history-") as name:
        seen, own = Path(name) / "seen.git", Path(name) / "own.git"
        for folder in (seen, own):
            local.run("init", "--quiet", "--bare", str(folder))
        (seen / "objects" / "info" / "alternates").write_text(f"{history.resolve() / 'objects'}\n", encoding="utf-8")
        for key, value in SEEN.items():
            local.run("config", key, value, repository=seen)
        local.run("remote", "add", "origin", f"file://{seen}", repository=own)
        lean = () if contents else ("--filter=tree:0",)
        wanted = [f"{commit}:refs/heads/{number}" for number, commit in enumerate(dict.fromkeys(commits))]
        done = local.run("fetch", "--quiet", "--no-tags", *lean, "origin", *wanted, repository=own, accept=None)
        if done.exit_code == 0 and not contents:
            # git takes it that what was left out may include commits.
            done = git.offline().run("rev-list", "--quiet", *commits, repository=own, accept=None)
        if done.exit_code != 0:
            raise BadInputError(
                f"the history of {commits[0]} is not whole, or was changed on the way: {done.last_words}",
                solution="see that fetch-source of the same run wrote it under the same policy; start a new run",
            )
        (own / "info").mkdir(exist_ok=True)
        (own / "info" / "attributes").write_text(RAW_ATTRIBUTES, encoding="utf-8")
        yield own


def resolve(git: Git, history: Path, revision: str) -> str:
    """The full SHA of the commit that `revision` (branch, tag, or SHA) means.

    A commit that no branch and no tag reaches is refused: forges hand out by SHA what somebody pushed to a fork.

    Raises:
        BadInputError: there is no such revision, or it means two things.
    """
    local = git.offline()
    candidates = (revision,) if revision.startswith("refs/") else (f"refs/heads/{revision}", f"refs/tags/{revision}")
    # `show-ref --verify` takes names of refs alone, so a revision cannot be an expression such as `main~3`.
    found = {
        name: commit
        for name in candidates
        if local.answers("show-ref", "--verify", "--quiet", name, repository=history)
        for commit in [local.text("rev-parse", "--verify", f"{name}^{{commit}}", repository=history)]
    }
    if len(set(found.values())) > 1:
        raise BadInputError(
            f"{revision} is a branch and a tag", solution=f"say which: {' or '.join(found)}, or give the commit's SHA"
        )
    if found:
        return next(iter(found.values()))
    if COMMIT.fullmatch(revision) or ABBREVIATED.fullmatch(revision):
        return _by_sha(local, history, revision)
    raise BadInputError(
        f"the repository has no branch and no tag {revision}", solution="check the name, and that it was pushed"
    )


def _by_sha(local: Git, history: Path, revision: str) -> str:
    arguments = ("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    parsed = local.run(*arguments, repository=history, accept=None)
    commit = parsed.stdout.strip()
    refs = ("for-each-ref", "--count=1", "--format=%(refname)", f"--contains={commit}")
    if parsed.exit_code != 0 or not COMMIT.fullmatch(commit) or not local.text(*refs, repository=history):
        raise BadInputError(
            f"no branch and no tag of the repository holds the commit {revision}",
            solution="push the commit to a branch; a commit that only a fork has is not the repository's",
        )
    return commit


def commit_time(git: Git, history: Path, commit: str) -> int:
    """The committer's date of `commit`, seconds since 1970."""
    arguments = ("rev-list", "-1", "--no-commit-header", "--format=%ct", commit)
    return int(git.offline().text(*arguments, repository=history))


def check_out(git: Git, history: Path, commit: str, target: Path, index: Path) -> None:
    """Write the tree of `commit` into the empty folder `target`, every file byte for byte as it was committed.

    Args:
        index: a file that does not exist, for git's own use.
    """
    arguments = (f"--work-tree={target}", "read-tree", "-m", "-u", commit)
    git.with_index(index).run(*arguments, repository=history)


def submodules(git: Git, history: Path, commit: str) -> list[str]:
    """The paths at which `commit` points to another repository."""
    listed = git.offline().text("ls-tree", "-r", "-z", commit, repository=history)
    return [entry.partition("\t")[2] for entry in listed.split("\0") if entry.startswith("160000 ")]


def holds(git: Git, history: Path, commit: str) -> bool:
    """Whether the repository `history` has the commit with the full SHA `commit`."""
    return git.offline().answers("cat-file", "-e", f"{commit}^{{commit}}", repository=history)


def relation(git: Git, history: Path, commit: str, other: str) -> Relation:
    """What `commit` is to `other`: older is a proper ancestor, unknown where `history` holds one of them not.

    Raises:
        BadInputError: as `proven` does.
    """
    if commit == other:
        return "same"
    if not all(holds(git, history, sha) for sha in (commit, other)):
        return "unknown"
    with proven(git, history, commit, other, contents=False) as own:
        local = git.offline()
        if local.answers("merge-base", "--is-ancestor", commit, other, repository=own):
            return "older"
        if local.answers("merge-base", "--is-ancestor", other, commit, repository=own):
            return "newer"
        return "diverged"
