from __future__ import annotations

import pytest

from hallmark.errors import BadInputError
from hallmark.process import run
from laptop import repositories
from laptop.repositories import head, publish


@pytest.fixture
def folder(tmp_path):
    """A folder with a file, a program, a link and what a test run left behind."""
    path = tmp_path / "folder"
    (path / "sub" / "__pycache__").mkdir(parents=True)
    (path / "file.txt").write_text("one\n")
    (path / "sub" / "run").write_text("#!/bin/sh\n")
    (path / "sub" / "run").chmod(0o755)
    (path / "sub" / "link").symlink_to("run")
    (path / "sub" / "__pycache__" / "x.pyc").write_text("left behind")
    return path


def git(repository, *arguments):
    return run(["git", "--git-dir", str(repository), *arguments]).stdout


def test_the_same_contents_give_the_same_commit_everywhere(folder, tmp_path, monkeypatch):
    first = publish(folder, tmp_path / "one.git", "Begin")
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\nname = Somebody\n[core]\nautocrlf = true\n[commit]\ngpgsign = true\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    assert publish(folder, tmp_path / "deep" / "two.git", "Begin") == first


def test_a_repository_holds_what_the_folder_holds(folder, tmp_path):
    repository = tmp_path / "one.git"
    commit = publish(folder, repository, "Begin")
    listed = git(repository, "ls-tree", "-r", "--format=%(objectmode) %(path)", commit).splitlines()
    assert listed == ["100644 file.txt", "120000 sub/link", "100755 sub/run"]
    assert git(repository, "log", "--format=%an %ae %at %ct %s").strip() == (
        f"Sample sample@hallmark.invalid {repositories.FIRST_COMMIT} {repositories.FIRST_COMMIT} Begin"
    )


def test_nothing_changed_means_no_commit(folder, tmp_path):
    repository = tmp_path / "one.git"
    commit = publish(folder, repository, "Begin")
    assert publish(folder, repository, "Change") == commit == head(repository)


def test_a_change_is_a_commit_on_top_a_minute_younger(folder, tmp_path):
    repository = tmp_path / "one.git"
    first = publish(folder, repository, "Begin")
    (folder / "file.txt").unlink()
    (folder / "new.txt").write_text("two\n")
    second = publish(folder, repository, "Change")
    assert git(repository, "rev-list", "main").split() == [second, first]
    assert git(repository, "diff", "--name-status", first, second).split() == ["D", "file.txt", "A", "new.txt"]
    times = [int(time) for time in git(repository, "log", "--format=%ct", "main").split()]
    assert times == [repositories.FIRST_COMMIT + 60, repositories.FIRST_COMMIT]


def test_a_commit_that_somebody_pushed_stays_in_the_history(folder, tmp_path):
    repository, clone = tmp_path / "one.git", tmp_path / "clone"
    publish(folder, repository, "Begin")
    run(["git", "clone", "--quiet", str(repository), str(clone)])
    (clone / "pushed.txt").write_text("theirs\n")
    run(["git", "-C", str(clone), "add", "."])
    identity = ["-c", "user.name=Them", "-c", "user.email=them@example.invalid"]
    run(["git", "-C", str(clone), *identity, "commit", "--quiet", "--message=Theirs"])
    run(["git", "-C", str(clone), "push", "--quiet"])
    theirs = head(repository)
    ours = publish(folder, repository, "Change")
    assert git(repository, "rev-parse", f"{ours}^").strip() == theirs


def test_a_folder_inside_another_repository_is_published_alone(folder, tmp_path):
    run(["git", "init", "--quiet", str(folder.parent)])
    commit = publish(folder / "sub", tmp_path / "one.git", "Begin")
    assert git(tmp_path / "one.git", "ls-tree", "--name-only", commit).split() == ["link", "run"]


def test_a_missing_folder_is_bad_input_and_makes_no_repository(tmp_path):
    with pytest.raises(BadInputError, match="is not a folder"):
        publish(tmp_path / "missing", tmp_path / "one.git", "Begin")
    assert not (tmp_path / "one.git").exists()


def test_a_new_repository_has_no_head(tmp_path):
    run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "one.git")])
    assert head(tmp_path / "one.git") is None
