"""update-manifest against real repositories, with others who push at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hallmark import history as histories
from hallmark.command import Context
from hallmark.commands import update_manifest
from hallmark.tools.git import session

from .supply_chain_helpers import Called, WorkTree

RELEASES = "registry.example.com/releases/iris"
OLD = f"sha256:{'0' * 64}"
FILE = "production/kustomization.yaml"
TEXT = f"""\
resources:
  - ../base   # kept
images:
  - name: wine
    newName: registry.example.com/releases/wine
    digest: {OLD}
  - name: iris
    newName: {RELEASES}
    digest: {OLD}   # by the pipeline
"""


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


@pytest.fixture
def config(work_tree: Callable[[str], WorkTree]) -> WorkTree:
    tree = work_tree("config")
    tree.write(FILE, TEXT)
    tree.write("base/kustomization.yaml", "resources: []\n")
    tree.push("Start")
    return tree


Update = Callable[..., Called]


@pytest.fixture
def update(hallmark: Callable[..., Called], tmp_path: Path, config: WorkTree, model_tree: WorkTree) -> Update:
    """Deliver the image with the digest of one letter, built from the model repository's commit."""

    def call(letter: str = "a", source: str = "", **flags: object) -> Called:
        history = tmp_path / "history.git"
        if not history.exists():
            with session(model_tree.url) as git:
                histories.fetch(git, model_tree.url, history)
        else:
            model_tree.git("fetch", "--quiet", "--force", "origin", "+refs/heads/*:refs/heads/*", cwd=history)
        sha = source or model_tree.git("rev-parse", "HEAD")
        given: dict[str, object] = {
            "config_repository_url": config.url,
            "kustomization": FILE,
            "image_name": "iris",
            "release_image": RELEASES,
            "image_digest": digest(letter),
            "commit": sha,
            "commit_time": model_tree.git("show", "-s", "--format=%ct", sha),
            "repository_url": "https://git.example.com/team/iris.git",
            "model_digest": digest("1"),
            "verdict_digest": digest("2"),
            "run_name": "iris-1",
            "history": history,
            "report": tmp_path / "report",
        }
        return hallmark("update-manifest", results=("manifest-commit", "changed"), **{**given, **flags})

    return call


def at_server(config: WorkTree, what: str = f"main:{FILE}") -> str:
    return config.git("show", what, cwd=config.bare)


def head(config: WorkTree) -> str:
    return config.git("rev-parse", "main", cwd=config.bare)


def test_the_digest_is_committed_with_its_evidence_and_nothing_else_changes(
    update: Update, config: WorkTree, model_tree: WorkTree
) -> None:
    before = head(config)
    called = update("a")
    assert called.code == 0, called.output
    assert called.result("changed") == "true"
    commit = head(config)
    assert called.result("manifest-commit") == commit
    assert config.git("rev-parse", "main^", cwd=config.bare) == before
    assert config.git("diff", "--name-only", before, commit, cwd=config.bare) == FILE
    start, _, end = TEXT.rpartition(OLD)
    assert at_server(config) + "\n" == start + digest("a") + end
    message = config.git("log", "-1", "--format=%an <%ae>%n%B", "main", cwd=config.bare)
    assert message == "\n".join(
        [
            "Hallmark <noreply@hallmark.dev>",
            "Deliver iris aaaaaaaaaaaa",
            "",
            "Image-Name: iris",
            f"Image-Digest: {digest('a')}",
            f"Model-Digest: {digest('1')}",
            f"Source-Commit: {model_tree.git('rev-parse', 'HEAD')}",
            f"Source-Commit-Time: {model_tree.time}",
            "Source-Repository: https://git.example.com/team/iris.git",
            f"Verdict-Digest: {digest('2')}",
            "PipelineRun: iris-1",
        ]
    )


def test_the_same_digest_again_makes_no_commit(update: Update, config: WorkTree) -> None:
    first = update("a")
    config.git("pull", "--quiet", "origin", "main")
    config.write("README.md", "later\n")
    later = config.push("Something else")
    second = update("a")
    assert second.code == 0, second.output
    assert second.result("changed") == "false"
    assert second.result("manifest-commit") == first.result("manifest-commit")
    assert head(config) == later


def test_a_newer_commit_replaces_an_older_one(update: Update, config: WorkTree, model_tree: WorkTree) -> None:
    assert update("a").code == 0
    model_tree.push("Newer")
    called = update("b")
    assert called.code == 0, called.output
    assert digest("b") in at_server(config)


