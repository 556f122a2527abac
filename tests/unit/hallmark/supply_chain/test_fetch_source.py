"""fetch-source against real repositories."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark.documents.policy import policy_digest
from hallmark.files import sha256_tree
from services.http import web_server

from .supply_chain_helpers import MODEL, Called, WorkTree

RESULTS = (
    "commit",
    "commit-time",
    "repository-url",
    "source-digest",
    "policy-digest",
    "model-name",
    "model-version",
    "minimum-accuracy",
)


@pytest.fixture
def fetch(hallmark: Callable[..., Called], tmp_path: Path, policy: Path) -> Callable[..., Called]:
    def call(tree: WorkTree, revision: str = "main", **flags: Any) -> Called:
        given = {
            "repository_url": tree.url,
            "revision": revision,
            "source": tmp_path / "out" / "source",
            "history": tmp_path / "out" / "history",
            "policy": policy,
            "report": tmp_path / "report",
        }
        return hallmark("fetch-source", results=RESULTS, **{**given, **flags})

    return call


def test_a_branch_is_checked_out_and_everything_is_pinned(
    fetch: Callable[..., Called], model_tree: WorkTree, policy: Path, tmp_path: Path
) -> None:
    called = fetch(model_tree)
    assert called.code == 0, called.output
    source = tmp_path / "out" / "source"
    assert called.result("commit") == model_tree.git("rev-parse", "HEAD")
    assert called.result("commit-time") == str(model_tree.time)
    assert called.result("source-digest") == sha256_tree(source)
    assert called.result("policy-digest") == policy_digest(policy)
    assert (called.result("model-name"), called.result("model-version")) == ("iris", "1.2.3")
    assert called.result("minimum-accuracy") == ""
    assert (source / "hallmark.yaml").read_text() == MODEL
    assert not (source / ".git").exists()


def test_a_repository_that_the_policy_does_not_list_is_refused_and_not_fetched(
    fetch: Callable[..., Called], model_tree: WorkTree, policy: Path, tmp_path: Path
) -> None:
    with (policy / "policy.yaml").open("a") as file:
        file.write(f"source:\n  repositories: ['{model_tree.url}']\n")
    assert fetch(model_tree).code == 0
    (policy / "policy.yaml").write_text((policy / "policy.yaml").read_text().replace(model_tree.url, "/srv/other.git"))
    called = fetch(model_tree, source=tmp_path / "new" / "source", history=tmp_path / "new" / "history")
    assert called.code == 1
    assert "is no repository of this model" in called.output
    assert called.result("commit") is None
    assert not (tmp_path / "new").exists()


def test_a_tag_an_annotated_tag_a_full_and_a_short_sha_mean_their_commit(
    fetch: Callable[..., Called], model_tree: WorkTree
) -> None:
    first = model_tree.git("rev-parse", "HEAD")
    model_tree.git("tag", "light")
    model_tree.git("tag", "--annotate", "--message=Release", "v1.0.0")
    model_tree.git("push", "--quiet", "origin", "light", "v1.0.0")
    model_tree.push("Later")
    for revision in ("light", "v1.0.0", "refs/tags/v1.0.0", first, first[:10]):
        called = fetch(model_tree, revision)
        assert called.code == 0, called.output
        assert called.result("commit") == first


def test_a_second_run_into_the_same_folders_leaves_the_same_tree(
    fetch: Callable[..., Called], model_tree: WorkTree, tmp_path: Path
) -> None:
    first = fetch(model_tree)
    (tmp_path / "out" / "source" / "left-behind.py").write_text("")
    second = fetch(model_tree)
    assert second.code == 0, second.output
    assert second.result("source-digest") == first.result("source-digest")
    model_tree.write("train.py", "print('other')\n")
    model_tree.push()
    third = fetch(model_tree)
    assert third.result("source-digest") not in (None, first.result("source-digest"))


def test_somebodys_own_folder_is_never_emptied(
    fetch: Callable[..., Called], model_tree: WorkTree, tmp_path: Path
) -> None:
    precious = tmp_path / "out" / "source" / "precious.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("years of work")
    called = fetch(model_tree)
    assert called.code == 2
    assert "is not empty" in called.output
    assert precious.read_text() == "years of work"


def test_executable_bits_links_and_line_ends_are_kept_as_committed(
    fetch: Callable[..., Called], model_tree: WorkTree, tmp_path: Path
) -> None:
    model_tree.write(".gitattributes", "*.txt text eol=crlf ident\n*.csv filter=anything\nhidden.txt export-ignore\n")
    model_tree.write("hidden.txt", "one $Id$\ntwo\n")
    model_tree.write("run.sh", "#!/bin/sh\n")
    (model_tree.path / "run.sh").chmod(0o755)
    (model_tree.path / "latest.csv").symlink_to("data/training.csv")
    model_tree.push()
    called = fetch(model_tree)
    assert called.code == 0, called.output
    source = tmp_path / "out" / "source"
    assert (source / "hidden.txt").read_bytes() == b"one $Id$\ntwo\n"
    assert (source / "run.sh").stat().st_mode & stat.S_IXUSR
    assert (source / "latest.csv").readlink() == Path("data/training.csv")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "data/../../outside", "loop"])
def test_a_link_that_leads_out_of_the_tree_is_bad_input(
    fetch: Callable[..., Called], model_tree: WorkTree, target: str
) -> None:
    (model_tree.path / "loop").symlink_to(target)
    model_tree.push()
    called = fetch(model_tree)
    if target == "loop":
        assert called.code == 0, called.output  # It leads nowhere, and so not out; whoever reads it fails.
    else:
        assert called.code == 2
        assert "leads out of the repository" in called.output


def test_a_link_through_a_linked_folder_is_followed_to_where_it_leads(
    fetch: Callable[..., Called], model_tree: WorkTree
) -> None:
    (model_tree.path / "deep").mkdir()
    (model_tree.path / "deep" / "up").symlink_to("..")
    (model_tree.path / "out").symlink_to("deep/up/../outside")
    model_tree.push()
    called = fetch(model_tree)
    assert called.code == 2
    assert "out is a link" in called.output


@pytest.mark.parametrize("revision", ["nothing", "main~1", "HEAD", "--all", "main@{0}", "0" * 40, "abcdef0", "refs/x"])
def test_a_revision_that_does_not_exist_is_bad_input(
    fetch: Callable[..., Called], model_tree: WorkTree, revision: str
) -> None:
    called = fetch(model_tree, revision)
    assert called.code == 2, called.output
    assert revision in called.output
    assert called.result("commit") is None


def test_a_name_of_both_a_branch_and_a_tag_is_bad_input_unless_it_says_which(
    fetch: Callable[..., Called], model_tree: WorkTree
) -> None:
    model_tree.git("tag", "twice")
    model_tree.git("push", "--quiet", "origin", "refs/tags/twice")
    commit = model_tree.push("Later", branch="twice")
    refused = fetch(model_tree, "twice")
    assert refused.code == 2
    assert "refs/heads/twice or refs/tags/twice" in refused.output
    assert fetch(model_tree, "refs/heads/twice").result("commit") == commit


def test_a_commit_that_no_branch_reaches_is_refused_though_the_server_has_it(
    fetch: Callable[..., Called], model_tree: WorkTree
) -> None:
    model_tree.git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=model_tree.bare)
    model_tree.git("config", "uploadpack.allowFilter", "true", cwd=model_tree.bare)
    model_tree.write("train.py", "print('from a fork')\n")
    model_tree.git("commit", "--quiet", "--all", "--message=Evil")
    forked = model_tree.git("rev-parse", "HEAD")
    model_tree.git("push", "--quiet", "origin", "HEAD:refs/pull/1/head")
    called = fetch(model_tree, forked)
    assert called.code == 2
    assert "no branch and no tag" in called.output


@pytest.mark.parametrize("secrets", [True, False])
def test_history_holds_every_branch_and_is_without_contents_where_the_server_can_and_nobody_reads_them(
    fetch: Callable[..., Called], model_tree: WorkTree, policy: Path, tmp_path: Path, secrets: bool
) -> None:
    with (policy / "policy.yaml").open("a") as file:
        file.write(f"code: {{secrets: {{history: {str(secrets).lower()}}}}}\n")
    model_tree.git("config", "uploadpack.allowFilter", "true", cwd=model_tree.bare)
    first = model_tree.git("rev-parse", "HEAD")
    model_tree.write("train.py", "print('second')\n")
    second = model_tree.push("Second")
    third = model_tree.push("Third", branch="feature")
    called = fetch(model_tree)
    assert called.code == 0, called.output
    assert called.result("commit") == second
    history = tmp_path / "out" / "history"
    assert set(model_tree.git("rev-list", "--all", cwd=history).split()) == {first, second, third}
    objects = model_tree.git("rev-list", "--objects", "--missing=print", first, cwd=history)
    assert ("\n?" in objects) is not secrets  # The first commit's train.py was never downloaded.


def test_a_missing_policy_says_who_provides_it(
    fetch: Callable[..., Called], model_tree: WorkTree, tmp_path: Path
) -> None:
    called = fetch(model_tree, policy=tmp_path / "nowhere")
    assert called.code == 2
    assert "validators' policy" in called.output


def test_a_policy_for_another_model_is_bad_input(
    fetch: Callable[..., Called], model_tree: WorkTree, policy: Path
) -> None:
    file = policy / "policy.yaml"
    file.write_text(file.read_text().replace("name: iris", "name: wine"))
    called = fetch(model_tree)
    assert called.code == 2
    assert "describes iris, but the policy is for wine" in called.output


def test_a_mistake_in_hallmark_yaml_names_file_and_line(fetch: Callable[..., Called], model_tree: WorkTree) -> None:
    model_tree.write("hallmark.yaml", MODEL.replace("training: {script", "trainning: {script"))
    model_tree.push()
    called = fetch(model_tree)
    assert called.code == 2
    assert "hallmark.yaml:5:1: unknown key trainning" in called.output


def test_a_file_that_hallmark_yaml_names_and_the_commit_lacks_is_bad_input(
    fetch: Callable[..., Called], model_tree: WorkTree
) -> None:
    model_tree.git("rm", "--quiet", "train.py")
    model_tree.push()
    called = fetch(model_tree)
    assert called.code == 2
    assert "names train.py as training.script" in called.output


def test_a_git_lfs_pointer_as_training_data_is_bad_input(fetch: Callable[..., Called], model_tree: WorkTree) -> None:
    model_tree.write("data/training.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    model_tree.push()
    called = fetch(model_tree)
    assert called.code == 2
    assert "Git LFS pointer" in called.output


def test_a_server_that_does_not_answer_is_a_failed_tool(fetch: Callable[..., Called], model_tree: WorkTree) -> None:
    called = fetch(model_tree, repository_url="http://127.0.0.1:9/team/iris.git")
    assert called.code == 3
    assert "127.0.0.1" in called.output


@pytest.mark.parametrize(
    "url", ["ext::sh -c touch% /tmp/x", "--upload-pack=x", "http://name:secret@127.0.0.1:9/x.git", "ftp://host/x", "x"]
)
def test_an_odd_url_is_bad_input_and_a_password_in_it_is_not_repeated(
    fetch: Callable[..., Called], model_tree: WorkTree, url: str
) -> None:
    called = fetch(model_tree, repository_url=url)
    assert called.code == 2
    assert "secret" not in called.output


def test_submodules_are_not_followed_and_the_report_says_so(fetch: Callable[..., Called], model_tree: WorkTree) -> None:
    commit = model_tree.git("rev-parse", "HEAD")
    model_tree.git("update-index", "--add", "--cacheinfo", f"160000,{commit},vendored")
    model_tree.git("commit", "--quiet", "--message=Submodule")
    model_tree.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    called = fetch(model_tree)
    assert called.code == 0, called.output
    assert "not followed: vendored" in called.output


def test_hooks_and_settings_of_the_user_change_nothing(
    fetch: Callable[..., Called], model_tree: WorkTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / "hooks").mkdir(parents=True)
    hook = home / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    hook.chmod(0o755)
    (home / ".gitconfig").write_text(f"[core]\n\thooksPath = {home / 'hooks'}\n\tautocrlf = true\n")
    monkeypatch.setenv("HOME", str(home))
    called = fetch(model_tree)
    assert called.code == 0, called.output
    assert not (tmp_path / "ran").exists()
    assert b"\r" not in (tmp_path / "out" / "source" / "train.py").read_bytes()


def test_the_credential_goes_to_another_lfs_server_only_for_a_policy_that_its_owner_lists(
    fetch: Callable[..., Called], model_tree: WorkTree, policy: Path, tmp_path: Path
) -> None:
    """Whoever starts a run binds the policy: one of theirs would have the credential sent to a server of theirs."""
    with web_server() as elsewhere:
        with (policy / "policy.yaml").open("a") as file:
            file.write(f"source:\n  lfs: {{server: '{elsewhere.url('/lfs')}'}}\n")
        pinned = policy_digest(policy)
        credential = tmp_path / "credential"
        credential.mkdir()
        for name in ("username", "password"):
            (credential / name).write_text("ada")
        for listed, code, words in (
            (None, 2, f"names another server for Git LFS, http://127.0.0.1:{elsewhere.port}"),
            (f"sha256:{'0' * 64}\n", 2, f"the git credential is not for the policy {pinned}"),
            ("", 2, f"the git credential is not for the policy {pinned}"),
            (f"{pinned}  # iris\n", 0, "passed"),
        ):
            if listed is not None:
                (credential / "policies").write_text(listed)
            called = fetch(model_tree, credential=credential)
            assert (called.code, words in called.output) == (code, True), called.output
            assert (tmp_path / "out" / "source").exists() == (code == 0)
        assert elsewhere.asked == []
