"""What an operator does with tkn: start a delivery as the documents say, read its log, describe it, start it again."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from cluster import gitea, kubectl
from cluster.places import CANDIDATES, GIT, PIPELINES_NAMESPACE, PROGRAMS, RELEASES
from laptop.setup import ROOT

SECONDS = 420
HOSTS = {
    "https://git.example.com/": f"http://{GIT}/",
    "candidates.example.com/": f"{CANDIDATES}/",
    "releases.example.com/": f"{RELEASES}/",
}
HERE = f"--namespace={PIPELINES_NAMESPACE}"


@pytest.fixture(scope="session")
def started(base_image: str) -> subprocess.CompletedProcess[str]:
    """The command of docs/install.md, with this machine's addresses, to the end of the run."""
    block = re.search(r"```sh\n(tkn pipeline start .*?)```", (ROOT / "docs/install.md").read_text(), re.DOTALL)
    assert block is not None
    text = block[1]
    for example, here in HOSTS.items():
        text = text.replace(example, here)
    text = re.sub(r"(--param=base-image=)\S+", rf"\g<1>{base_image}", text)
    return tkn([*shlex.split(text)[1:], "--param=tls-verify=false"])


@pytest.fixture(scope="session")
def run(started: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The PipelineRun that it made."""
    name = re.search(r"PipelineRun started: (\S+)", started.stdout)
    assert name is not None, started.stdout + started.stderr
    found = kubectl.get("pipelinerun", name[1], namespace=PIPELINES_NAMESPACE)
    assert found is not None
    return found


def tkn(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    argv, environment = [str(PROGRAMS / "tkn"), *arguments], kubectl.environment()
    return subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)


def test_the_documented_command_delivers(run: dict[str, Any]) -> None:
    assert run["status"]["conditions"][0]["status"] == "True", run["status"]["conditions"]
    assert run["metadata"]["name"].startswith("iris-")
    assert run["metadata"]["labels"]["hallmark.dev/model"] == "iris"
    results = {result["name"]: result["value"] for result in run["status"]["results"]}
    assert results["commit"] == gitea.forge().head("makers/iris")
    assert results["image"].startswith(f"{RELEASES}/releases/iris@sha256:")


def test_the_log_says_of_each_task_what_it_found(started: subprocess.CompletedProcess[str]) -> None:
    lines = started.stdout.splitlines()
    for task in ("fetch-source", "check-code", "train", "verify-model", "build-image", "sign-image", "update-manifest"):
        assert any(line.startswith(f"[{task} : ") and f"{task}: passed: " in line for line in lines), task


def test_describe_shows_what_became_of_it(run: dict[str, Any]) -> None:
    described = tkn(["pipelinerun", "describe", run["metadata"]["name"], HERE])
    assert described.returncode == 0, described.stderr
    for word in ("Succeeded", "manifest-commit", "accuracy", "hallmark.dev/model=iris", "Deliver a model"):
        assert word in described.stdout, described.stdout


def test_a_run_started_again_delivers_the_same_and_commits_nothing(run: dict[str, Any]) -> None:
    before = gitea.forge().head("operators/config")
    again = tkn(["pipeline", "start", "model-delivery", "--last", "--showlog", HERE])
    assert "update-manifest: passed" in again.stdout, again.stdout + again.stderr
    assert gitea.forge().head("operators/config") == before


def test_an_address_that_nobody_allowed_is_refused_in_words(run: dict[str, Any]) -> None:
    name = run["metadata"]["name"]
    elsewhere = "--param=release-image=releases.attacker.test/releases/iris"
    refused = tkn(["pipeline", "start", "model-delivery", f"--use-pipelinerun={name}", elsewhere, HERE])
    assert refused.returncode != 0
    assert "the param release-image must begin with one of these" in refused.stderr