def test_an_older_commit_never_replaces_a_newer_one(update: Update, config: WorkTree, model_tree: WorkTree) -> None:
    older = model_tree.git("rev-parse", "HEAD")
    model_tree.push("Newer")
    newer = update("b")
    called = update("a", older)
    assert called.code == 1, called.output
    assert "is an ancestor of" in called.output
    assert f"git revert {newer.result('manifest-commit')}"[:23] in called.output
    assert called.result("manifest-commit") is None
    assert head(config) == newer.result("manifest-commit")


def test_ancestry_counts_though_the_clock_was_wrong(update: Update, config: WorkTree, model_tree: WorkTree) -> None:
    assert update("a").code == 0
    model_tree.time -= 1_000_000
    model_tree.push("Newer, with a clock that is late")
    called = update("b")
    assert called.code == 0, called.output


def test_without_ancestry_the_later_commit_wins(update: Update, config: WorkTree, model_tree: WorkTree) -> None:
    base = model_tree.git("rev-parse", "HEAD")
    earlier = model_tree.push("Left", branch="left")
    model_tree.git("checkout", "--quiet", base)
    later = model_tree.push("Right", branch="right")
    assert update("b", later).code == 0
    refused = update("a", earlier)
    assert refused.code == 1
    assert "on another branch" in refused.output
    model_tree.git("checkout", "--quiet", earlier)
    model_tree.time += 60
    assert update("c", model_tree.push("Left again", branch="left")).code == 0


def test_a_deployed_commit_that_history_lost_is_compared_by_time(
    update: Update, config: WorkTree, model_tree: WorkTree, tmp_path: Path
) -> None:
    model_tree.push("To be forgotten")
    assert update("b").code == 0
    forgotten_time = model_tree.time
    model_tree.git("reset", "--quiet", "--hard", "HEAD^")
    model_tree.time = forgotten_time - 120
    earlier = model_tree.push("Rewritten with an earlier date", force=True)
    rewritten = tmp_path / "rewritten.git"
    with session(model_tree.url) as git:
        histories.fetch(git, model_tree.url, rewritten)
    refused = update("a", earlier, history=rewritten)
    assert refused.code == 1
    assert "not in the repository's history" in refused.output
    model_tree.time = forgotten_time
    later = model_tree.push("Rewritten later")
    model_tree.git("fetch", "--quiet", "origin", "+refs/heads/*:refs/heads/*", cwd=rewritten)
    assert update("a", later, history=rewritten).code == 0


def test_a_rollback_sticks_until_a_newer_commit_comes(update: Update, config: WorkTree, model_tree: WorkTree) -> None:
    assert update("a").code == 0
    model_tree.push("Worse")
    assert update("b").code == 0
    config.git("pull", "--quiet", "origin", "main")
    config.git("revert", "--no-edit", "HEAD")
    config.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    assert digest("a") in at_server(config)
    refused = update("b")
    assert refused.code == 1
    assert "taken back" in refused.output
    model_tree.push("Better")
    assert update("c").code == 0


def test_another_images_delivery_does_not_count(update: Update, config: WorkTree, model_tree: WorkTree) -> None:
    older = model_tree.git("rev-parse", "HEAD")
    model_tree.push("Newer")
    wine = {"image_name": "wine", "release_image": "registry.example.com/releases/wine"}
    assert update("b", **wine).code == 0
    assert update("a", older).code == 0


def hook(config: WorkTree, script: str) -> None:
    file = config.bare / "hooks" / "pre-receive"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


BEHIND_THE_HOOK = "env -u GIT_QUARANTINE_PATH -u GIT_OBJECT_DIRECTORY -u GIT_ALTERNATE_OBJECT_DIRECTORIES git"


def test_a_push_in_between_is_survived_by_editing_the_fresh_head(
    update: Update, config: WorkTree, tmp_path: Path
) -> None:
    config.write(FILE, TEXT.replace("wine\n    digest: " + OLD, "wine\n    digest: " + digest("e")))
    other = config.push("Another model's delivery", branch="other")
    hook(config, f"[ -e raced ] || {{ touch raced; {BEHIND_THE_HOOK} update-ref refs/heads/main {other}; }}")
    called = update("a")
    assert called.code == 0, called.output
    assert "attempt 2 of 5" in called.output
    assert config.git("rev-parse", "main^", cwd=config.bare) == other
    assert digest("e") in at_server(config)
    assert digest("a") in at_server(config)


