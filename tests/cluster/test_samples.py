"""The samples beside iris on a real Tekton: a regression, and a table with groups whose independent data is fetched."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import enrolment, kubectl
from cluster.enrolment import Enrolled, enrol
from cluster.network import listens_inside
from cluster.places import NETWORK_NAMESPACE, NODE_ADDRESS, PIPELINES_NAMESPACE
from engines import tekton
from laptop.delivery import Sides
from services.s3 import SECRET_KEY, S3Server, s3_server

SAMPLES = Path(__file__).parents[2] / "samples"
SECONDS = 420
FILE = "independent.parquet"


def sides(sample: str, folder: Path) -> Sides:
    shutil.copytree(SAMPLES / sample, folder / sample, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    return Sides(**{part: folder / sample / part for part in ("repository", "validators", "config")})


def delivered(enrolled: Enrolled) -> list[tekton.Object]:
    name = f"{enrolled.name}-{secrets.token_hex(3)}"
    kubectl.apply(enrolment.pipeline_run(enrolled, name))
    return tekton.finished("PipelineRun", name, PIPELINES_NAMESPACE, seconds=SECONDS)


def results(objects: list[tekton.Object]) -> dict[str, str]:
    return {result["name"]: result["value"] for result in objects[0]["status"].get("results", [])}


def tasks(objects: list[tekton.Object]) -> set[str]:
    return {child["pipelineTaskName"] for child in objects[0]["status"]["childReferences"]}


def test_a_regression_is_delivered(base_image: str, tmp_path: Path) -> None:
    objects = delivered(enrol("diabetes", sides("diabetes", tmp_path), base_image))
    assert results(objects).get("outcome") == "passed", results(objects)
    assert results(objects)["image"].partition("@")[2].startswith("sha256:")
    assert "fetch-data" not in tasks(objects)


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Server]:
    """A store beside the cluster, where its pods reach it."""
    with s3_server(NODE_ADDRESS, ["ip", "netns", "exec", NETWORK_NAMESPACE], listens_inside) as found:
        yield found


@pytest.fixture
def census(bucket: S3Server, tmp_path: Path) -> Sides:
    """The validators' data is in the store, and their policy says so."""
    given = sides("census", tmp_path)
    bucket.put("validation", f"census/{FILE}", (given.validators / "data" / FILE).read_bytes())
    shutil.rmtree(given.validators / "data")
    bucket.credential(given.validators / "data-credential")
    rules = given.validators / "policy" / "policy.yaml"
    where = f"path: s3://validation/census/{FILE}\n    s3: {{endpoint: '{bucket.endpoint}'}}"
    rules.write_text(rules.read_text().replace(f"path: {FILE}", where))
    return given


def test_a_table_with_groups_is_delivered_on_data_that_one_task_fetched(census: Sides, base_image: str) -> None:
    objects = delivered(enrol("census", census, base_image))
    assert results(objects).get("outcome") == "passed", results(objects)
    assert "fetch-data" in tasks(objects)
    assert SECRET_KEY not in json.dumps(objects)
    assert not [name for name, text in tekton.logs(objects, PIPELINES_NAMESPACE).items() if SECRET_KEY in text]


def test_data_that_may_not_be_read_stops_the_run_with_the_reason(
    census: Sides, bucket: S3Server, base_image: str
) -> None:
    bucket.credential(census.validators / "data-credential", secret="wrong")  # noqa: S106
    objects = delivered(enrol("census-denied", census, base_image))
    assert results(objects).get("outcome") == "failed"
    assert results(objects)["stopped-by"].startswith("fetch-data")
    assert "predict-model" not in tasks(objects)
