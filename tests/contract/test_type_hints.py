"""What Tekton Chains reads from results by their names: https://tekton.dev/docs/chains/slsa-provenance/#type-hinting."""

from __future__ import annotations

import re
from typing import Any

import yaml

from laptop.setup import ROOT

PIPELINE = yaml.safe_load((ROOT / "pipelines/model-delivery.yaml").read_text())
TASKS = {path.parent.name: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "tasks").glob("*/*.yaml"))}
OBJECTS = {"ARTIFACT_INPUTS": {"uri", "digest"}, "ARTIFACT_OUTPUTS": {"uri", "digest", "isBuildArtifact"}}
HINTS = ("CHAINS-GIT_URL", "CHAINS-GIT_COMMIT", "IMAGE_URL", "IMAGE_DIGEST", *OBJECTS)


def hints_of(results: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {result["name"]: result for result in results if result["name"].endswith(HINTS)}


TASK_HINTS = {
    (task, name): result
    for task, found in TASKS.items()
    for name, result in hints_of(found["spec"].get("results") or []).items()
}


def test_source_data_model_and_image_are_told_each_by_the_task_that_made_or_read_it() -> None:
    assert set(TASK_HINTS) == {
        ("fetch-source", "CHAINS-GIT_COMMIT"),
        ("fetch-source", "CHAINS-GIT_URL"),
        ("validate-data", "training_ARTIFACT_INPUTS"),
        ("validate-data", "independent_ARTIFACT_INPUTS"),
        ("train", "model_ARTIFACT_OUTPUTS"),
        # Chains signs whatever claims an image (tektoncd/chains#1346): nobody but the builder may.
        ("build-image", "IMAGE_URL"),
        ("build-image", "IMAGE_DIGEST"),
    }


def test_an_artefact_is_an_object_with_the_keys_that_chains_reads() -> None:
    for (task, name), result in TASK_HINTS.items():
        for suffix, keys in OBJECTS.items():
            if name.endswith(suffix):
                assert result["type"] == "object", (task, name)
                assert set(result["properties"]) == keys, (task, name)


def test_every_result_that_the_pipeline_speaks_of_is_one_of_the_task_s() -> None:
    spec = PIPELINE["spec"]
    tasks = {task["name"]: task["taskRef"]["name"] for task in [*spec["tasks"], *spec["finally"]]}
    spoken = set(
        re.findall(r"\$\((?:tasks|finally)\.([\w-]+)\.results\.([\w-]+)", yaml.safe_dump(PIPELINE, width=10_000))
    )
    known = {
        (name, result["name"]) for name, task in tasks.items() for result in TASKS[task]["spec"].get("results") or []
    }
    assert spoken - known == set()
    assert len(spoken) > 30


def test_the_pipeline_repeats_every_hint_of_its_tasks() -> None:
    """Chains looks into the tasks of a run only where it is told to: `enable-deep-inspection`."""
    found = hints_of(PIPELINE["spec"]["results"])
    for (task, name), result in TASK_HINTS.items():
        whole = "[*]" if result.get("type") == "object" else ""
        assert found.pop(name)["value"] == f"$(tasks.{task}.results.{name}{whole})"
    assert not found