def test_a_newer_delivery_in_between_is_not_overwritten(
    update: Update, config: WorkTree, model_tree: WorkTree, tmp_path: Path
) -> None:
    older = model_tree.git("rev-parse", "HEAD")
    start = head(config)
    model_tree.push("Newer")
    newer = update("b").result("manifest-commit")
    config.git("update-ref", "refs/heads/main", start, cwd=config.bare)
    hook(config, f"{BEHIND_THE_HOOK} update-ref refs/heads/main {newer}")
    called = update("a", older)
    assert called.code == 1, called.output
    assert head(config) == newer


def test_others_who_are_always_quicker_end_in_a_failed_tool(
    update: Update, config: WorkTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hallmark.commands.update_manifest.FIRST_WAIT", 0.0)
    hook(
        config,
        f"new=$(echo busy | {BEHIND_THE_HOOK} commit-tree main^{{tree}} -p main) && "
        f"{BEHIND_THE_HOOK} update-ref refs/heads/main $new",
    )
    with (config.bare / "config").open("a") as settings:
        settings.write("[user]\n\tname = x\n\temail = x@example.com\n")
    called = update("a")
    assert called.code == 3, called.output
    assert "during each of 5 attempts" in called.output


def test_two_deliveries_at_once_both_arrive(update: Update, config: WorkTree, model_tree: WorkTree) -> None:
    update("0")  # Makes the history folder before both use it.
    sha = model_tree.git("rev-parse", "HEAD")
    outcomes: list[str] = []

    def deliver(name: str, letter: str) -> None:
        params = update_manifest.Params(
            config_repository_url=config.url,
            kustomization=FILE,
            image_name=name,
            release_image=f"registry.example.com/releases/{name}",
            image_digest=digest(letter),
            commit=sha,
            commit_time=model_tree.time,
            repository_url=model_tree.url,
            model_digest=digest("1"),
            verdict_digest=digest("2"),
            run_name=name,
            history=config.path.parent / "history.git",
        )
        outcome = update_manifest.run(params, Context(report_dir=config.path, say=lambda _: None))
        outcomes.append(outcome.report.status)

    threads = [threading.Thread(target=deliver, args=pair) for pair in (("iris", "a"), ("wine", "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["passed", "passed"]
    assert digest("a") in at_server(config)
    assert digest("b") in at_server(config)


def test_a_hook_that_declines_is_a_failed_tool_with_its_words(update: Update, config: WorkTree) -> None:
    before = head(config)
    hook(config, "echo 'only by merge request' >&2; exit 1")
    called = update("a")
    assert called.code == 3
    assert "only by merge request" in called.output
    assert head(config) == before


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"config_branch": "nowhere"}, "has no branch nowhere"),
        ({"config_branch": "main:x"}, "no name of a branch"),
        ({"kustomization": "staging/kustomization.yaml"}, "does not exist"),
        ({"kustomization": "production"}, "is a folder"),
        ({"kustomization": "link.yaml"}, "is a link"),
        ({"kustomization": "../x"}, "no plain path"),
        ({"kustomization": "/etc/x"}, "no plain path"),
        ({"image_name": "rose"}, "no entry for the image rose"),
        ({"release_image": "elsewhere/iris"}, "has newName"),
        ({"image_digest": "latest"}, "no digest"),
        ({"commit": "main"}, "no full SHA"),
        ({"commit": "0" * 40}, "does not hold the commit"),
        ({"commit_time": "now"}, "not of type int"),
        ({"run_name": "x\nImage-Name: wine"}, "PipelineRun"),
    ],
)
def test_bad_input_commits_nothing(
    update: Update, config: WorkTree, flags: dict[str, object], complaint: str, model_tree: WorkTree
) -> None:
    (config.path / "link.yaml").symlink_to(FILE)
    before = config.push("A link")
    called = update("a", model_tree.git("rev-parse", "HEAD"), **flags)
    assert called.code == 2, called.output
    assert complaint in called.output
    assert head(config) == before


def test_an_unreachable_server_is_a_failed_tool(update: Update) -> None:
    called = update("a", config_repository_url="http://127.0.0.1:9/config.git")
    assert called.code == 3
