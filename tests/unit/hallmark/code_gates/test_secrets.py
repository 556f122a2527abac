"""Secrets with the real gitleaks and git: found wherever they are or were, and never repeated."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark import history
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.tools import gitleaks
from hallmark.tools.git import session

Run = Callable[..., Any]

# Put together here, so that this file holds none.
SECRET = "gh" + "p_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
LINE = f'TOKEN = "{SECRET}"\n'


def add_rules(policy: Path, text: str) -> None:
    with (policy / "policy.yaml").open("a") as file:
        file.write(text)


def places(ran: Any) -> list[tuple[str, str, int, bool]]:
    return [(one["rule"], one["file"], one["line"], bool(one["commit"])) for one in ran.report["figures"]["findings"]]


def git(*arguments: str, cwd: Path) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.invalid", "-c", "commit.gpgSign=false")
    return subprocess.run(["git", *identity, *arguments], cwd=cwd, capture_output=True, text=True, check=True).stdout


def test_a_secret_is_refused_with_its_place_and_nowhere_repeated(run: Run, repository: Path) -> None:
    (repository / "coins.py").write_text("# one\n" + LINE)
    ran = run("check-code")
    assert ran.exit_code == 1
    assert places(ran) == [("github-pat", "coins.py", 2, False), ("github-pat", "coins.py", 2, True)]
    assert not ran.check("secrets (gitleaks)")["passed"]
    assert "revoked" in ran.report["solution"]
    for file in ran.folder.iterdir():
        assert SECRET not in file.read_text()
    assert SECRET not in ran.log


@pytest.mark.parametrize("name", ["notes.txt", ".env", "deep/er/config.yaml", "with space.cfg", ".gitleaksignore"])
def test_every_kind_of_file_is_looked_at(run: Run, repository: Path, name: str) -> None:
    (repository / name).parent.mkdir(parents=True, exist_ok=True)
    (repository / name).write_text(LINE)
    assert ("github-pat", name, 1, False) in places(run("check-code"))


def test_a_secret_that_was_removed_is_found_in_the_history(run: Run, repository: Path, policy: Path) -> None:
    (repository / "coins.py").write_text(LINE)
    assert run("check-code").exit_code == 1
    (repository / "coins.py").write_text("")
    ran = run("check-code")
    assert ran.exit_code == 1
    assert places(ran) == [("github-pat", "coins.py", 1, True)]
    assert "in commit" in ran.check("secrets (gitleaks)")["detail"]
    add_rules(policy, "code: {secrets: {history: false}}\n")
    assert run("check-code").exit_code == 0


def test_the_policy_may_switch_it_off(run: Run, repository: Path, policy: Path) -> None:
    (repository / "coins.py").write_text(LINE)
    add_rules(policy, "code: {secrets: {enabled: false}}\n")
    ran = run("check-code")
    assert ran.exit_code == 0
    assert [tool["tool"] for tool in ran.report["figures"]["tools"]] == ["hallmark", "ruff", "bandit"]


def test_the_repository_switches_nothing_off(run: Run, repository: Path) -> None:
    (repository / ".gitleaks.toml").write_text('[allowlist]\npaths = [".*"]\n')
    (repository / ".gitleaksignore").write_text("coins.py:github-pat:1\ntree/coins.py:github-pat:1\n")
    (repository / ".gitattributes").write_text("* binary\n")
    (repository / ".gitignore").write_text("*\n")
    (repository / "coins.py").write_text(LINE)
    assert places(run("check-code")) == [("github-pat", "coins.py", 1, False), ("github-pat", "coins.py", 1, True)]


def test_a_suppression_counts_only_if_the_policy_allows_it(run: Run, repository: Path, policy: Path) -> None:
    (repository / "coins.py").write_text(f'TOKEN = "{SECRET}"  # gitleaks:allow\n')
    assert run("check-code").exit_code == 1
    add_rules(policy, "code: {allowSuppressions: true}\n")
    assert run("check-code").exit_code == 0


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    folder = tmp_path / "worktree"
    folder.mkdir()
    git("init", "--quiet", "--initial-branch=main", cwd=folder)
    (folder / "a.txt").write_text("one\n")
    git("add", ".", cwd=folder)
    git("commit", "--quiet", "-m", "One", cwd=folder)
    return folder


def look(folder: Path, commit: str = "") -> list[tuple[str, str]]:
    with session() as ours:
        found = gitleaks.check_history(
            ours, folder / ".git", commit or git("rev-parse", "HEAD", cwd=folder).strip(), allow_suppressions=False
        )
    return [(one.rule, one.file) for one in found]


def test_what_only_a_merge_brought_is_found(worktree: Path) -> None:
    git("switch", "--quiet", "-c", "side", cwd=worktree)
    (worktree / "b.txt").write_text("two\n")
    git("add", ".", cwd=worktree)
    git("commit", "--quiet", "-m", "Two", cwd=worktree)
    git("switch", "--quiet", "main", cwd=worktree)
    (worktree / "c.txt").write_text("three\n")
    git("add", ".", cwd=worktree)
    git("commit", "--quiet", "-m", "Three", cwd=worktree)
    git("merge", "--quiet", "--no-ff", "--no-commit", "side", cwd=worktree)
    (worktree / "evil.txt").write_text(LINE)
    git("add", ".", cwd=worktree)
    git("commit", "--quiet", "-m", "Merge", cwd=worktree)
    git("rm", "--quiet", "evil.txt", cwd=worktree)
    git("commit", "--quiet", "-m", "Gone", cwd=worktree)
    assert look(worktree) == [("github-pat", "evil.txt")]


def test_another_branchs_secret_is_not_this_commits(worktree: Path) -> None:
    git("switch", "--quiet", "-c", "side", cwd=worktree)
    (worktree / "b.txt").write_text(LINE)
    git("add", ".", cwd=worktree)
    git("commit", "--quiet", "-m", "Two", cwd=worktree)
    assert look(worktree) == [("github-pat", "b.txt")]
    assert look(worktree, git("rev-parse", "main", cwd=worktree).strip()) == []


def test_a_history_without_its_files_is_a_failed_tool(worktree: Path, tmp_path: Path) -> None:
    git("config", "uploadpack.allowFilter", "true", cwd=worktree)
    (tmp_path / "lean").mkdir()
    git(
        "clone", "--quiet", "--bare", "--filter=blob:none", worktree.as_uri(), str(tmp_path / "lean/.git"), cwd=tmp_path
    )
    commit = git("rev-parse", "HEAD", cwd=worktree).strip()
    with pytest.raises(ToolFailedError, match=r"did not look at everything|read no commit"):
        look(tmp_path / "lean", commit)


def test_a_commit_that_the_history_does_not_have_is_a_failed_tool(worktree: Path) -> None:
    with pytest.raises(ToolFailedError, match=r"did not look at everything|read no commit"):
        look(worktree, "1" * 40)


def test_a_file_that_cannot_be_read_is_a_failed_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    monkeypatch.setattr(gitleaks, "_files", lambda source: [(tmp_path / "gone.txt", "gone.txt")])
    with pytest.raises(ToolFailedError, match="did not look at everything"):
        gitleaks.check_tree(tmp_path, allow_suppressions=False)


def test_a_history_that_the_policy_asks_for_and_nobody_gave_is_bad_input(run: Run) -> None:
    ran = run("check-code", "--history=", "--commit=")
    assert ran.exit_code == 2
    assert "code.secrets.history" in ran.report["summary"]


@pytest.mark.parametrize("text", ["", "{}", "[{}]", f'[{{"RuleID": "{SECRET}"}}]'])
def test_an_answer_that_is_not_understood_is_not_repeated(text: str) -> None:
    with pytest.raises(ToolFailedError) as caught:
        gitleaks.parse(text)
    assert SECRET not in caught.value.message


def test_a_missing_gitleaks_is_a_failed_tool(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = shutil.which
    monkeypatch.setattr("shutil.which", lambda name, *rest: None if name == "gitleaks" else real(name, *rest))
    ran = run("check-code")
    assert ran.exit_code == 3
    assert "gitleaks is not on PATH" in ran.report["summary"]


@pytest.mark.parametrize("contents", [True, False])
def test_fetch_source_brings_the_files_of_the_history_where_the_policy_asks_for_them(
    worktree: Path, tmp_path: Path, contents: bool
) -> None:
    (worktree / "b.txt").write_text(LINE)
    git("add", ".", cwd=worktree)
    git("commit", "--quiet", "-m", "Two", cwd=worktree)
    git("config", "uploadpack.allowFilter", "true", cwd=worktree)
    url, fetched = worktree.as_uri(), tmp_path / "fetched" / ".git"
    with session(url) as ours:
        history.fetch(ours, url, fetched, contents=contents)
    commit = git("rev-parse", "HEAD", cwd=worktree).strip()
    if contents:
        assert look(fetched.parent, commit) == [("github-pat", "b.txt")]
    else:
        with pytest.raises(ToolFailedError, match=r"did not look at everything|read no commit"):
            look(fetched.parent, commit)


def loose(folder: Path) -> Path:
    """The objects of a repository, each in a file of its own."""
    packs = folder / "objects" / "pack"
    for pack in packs.glob("*.pack"):
        moved = pack.rename(folder / pack.name)
        for left in packs.glob(f"{pack.stem}.*"):
            left.unlink()
        with moved.open("rb") as source:
            subprocess.run(["git", f"--git-dir={folder}", "unpack-objects", "-q"], stdin=source, check=True)
    return folder / "objects"


def object_file(objects: Path, sha: str) -> Path:
    return objects / sha[:2] / sha[2:]


def test_a_history_that_was_changed_on_the_way_hides_nothing(worktree: Path) -> None:
    """Whoever writes to the volume can say that the commit has no parents, or have another object under its name."""
    (worktree / "b.txt").write_text(LINE)
    git("add", ".", cwd=worktree)
    git("commit", "--quiet", "-m", "Two", cwd=worktree)
    git("rm", "--quiet", "b.txt", cwd=worktree)
    git("commit", "--quiet", "-m", "Gone", cwd=worktree)
    head, middle = (git("rev-parse", name, cwd=worktree).strip() for name in ("HEAD", "HEAD^"))
    store = worktree / ".git"
    with session() as ours:
        orphan = ours.text("commit-tree", "HEAD^{tree}", "-m", "Gone", repository=store)
        (store / "shallow").write_text(f"{head}\n")
        (store / "info" / "grafts").write_text(f"{head}\n")
        ours.run("update-ref", f"refs/replace/{head}", orphan, repository=store)
        with history.proven(ours, store, head, contents=True) as own:
            found = gitleaks.check_history(ours, own, head, allow_suppressions=False)
        assert [one.file for one in found] == ["b.txt"]
        assert history.relation(ours, store, middle, head) == "older"

        objects = loose(store)
        for sha, content in ((head, object_file(objects, orphan).read_bytes()), (middle, None)):
            file = object_file(objects, sha)
            right = file.read_bytes()
            file.unlink()
            if content is not None:
                file.write_bytes(content)
            for whole in (True, False):
                believed = history.proven(ours, store, head, contents=whole)
                with pytest.raises(BadInputError, match="not whole, or was changed"), believed:
                    pytest.fail("it was believed")
            file.write_bytes(right)
        with history.proven(ours, store, head, contents=True):
            pass
