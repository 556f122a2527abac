"""validate-data's parts about leakage, groups and drift, as the policy asks for them: wired, and able to refuse."""

from __future__ import annotations

import polars as pl
import pytest

from hallmark.command import Context
from hallmark.commands.profile import Params as ProfileParams
from hallmark.commands.profile import run as profile

from .workshop import Workshop


def test_drift_between_training_and_independent_data_refuses(workshop: Workshop) -> None:
    workshop.rules["data"]["drift"] = {"reference": "training"}
    assert workshop.run("validate-data").exit_code == 0
    workshop.write_independent(workshop.independent.with_columns(pl.col("petal_width") + 3))
    run = workshop.run("validate-data")
    assert run.exit_code == 1
    assert "drift: petal_width" in run.refused
    drawn = {figure["column"]: figure["drifted"] for figure in run.report["figures"]["drift"]}
    assert drawn["petal_width"] is True
    assert drawn["sepal_width"] is False


def test_a_profile_beside_the_policy_takes_the_training_data_s_place(workshop: Workshop) -> None:
    files = {"suite": workshop.root / "suite.json", "profile": workshop.folder("policy") / "reference.json"}
    params = ProfileParams(data=str(workshop.folder("source") / "data" / "training.csv"), label="species", **files)
    profile(params, Context(report_dir=workshop.root, say=print))
    workshop.rules["data"]["drift"] = {"reference": "reference.json"}
    assert workshop.run("validate-data").exit_code == 0
    workshop.write_independent(workshop.independent.with_columns(pl.col("petal_width") + 3))
    assert "drift: petal_width" in workshop.run("validate-data").refused


def test_a_profile_that_is_not_there_is_bad_input(workshop: Workshop) -> None:
    workshop.rules["data"]["drift"] = {"reference": "nowhere.json"}
    run = workshop.run("validate-data")
    assert run.exit_code == 2
    assert "nowhere.json" in run.told


def test_a_feature_that_gives_the_label_away_refuses_by_default(workshop: Workshop) -> None:
    for write, frame in (
        (workshop.write_training, workshop.training),
        (workshop.write_independent, workshop.independent),
    ):
        write(frame.with_columns(sepal_width=pl.col("species").rank("dense").cast(pl.Float64)))
    run = workshop.run("validate-data")
    assert run.exit_code == 1
    assert any("label" in name for name in run.refused), run.refused


def test_a_group_that_is_missing_refuses(workshop: Workshop) -> None:
    grown = [frame.with_columns(region=pl.lit("north")) for frame in (workshop.training, workshop.independent)]
    workshop.write_training(grown[0])
    workshop.write_independent(grown[1])
    workshop.rules["data"]["quality"] = {"groups": [{"columns": ["region"], "expected": ["north", "south"]}]}
    run = workshop.run("validate-data")
    assert run.exit_code == 1
    assert "training data: expected groups by region" in run.refused


def test_a_column_that_does_not_exist_is_bad_input_and_no_pass(workshop: Workshop) -> None:
    workshop.rules["data"]["quality"] = {"groups": [{"columns": ["regoin"]}]}
    run = workshop.run("validate-data")
    assert run.exit_code == 2
    assert "regoin" in run.told


@pytest.mark.parametrize(("engine", "by"), [("auto", "polars"), ("gx", "gx")])
def test_the_policy_chooses_who_evaluates_a_suite(workshop: Workshop, engine: str, by: str) -> None:
    workshop.rules["data"]["engine"] = engine
    workshop.suite({"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "species"}})
    run = workshop.run("validate-data")
    assert run.exit_code == 0
    assert [figure["engine"] for figure in run.report["figures"]["expectations"]] == [by]
