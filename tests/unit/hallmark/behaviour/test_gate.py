"""The census sample, whose groups the model is not given, from the changed rows to the decision."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from hallmark.behaviour.gate import judge_behaviour
from hallmark.behaviour.probes import make_probes
from hallmark.documents.loading import parse
from hallmark.documents.model import load_model
from hallmark.documents.rules_behaviour import Behaviour, Declared
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.gate_report import decide

SAMPLE = Path(__file__).parents[4] / "samples/census"
SEED = "sha256:" + "3" * 64
RULES = """
slices: {maximumGap: 0.2}
fairness:
  - columns: [sex]
    positive: above
    expected: [female, male]
    maximumDemographicParityDifference: 0.1
    maximumEqualizedOddsDifference: 0.1
  - columns: [sex, age]
    edges: {age: [30, 45, 60]}
    maximumAccuracyDifference: 0.15
robustness:
  noise: {scale: 0.1, maximumDrop: 0.05}
  swap: {columns: [region], maximumChanged: 0.05}
  outOfRange: {}
invariance:
  - {name: where people live, columns: [region], minimumShare: 0.95}
  - {name: sex, columns: [sex]}
importance: {maximumShare: 0.8}
explanations: {examples: 2, rows: 600}
"""
OWN = "directional: [{name: longer hours, column: hours_per_week, shift: 5, class: above}]"


class Census:
    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("census_train", SAMPLE / "repository/train.py")
        assert spec is not None
        assert spec.loader is not None
        train = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(train)
        described = load_model(SAMPLE / "repository")
        self.columns = described.data.features
        self.model = train.train(
            pd.read_parquet(SAMPLE / "repository" / described.data.training), regularisation=1.0, seed=7
        )
        data = pl.read_parquet(SAMPLE / "validators/data/independent.parquet").with_row_index("row")
        self.features = data.select("row", *self.columns)
        self.labels = data.select("row", label="income")
        self.groups = data.select("row", "sex", "age")
        self.rules = parse(RULES, Behaviour, name="policy.yaml")
        self.own = parse(OWN, Declared, name="hallmark.yaml")
        made = make_probes(self.features, self.rules, seed=SEED, own=self.own, offered=[*self.columns, "sex"])
        assert made is not None
        self.key = made.key
        every = pl.concat([self.features, made.rows])
        probabilities = self.model.predict_proba(every.select(self.columns).to_pandas().to_numpy(dtype=object))
        names = self.model.classes_.astype(str)
        self.predictions = every.select("row").with_columns(
            pl.Series("prediction", names[probabilities.argmax(axis=1)]),
            *(pl.Series(f"probability:{name}", probabilities[:, place]) for place, name in enumerate(names)),
        )

    def judged(self, **changed: Any) -> Findings:
        given: dict[str, Any] = {
            "features": self.features, "labels": self.labels, "predictions": self.predictions, "rules": self.rules,
            "groups": self.groups, "key": self.key, "own": self.own, **changed,
        }  # fmt: skip
        return judge_behaviour(**given, task="classification", offered=[*self.columns, "sex"])


@pytest.fixture(scope="module")
def census() -> Census:
    return Census()


def refused(found: Findings) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


def test_the_sample_passes_and_shows_slices_and_groups(census: Census) -> None:
    found = census.judged()
    assert not refused(found)
    assert len(found.checks) == 16
    assert found.figures["slices"]["weakest"][0]["weak"]
    by_sex, by_sex_and_age = found.figures["fairness"]
    assert [group["name"] for group in by_sex["groups"]] == ["female", "male"]
    assert len(by_sex_and_age["groups"]) == 8
    report = decide("verify-model", list(found.checks), passed="", refused="", solution="", figures=found.figures)
    assert json.loads(report.to_json())["figures"]["declared"][0]["passed"]
    # What the report holds does not grow with the data.
    assert len(report.to_json()) < 60_000


def test_a_model_that_is_worse_for_women_is_refused(census: Census) -> None:
    women = census.groups.filter(sex="female")["row"]
    worse = census.predictions.with_columns(
        prediction=pl.when(pl.col("row").is_in(women.implode())).then(pl.lit("below")).otherwise(pl.col("prediction"))
    )
    names = refused(census.judged(predictions=worse))
    assert "demographic_parity_difference of above by sex" in names
    assert "equalized_odds_difference of above by sex" in names


def test_without_the_groups_nothing_of_them_is_judged(census: Census) -> None:
    with pytest.raises(BadInputError, match="column sex"):
        census.judged(groups=None)


def test_an_offered_column_that_the_model_is_not_given_is_looked_at_all_the_same(census: Census) -> None:
    """Its answers are worse for one region; the model's maker leaves the region out."""
    quiet = "{slices: {maximumGap: 0.2}, importance: {enabled: false}, determinism: {enabled: false}}"
    rules = parse(quiet, Behaviour, name="policy.yaml")
    region = census.features.select("row", "region").join(census.groups.select("row", "sex"), on="row")
    worst = region.filter(region="north")["row"]
    told = census.predictions.filter(pl.col("row").is_in(census.labels["row"].implode())).with_columns(
        prediction=pl.when(pl.col("row").is_in(worst.implode())).then(pl.lit("below")).otherwise(pl.col("prediction"))
    )
    given = {"rules": rules, "key": None, "own": None, "predictions": told, "features": census.features.drop("region")}
    assert refused(census.judged(groups=region, **given)) == ["accuracy in every slice, beside all rows"]
    with pytest.raises(BadInputError, match="column region, which was not handed over"):
        census.judged(groups=region.drop("region"), **given)


def test_groups_of_other_rows_are_bad_input(census: Census) -> None:
    with pytest.raises(BadInputError, match="not about the 8000 labelled rows"):
        census.judged(groups=census.groups[1:])
    with pytest.raises(BadInputError, match="not about the 8000 labelled rows"):
        census.judged(groups=census.groups.with_columns(row=pl.col("row") + 1))


def test_tests_without_their_rows_are_bad_input(census: Census) -> None:
    with pytest.raises(BadInputError, match="no such rows were made"):
        census.judged(key=None)
    with pytest.raises(BadInputError, match="do not fit together"):
        census.judged(own=None)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (lambda labels: labels.clear(), "no labels"),
        (lambda labels: pl.concat([labels, labels[:1]]), "a row twice"),
        (lambda labels: labels.with_columns(row=pl.lit(None, pl.Int64)), "do not number their rows"),
        (lambda labels: labels.with_columns(label=pl.lit(None, pl.String)), "a label is missing"),
        (lambda labels: labels.with_columns(row=pl.col("row") + 10**6), "leave out"),
    ],
)
def test_labels_that_do_not_fit_are_bad_input(census: Census, labels: Any, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        census.judged(labels=labels(census.labels))


def test_an_unanswered_row_is_bad_input(census: Census) -> None:
    silent = census.predictions.with_columns(
        prediction=pl.when(pl.col("row") == 0).then(None).otherwise(pl.col("prediction"))
    )
    with pytest.raises(BadInputError, match="a prediction is missing"):
        census.judged(predictions=silent)
