"""The whole pipeline, run through tkn-solo with real git, registries, Buildah, podman and cosign.

Refusals are folders, see `engines.refusal`; the same are delivered on a real cluster in `tests/cluster`.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from engines.refusal import REFUSALS, Refusal, lay_out
from laptop import registry, world
from laptop.delivery import Delivery, Project, deliver, set_up
from laptop.repositories import head, publish
from laptop.setup import ROOT
from services.s3 import SECRET_KEY, s3_server


def released(project: Project) -> list[str]:
    """What the registry of the releases holds of this project: images, signatures and attestations."""
    images = project.world.releases.directory / "images/docker/registry/v2/repositories/releases"
    return sorted(path.name for path in (images / project.name / "_manifests/revisions/sha256").glob("*"))


def task_run(delivery: Delivery, task: str) -> Mapping[str, Any]:
    names = {child["pipelineTaskName"]: child["name"] for child in delivery.run["status"]["childReferences"]}
    return next(item for item in delivery.objects if item["metadata"]["name"] == names[task])


def logs_of(delivery: Delivery) -> dict[str, str]:
    """Each step's log by `task/step`."""
    folder = delivery.folder / "logs"
    return {
        str(path.relative_to(folder).with_suffix("")): path.read_text(errors="replace")
        for path in sorted(folder.rglob("*.log"))
    }


def exit_codes(delivery: Delivery, task: str) -> list[int]:
    return [step["terminated"]["exitCode"] for step in task_run(delivery, task)["status"]["steps"]]


def gate_reports(delivery: Delivery, task: str) -> list[dict[str, Any]]:
    folder = delivery.volume / "reports" / task
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json")) if "command" in path.read_text()]


@pytest.mark.parametrize("name", REFUSALS)
def test_it_is_refused(name: str, services: world.World, tmp_path: Path) -> None:
    refusal = Refusal(name)
    if refusal.has_champion:
        champion = set_up(services, lay_out(refusal.folder / "in", tmp_path / "champion", plain="repository"), name)
        crowned = deliver(champion, "champion", quiet=True)
        assert crowned.exit_code == 0, crowned.run["status"]["conditions"]
    project = set_up(services, lay_out(refusal.folder / "in", tmp_path), name)
    before, there = head(project.config), released(project)
    assert bool(there) == refusal.has_champion
    around = refusal.expect.get("world", {})
    if "remove" in around:
        (project.folder / around["remove"]).unlink()
    stopped = services.state / "registries" / around["stop"] if "stop" in around else None
    port = None
    if stopped:
        port = getattr(services, around["stop"]).port
        assert registry.stop(stopped)
    try:
        delivery = deliver(project, "run", quiet=True)
    finally:
        if stopped:
            registry.start(stopped, port=port)

    assert delivery.exit_code == 1, delivery.run["status"]["conditions"]
    assert refusal.settled(delivery.objects) == refusal.wanted()
    assert refusal.complaints(logs_of(delivery)) == []
    failing = [found for found in gate_reports(delivery, refusal.failed) if found["status"] != "passed"]
    assert [found["exit_code"] for found in failing] == [refusal.expect["exitCode"]]
    assert re.search(refusal.expect["message"], failing[0]["summary"]), failing[0]["summary"]
    assert failing[0]["solution"]

    assert head(project.config) == before
    assert released(project) == there

    page = delivery.report.read_text()
    assert refusal.failed in page
    assert re.search(refusal.expect["report"], page)


def test_a_delivery_is_signed_committed_and_repeatable(services: world.World, tmp_path: Path) -> None:
    """The same commit again is the same image and no second commit; a newer one replaces it; the older never again."""
    sides = lay_out(tmp_path / "nothing", tmp_path)
    project = set_up(services, sides, "delivered")
    first = deliver(project, "first", quiet=True)
    assert first.exit_code == 0, first.run["status"]["conditions"]
    assert first.results["manifest-changed"] == "true"
    assert float(first.results["accuracy"]) > 0.9
    trained = {item["name"]: item["value"] for item in task_run(first, "train")["status"]["results"]}
    told = {"uri": "pkg:generic/iris@1.0.0", "digest": trained["model-digest"], "isBuildArtifact": "false"}
    assert first.results["model_ARTIFACT_OUTPUTS"] == told
    digest = first.results["image"].partition("@")[2]
    kustomization = show(project, "production/kustomization.yaml")
    assert yaml.safe_load(kustomization)["images"][0]["digest"] == digest
    assert kustomization.replace(digest, "sha256:" + "0" * 64) == as_published(project), "more than the digest changed"

    again = deliver(project, "again", quiet=True)
    assert again.exit_code == 0, again.run["status"]["conditions"]
    assert again.results == {**first.results, "manifest-changed": "false"}
    assert signatures(project, digest) == 1

    description = sides.repository / "hallmark.yaml"
    description.write_text(description.read_text().replace("1.0.0", "1.1.0").replace("C: 1.0", "C: 2.0"))
    publish(sides.repository, project.source, "Regularise less")
    newer = deliver(project, "newer", quiet=True)
    assert newer.exit_code == 0, newer.run["status"]["conditions"]
    assert newer.results["image"] != first.results["image"]

    deployed = head(project.config)
    older = deliver(project, "older", revision=first.results["commit"], quiet=True)
    assert older.exit_code == 1
    assert exit_codes(older, "update-manifest") == [0, 1]
    assert "older" in older.report.read_text()
    assert head(project.config) == deployed


