from __future__ import annotations

import os
from pathlib import Path

import pytest

from hallmark.errors import BadInputError, ToolFailedError
from hallmark.files import (
    atomic_path,
    inside,
    require_digest,
    sha256_bytes,
    sha256_file,
    sha256_mounted,
    sha256_tree,
    write_text,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / "sub/b.sh").write_text("b")
    return root


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_file(tmp_path / "x") == sha256_bytes(b"abc")
    assert sha256_bytes(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot read"):
        sha256_file(tmp_path / "nothing")


@pytest.mark.parametrize("change", ["content", "name", "executable", "link", "added"])
def test_a_trees_digest_tells_every_change(tree: Path, change: str) -> None:
    before = sha256_tree(tree)
    match change:
        case "content":
            (tree / "a.txt").write_text("A")
        case "name":
            (tree / "a.txt").rename(tree / "c.txt")
        case "executable":
            (tree / "sub/b.sh").chmod(0o755)
        case "link":
            (tree / "a.txt").unlink()
            (tree / "a.txt").symlink_to("sub/b.sh")
        case "added":
            (tree / "sub/c").touch()
    assert sha256_tree(tree) != before


def test_a_trees_digest_knows_no_times_and_no_empty_folders(tree: Path) -> None:
    before = sha256_tree(tree)
    os.utime(tree / "a.txt", (0, 0))
    (tree / "empty").mkdir()
    assert sha256_tree(tree) == before


def test_a_pipe_in_a_tree_is_bad_input(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(BadInputError, match="pipe"):
        sha256_tree(tree)


def test_a_mounted_config_map_has_the_digest_of_its_files(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "policy.yaml").write_text("rules")
    mounted = tmp_path / "mounted"
    (mounted / "..2026_11_21").mkdir(parents=True)
    (mounted / "..2026_11_21/policy.yaml").write_text("rules")
    (mounted / "..data").symlink_to("..2026_11_21")
    (mounted / "policy.yaml").symlink_to("..data/policy.yaml")
    assert sha256_mounted(mounted) == sha256_mounted(plain)
    (mounted / "..2026_11_21/policy.yaml").write_text("no rules")
    assert sha256_mounted(mounted) != sha256_mounted(plain)


def test_another_digest_than_the_writers_is_bad_input() -> None:
    require_digest("the model", "sha256:1", "sha256:1")
    with pytest.raises(BadInputError, match="changed on the way"):
        require_digest("the model", "sha256:1", "sha256:2")


@pytest.mark.parametrize("escape", ["../x", "/etc/passwd", "link/x"])
def test_a_path_that_leads_out_is_bad_input(tmp_path: Path, escape: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(BadInputError, match="leads out"):
        inside(root, escape)
    assert inside(root, "a/b") == root / "a/b"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    write_text(target, "old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_target_that_cannot_be_written_is_a_failed_tool(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ToolFailedError, match="cannot write"):
        write_text(tmp_path / "file/report.json", "x")


def test_a_full_disk_is_a_failed_tool(tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError, match="No space left"), atomic_path(tmp_path / "x") as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        with temporary.open("w") as file:
            file.write("x" * 100)
    assert list(tmp_path.iterdir()) == []
