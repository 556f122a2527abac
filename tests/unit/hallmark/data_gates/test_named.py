"""A name that does not exist is told before anything is computed, with its place and what may have been meant."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hallmark import cli

from .workshop import Workshop

KEY = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
GROUPED = {"columns": ["regoin"], "maximumAccuracyDifference": 0.5}


def groups(rules: dict[str, Any]) -> None:
    rules["model"]["behaviour"] = {"fairness": [GROUPED]}


def slices(rules: dict[str, Any]) -> None:
    rules["model"]["behaviour"] = {"slices": {"columns": ["Petal_Width"], "minimum": 0.1}}


def positive(rules: dict[str, Any]) -> None:
    rules["model"]["positive"] = "setose"


def chosen(rules: dict[str, Any]) -> None:
    rules["model"]["behaviour"] = {
        "fairness": [{"columns": ["region"], "positive": "virginia", "maximumEqualOpportunityDifference": 0.5}]
    }


def personal(rules: dict[str, Any]) -> None:
    rules["data"]["quality"] = {"failingRows": {"personal": ["name"]}}


def offered(rules: dict[str, Any]) -> None:
    rules["data"]["independent"]["features"] = [*rules["data"]["independent"]["features"], "petal_widht"]


def noise(rules: dict[str, Any]) -> None:
    rules["model"]["behaviour"] = {"robustness": {"noise": {"columns": ["region"], "maximumDrop": 0.5}}}


MISTAKES = [
    (groups, "model.behaviour.fairness.0.columns names column regoin", "did you mean region?"),
    (slices, "model.behaviour.slices.columns names column Petal_Width", "did you mean petal_width?"),
    (positive, "model.positive names class setose", "did you mean setosa?"),
    (chosen, "model.behaviour.fairness.0.positive names class virginia", "did you mean virginica?"),
    (personal, "data.quality.failingRows.personal names column name", "has to name one of"),
    (offered, "data.independent.features names column petal_widht", "did you mean petal_width?"),
    (noise, "noise.columns names column region, which policy.yaml does not offer", "has to name one of"),
]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    made = Workshop(tmp_path)
    region = pl.Series("region", ["north", "south"]).new_from_index
    made.write_training(made.training.with_columns(region(0, made.training.height)))
    made.write_independent(made.independent.with_columns(region(0, made.independent.height)))
    return made


@pytest.mark.parametrize(("mistake", "what", "hint"), MISTAKES)
@pytest.mark.parametrize("command", ["validate-data", "prepare-evaluation"])
def test_a_name_that_is_not_there_is_bad_input_of_the_first_tasks(
    workshop: Workshop, command: str, mistake: Callable[[dict[str, Any]], None], what: str, hint: str
) -> None:
    mistake(workshop.rules)
    run = workshop.run(command)
    assert run.exit_code == 2
    assert what in run.told
    assert hint in run.told
    told = re.search(r"policy\.yaml:(\d+):\d+: ", run.told)
    name = re.search(r"(?:column|class) (\w+)", what)
    assert told is not None
    assert name is not None
    assert name[1] in (workshop.folder("policy") / "policy.yaml").read_text().splitlines()[int(told[1]) - 1]


@pytest.mark.parametrize(("mistake", "what", "hint"), MISTAKES)
def test_policy_check_looks_the_names_up_in_the_data(
    workshop: Workshop, mistake: Callable[[dict[str, Any]], None], what: str, hint: str
) -> None:
    mistake(workshop.rules)
    code, report = checked(workshop)
    assert code == 2
    assert what in report["summary"]
    assert hint in report["solution"]


def test_policy_check_says_whether_it_looked_at_data(workshop: Workshop) -> None:
    code, report = checked(workshop)
    assert (code, report["checks"][-1]["value"]) == (0, "all are in independent.csv")
    code, report = checked(workshop, data=False)
    assert (code, report["checks"][-1]["value"]) == (0, "not looked up in any data: give --data for that")


def test_policy_check_refuses_data_that_is_not_the_policys(workshop: Workshop) -> None:
    with (workshop.folder("data") / "independent.csv").open("a") as file:
        file.write("\n")
    code, report = checked(workshop)
    assert code == 2
    assert "independent" in report["summary"]


def test_all_unknown_names_of_both_documents_are_told_at_once(workshop: Workshop) -> None:
    groups(workshop.rules)
    workshop.rules["data"]["quality"] = {"duplicates": {"columns": ["specis"]}}
    workshop.description["behaviour"] = {"invariance": [{"name": "a", "columns": ["sepal"]}]}
    run = workshop.run("validate-data")
    assert run.exit_code == 2
    for name in ("regoin", "specis", "hallmark.yaml:"):
        assert name in run.told
    assert "behaviour.invariance.0.columns names column sepal, which is none of data.features" in run.told


def checked(workshop: Workshop, *, data: bool = True) -> tuple[int, dict[str, Any]]:
    workshop.save()
    (workshop.folder("policy") / "cosign.pub").write_text(KEY)
    reports = workshop.root / "policy-check"
    looked = [f"--data={workshop.folder('data')}"] if data else []
    code = cli.main(["policy", "check", f"--policy={workshop.folder('policy')}", f"--report={reports}", *looked])
    return code, dict(json.loads((reports / "policy-check.json").read_text()))
