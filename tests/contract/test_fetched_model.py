"""A model that is fetched: what the Task test-image tells the container is what the step offers, and is admitted."""

from __future__ import annotations

from pathlib import Path

import yaml

from hallmark import model_offer
from hallmark.serving.settings import Settings, filled

ROOT = Path(__file__).parents[2]


def test_the_container_is_told_where_the_step_offers_its_model() -> None:
    task = yaml.safe_load((ROOT / "tasks" / "test-image" / "test-image.yaml").read_text())
    (sidecar,) = task["spec"]["sidecars"]
    settings = Settings.read({entry["name"]: entry["value"] for entry in sidecar["env"]})
    address = filled(settings.url or "", {"digest": "sha256:0"})
    assert address == f"http://{model_offer.ADDRESS}:{model_offer.PORT}/sha256:0"
    settings.require_allowed(address)


def test_every_variable_that_a_task_sets_is_admitted() -> None:
    (settings,) = yaml.safe_load_all((ROOT / "install" / "base" / "admission" / "settings.yaml").read_text())
    admitted = settings["data"]["environment"].split()
    for file in (ROOT / "tasks").glob("*/*.yaml"):
        spec = yaml.safe_load(file.read_text())["spec"]
        for container in [*spec["steps"], *spec.get("sidecars", [])]:
            told = [entry["name"] for entry in container.get("env", [])]
            assert not set(told) - set(admitted), (file.name, container["name"])
