"""Every refused delivery of `tests/scenarios` on a real Tekton: refused by the same task, in the same words."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster import catalog, enrolment, gitea, kubectl, registry
from cluster.places import PIPELINES_NAMESPACE
from engines import tekton
from engines.differences import rendered, unexplained
from engines.refusal import REFUSALS, Refusal, lay_out

AT_ONCE = 2
"""Deliveries at a time, one for each processor."""

SECONDS = 420
_enrolling = threading.Lock()
"""The accepted policies of all models are one list."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A delivery that has ended: its objects, its logs, and whether the operators' repository or a registry changed."""

    objects: list[tekton.Object]
    logs: Mapping[str, str]
    committed: bool
    released: bool


@pytest.fixture(scope="session")
def deliveries(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Refused]]]:
    """The deliveries that this session asks for. Those that need a registry to be down come last, and alone."""
    asked = [item.callspec.params["name"] for item in request.session.items if "deliveries" in item.fixturenames]
    base_image = catalog.base_image(print)
    tekton.have_images("check-code", "build-image", "sign-image")

    def delivered(name: str) -> Refused:
        return deliver(Refusal(name), tmp_path_factory.mktemp(name), base_image)

    alone = [name for name in asked if "stop" in Refusal(name).expect.get("world", {})]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        first = {name: pool.submit(delivered, name) for name in asked if name not in alone}

        def afterwards(name: str) -> Refused:
            for future in first.values():
                future.exception()
            return delivered(name)

        with ThreadPoolExecutor(1) as single:
            yield {**first, **{name: single.submit(afterwards, name) for name in alone}}


def deliver(refusal: Refusal, folder: Path, base_image: str) -> Refused:
    """Enrol a model of its own for the scenario and deliver it once."""
    sides = lay_out(refusal.folder / "in", folder)
    first = lay_out(refusal.folder / "in", folder / "champion", plain="repository") if refusal.has_champion else sides
    with _enrolling:
        enrolled = enrolment.enrol(refusal.name, first, base_image)
    images = registry.credential("releases").parents[1] / "images/docker/registry/v2/repositories/releases"
    images = images / refusal.name / "_manifests/revisions/sha256"
    if refusal.has_champion:
        # On a cluster that has seen this before, the last commit is the worse model.
        enrolment.publish(first.repository, enrolled.source, "The champion", enrolment.MAKER)
        crowned = f"{refusal.name}-{secrets.token_hex(3)}"
        kubectl.apply(enrolment.pipeline_run(enrolled, crowned))
        objects = tekton.finished("PipelineRun", crowned, PIPELINES_NAMESPACE, seconds=SECONDS)
        assert objects[0]["status"]["conditions"][0]["status"] == "True", objects[0]["status"]["conditions"]
        kubectl.kubectl("delete", "pipelinerun", crowned, f"-n={PIPELINES_NAMESPACE}", "--wait=false")
        enrolment.publish(sides.repository, enrolled.source, "Change the model", enrolment.MAKER)
    there = sorted(images.glob("*"))
    around = refusal.expect.get("world", {})
    if "remove" in around:
        path = f"/binaryData/{Path(around['remove']).name}"
        patch = json.dumps([{"op": "remove", "path": path}])
        name = f"{refusal.name}-policy"
        kubectl.kubectl("patch", "configmap", name, f"-n={PIPELINES_NAMESPACE}", "--type=json", f"--patch={patch}")
    before = gitea.forge().head(enrolled.config)
    run_name = f"{refusal.name}-{secrets.token_hex(3)}"
    if "stop" in around:
        assert registry.stop(around["stop"])
    try:
        kubectl.apply(enrolment.pipeline_run(enrolled, run_name))
        objects = tekton.finished("PipelineRun", run_name, PIPELINES_NAMESPACE, seconds=SECONDS)
    finally:
        if "stop" in around:
            registry.start(around["stop"])
    try:
        return Refused(
            objects=objects,
            logs=tekton.logs(objects, PIPELINES_NAMESPACE),
            committed=gitea.forge().head(enrolled.config) != before,
            released=sorted(images.glob("*")) != there,
        )
    finally:
        kubectl.kubectl("delete", "pipelinerun", run_name, f"-n={PIPELINES_NAMESPACE}", "--wait=false")


@pytest.mark.parametrize("name", REFUSALS)
def test_it_is_refused_as_on_a_laptop(name: str, deliveries: Mapping[str, Future[Refused]]) -> None:
    refusal, found = Refusal(name), deliveries[name].result()
    told = {**refusal.settled(found.objects), "complaints": refusal.complaints(found.logs)}
    different = unexplained(name, {**refusal.wanted(), "complaints": []}, told)
    assert not different, rendered(different)
    assert not found.committed
    assert not found.released
