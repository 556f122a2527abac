"""Faults on a cluster: pushes that overtake each other, a killed signer, a registry or kubelet away for a while."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import daemons, enrolment, gitea, kubectl, kubelet, registry
from cluster.enrolment import Enrolled
from cluster.places import PIPELINES_NAMESPACE
from cluster.waiting import until
from hallmark.process import run

SOURCE, CONFIG = "makers/iris", "operators/config"
KUSTOMIZATION = "production/kustomization.yaml"
SECONDS = 420.0


@pytest.fixture
def sample(base_image: str) -> Enrolled:
    """The sample as `make cluster-up` enrolled it."""
    return Enrolled(name="iris", config=CONFIG, base_image=base_image)


def test_of_two_pushes_a_second_apart_the_newer_is_deployed() -> None:
    older = enrolment.push_change(SOURCE, "The older of two pushes")
    time.sleep(1)
    newer = enrolment.push_change(SOURCE, "The newer of two pushes")
    ended = {commit: wait_for_run_of(commit) for commit in (older, newer)}
    assert succeeded(ended[newer]), ended[newer]["status"]["conditions"]
    # The older one was first, or was refused: it may not be what stands there in the end.
    assert deployed() == result(ended[newer], "image").partition("@")[2]
    assert source_of_last_commit() == newer


def test_a_delivery_whose_signer_was_killed_is_refused_and_a_new_run_of_the_same_commit_ends_well(
    sample: Enrolled,
) -> None:
    commit = enrolment.push_change(SOURCE, "The signer of this one is killed")
    before = gitea.forge().head(CONFIG)
    until(lambda: kill_step("sign-image", commit), "the signing step to kill", seconds=SECONDS, pause=0.02)
    killed = wait_for_run_of(commit)
    assert not succeeded(killed)
    assert gitea.forge().head(CONFIG) == before

    name = f"again-{commit[:12]}"
    kubectl.kubectl("create", "-f", "-", stdin=yaml.safe_dump(enrolment.pipeline_run(sample, name, commit)))
    again = wait_for(name)
    assert succeeded(again), again["status"]["conditions"]
    assert source_of_last_commit() == commit
    assert signatures(sample, deployed()) == 1


def test_a_registry_that_is_away_stops_a_delivery_and_a_later_one_ends_well() -> None:
    assert registry.stop("releases")
    try:
        before = gitea.forge().head(CONFIG)
        ended = wait_for_run_of(enrolment.push_change(SOURCE, "There is no registry for this one"))
        assert not succeeded(ended)
        assert gitea.forge().head(CONFIG) == before
    finally:
        registry.start("releases")
    commit = enrolment.push_change(SOURCE, "The registry is back")
    assert succeeded(wait_for_run_of(commit))
    assert source_of_last_commit() == commit


def test_a_signing_pod_that_was_deleted_is_made_again_and_signs_once(sample: Enrolled) -> None:
    """Tekton makes a pod that is missing once more, so every step may run twice."""
    commit = enrolment.push_change(SOURCE, "The signing pod of this one is deleted")
    pod = f"iris-{commit[:12]}-sign-image-pod"
    found = lambda: kubectl.get("pod", pod, namespace=PIPELINES_NAMESPACE) is not None  # noqa: E731
    until(found, f"the pod {pod}", seconds=SECONDS)
    gone = ["delete", "pod", pod, f"--namespace={PIPELINES_NAMESPACE}", "--grace-period=0", "--force"]
    kubectl.kubectl(*gone, timeout=60)
    ended = wait_for_run_of(commit)
    assert succeeded(ended), ended["status"]["conditions"]
    assert signatures(sample, deployed()) == 1


def test_a_delivery_outlives_a_restart_of_the_kubelet(sample: Enrolled) -> None:
    commit = enrolment.push_change(SOURCE, "The kubelet is restarted during this one")
    until(lambda: phase(f"iris-{commit[:12]}-train-pod") == "Running", "the training to start", seconds=SECONDS)
    assert daemons.stop("kubelet")
    try:
        time.sleep(5)
        assert phase(f"iris-{commit[:12]}-train-pod") == "Running"
    finally:
        kubelet.start()
    ended = wait_for_run_of(commit)
    assert succeeded(ended), ended["status"]["conditions"]
    assert source_of_last_commit() == commit
    assert signatures(sample, deployed()) == 1


def phase(pod: str) -> str:
    found = kubectl.get("pod", pod, namespace=PIPELINES_NAMESPACE) or {}
    return str(found.get("status", {}).get("phase", ""))


def kill_step(command: str, commit: str) -> bool:
    """Kill the process of a step, as the kernel would for want of memory; False if it does not run (yet)."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode().split("\0") if entry.name.isdigit() else []
            # Tekton's entrypoint has the same words further back: it is the step that is meant, its child.
            if command in words[1:4] and f"--commit={commit}" in words and "entrypoint" not in words[0]:
                os.kill(int(entry.name), signal.SIGKILL)
                return True
    return False


def wait_for_run_of(commit: str) -> dict[str, Any]:
    return wait_for(f"iris-{commit[:12]}")


def wait_for(name: str) -> dict[str, Any]:
    """The PipelineRun when it has ended."""
    found: list[dict[str, Any]] = []

    def ended() -> bool:
        item = kubectl.get("pipelinerun", name, namespace=PIPELINES_NAMESPACE)
        found[:] = [item] if item and item.get("status", {}).get("completionTime") else []
        return bool(found)

    until(ended, f"the end of {name}", seconds=SECONDS, pause=1)
    return found[0]


def succeeded(item: dict[str, Any]) -> bool:
    return bool(item["status"]["conditions"][0]["status"] == "True")


def result(item: dict[str, Any], name: str) -> str:
    return next(str(found["value"]) for found in item["status"]["results"] if found["name"] == name)


def deployed() -> str:
    """The digest in the operators' kustomization."""
    file = gitea.forge().ask("GET", f"/repos/{CONFIG}/raw/{KUSTOMIZATION}?ref=main", raw=True)
    return str(yaml.safe_load(file)["images"][0]["digest"])


def source_of_last_commit() -> str:
    """The commit that the newest manifest commit says it was made of."""
    head = gitea.forge().ask("GET", f"/repos/{CONFIG}/commits?limit=1&sha=main")[0]
    trailers = dict(line.split(": ", 1) for line in head["commit"]["message"].splitlines() if ": " in line)
    return trailers["Source-Commit"]


def signatures(sample: Enrolled, digest: str) -> int:
    """How many signatures an image has, as the registry stores them beside it."""
    tag = f"{digest.replace(':', '-')}.sig"
    argv = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"--authfile={registry.credential('releases')}"]
    image = f"docker://{registry.outside('releases')}/releases/{sample.name}:{tag}"
    return len(yaml.safe_load(run([*argv, image]).stdout)["layers"])