def test_what_was_deployed_past_the_pipeline_is_no_champion(services: world.World, tmp_path: Path) -> None:
    """An image that nobody has signed, put into production by hand: nothing is compared, and nothing replaces it."""
    project = set_up(services, lay_out(tmp_path / "nothing", tmp_path), "unsigned")
    digest = copy_unsigned(project)
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "samples/iris/config", folder)
    file = folder / "production/kustomization.yaml"
    file.write_text(show(project, "production/kustomization.yaml").replace(f"sha256:{'0' * 64}", digest))
    deployed = publish(folder, project.config, "Deploy by hand")
    delivery = deliver(project, "run", quiet=True)
    assert delivery.exit_code == 1
    assert exit_codes(delivery, "fetch-source") == [0, 1]
    assert delivery.results["outcome"] == "refused"
    assert delivery.results["stopped-by"] == "fetch-champion: signature, attestation"
    assert "no signatures found" in logs_of(delivery)["fetch-source/fetch-champion"]
    assert head(project.config) == deployed


def copy_unsigned(project: Project) -> str:
    """Have the base image among the releases of this project; returns its digest."""
    from hallmark.process import run

    services = project.world
    argv = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests"]
    argv += ["--src-tls-verify=false", f"--src-authfile={services.candidates.auth_file}"]
    argv += ["--dest-tls-verify=false", f"--dest-authfile={services.releases.auth_file}"]
    run([*argv, f"docker://{services.base.reference}", f"docker://{project.release_image}:unsigned"])
    return services.base.reference.partition("@")[2]


def show(project: Project, path: str) -> str:
    return git(project, "show", f"main:{path}")


def as_published(project: Project) -> str:
    first = git(project, "rev-list", "--max-parents=0", "main").strip()
    return git(project, "show", f"{first}:production/kustomization.yaml")


def git(project: Project, *arguments: str) -> str:
    from hallmark.process import run

    return run(["git", "-C", str(project.config), *arguments]).stdout


def signatures(project: Project, digest: str) -> int:
    """How many signatures the image has, as the registry stores them beside it."""
    from hallmark.process import run

    tag = f"{digest.replace(':', '-')}.sig"
    argv = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"--authfile={project.world.releases.auth_file}"]
    return len(json.loads(run([*argv, f"docker://{project.release_image}:{tag}"]).stdout)["layers"])


def test_independent_data_is_fetched_with_a_credential_that_one_task_has(services: world.World, tmp_path: Path) -> None:
    """From a real S3 server; other data in its place stops the run before anything of it was read."""
    with s3_server() as bucket:
        sides = lay_out(tmp_path / "nothing", tmp_path)
        given = sides.validators / "data" / "independent.csv"
        bucket.put("validation", "iris/2026.csv", given.read_bytes())
        shutil.rmtree(sides.validators / "data")
        bucket.credential(sides.validators / "data-credential")
        rules = sides.validators / "policy" / "policy.yaml"
        where = f"path: s3://validation/iris/2026.csv\n    s3: {{endpoint: '{bucket.endpoint}'}}"
        rules.write_text(rules.read_text().replace("path: independent.csv", where))
        project = set_up(services, sides, "fetched")
        delivery = deliver(project, "fetched", quiet=True)
        assert delivery.exit_code == 0, delivery.run["status"]["conditions"]
        assert SECRET_KEY not in "".join(logs_of(delivery).values())
        assert "fetch-data" in delivery.report.read_text()

        bucket.put("validation", "iris/2026.csv", b"sepal_length\n1\n")
        refused = deliver(project, "other", quiet=True)
    assert refused.exit_code == 1
    assert exit_codes(refused, "fetch-data") == [1]
    assert refused.results["stopped-by"].startswith("fetch-data: the independent data s3://validation/iris/2026.csv")
    assert not (refused.volume / "fetched" / "data").exists()
    assert not (refused.volume / "labels").exists() or not list((refused.volume / "labels").iterdir())
