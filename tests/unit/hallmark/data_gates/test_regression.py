"""A model that gives numbers, from the split of the data to the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import skops.io  # type: ignore[import-untyped]
from sklearn.linear_model import LinearRegression, LogisticRegression  # type: ignore[import-untyped]

from hallmark.commands.test_image import Question
from hallmark.datasets import write_frame
from hallmark.documents.agreement import require_agreement
from hallmark.documents.loading import parse
from hallmark.documents.model import Model
from hallmark.documents.policy import load_policy
from hallmark.documents.rules_model import ModelRules
from hallmark.errors import BadInputError
from hallmark.verdict import Verdict, read_verdict

from .workshop import Run, Workshop

LABEL = "petal_width"
KNOWN = ["sepal_length", "sepal_width", "petal_length"]
SAMPLE = Path(__file__).parents[4] / "samples/diabetes"


class Numbers:
    """A delivery of a regression up to the judge."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        workshop.description |= {"task": "regression"}
        workshop.description["data"] |= {"label": LABEL, "features": KNOWN}
        workshop.rules["data"]["independent"] |= {"label": LABEL, "features": KNOWN}
        workshop.rules["data"]["maximumOverlap"] = 0.5
        workshop.rules["requiredGates"] = ["predict-model"]
        workshop.rules["model"] = {"metrics": {"r2": {"minimum": 0.8}, "rmse": {"maximum": 0.3}}}
        self.put(LinearRegression())

    def put(self, model: Any) -> None:
        frame = self.workshop.training
        label = frame[LABEL].to_numpy() if isinstance(model, LinearRegression) else frame["species"].to_numpy()
        skops.io.dump(model.fit(frame.select(KNOWN).to_numpy(), label), self.workshop.folder("model") / "model.skops")

    def judge(self, *, off: float = 0.0) -> Run:
        """The judge's answer, where the container's answers are `off` by this share."""
        prepared, predicted = (self.workshop.run(name) for name in ("prepare-evaluation", "predict-model"))
        assert (prepared.exit_code, predicted.exit_code) == (0, 0), predicted.told
        told = pl.read_parquet(self.workshop.folder("predictions") / "predictions.parquet")
        rows = pl.read_parquet(self.workshop.folder("labels") / "labels.parquet")["row"]
        answers = told.filter(pl.col("row").is_in(rows.implode())).with_columns(pl.col("prediction") * (1 + off))
        write_frame(answers, self.workshop.folder("responses") / "responses.parquet")
        return self.workshop.judge(prepared, predict_model=predicted)

    @property
    def verdict(self) -> Verdict:
        return read_verdict((self.workshop.folder("verdict") / "verdict.json").read_text())


@pytest.fixture
def regression(workshop: Workshop) -> Numbers:
    return Numbers(workshop)


def spread(regression: Numbers, width: float) -> None:
    """A model of several targets: the number, less and more `width` for its quantiles."""
    frame = regression.workshop.training
    label = frame[LABEL].to_numpy()
    targets = np.column_stack([label, label - width, label + width])
    model = LinearRegression().fit(frame.select(KNOWN).to_numpy(), targets)
    skops.io.dump(model, regression.workshop.folder("model") / "model.skops")
    regression.workshop.description["model"] = {"quantiles": [0.05, 0.95]}


def test_the_coverage_of_a_models_quantiles_is_judged(regression: Numbers) -> None:
    regression.workshop.rules["model"]["metrics"] = {
        "coverage": {"minimum": 0.8, "decide": "bound"}, "coverage_error": {"maximum": 0.1},
        "pinball_loss": {"maximum": 0.1},
    }  # fmt: skip
    regression.workshop.rules["model"]["performance"] = {"latency": {"mean": {"maximum": 10_000}}}
    spread(regression, 0.35)
    run = regression.judge()
    assert run.exit_code == 0, run.told
    told = pl.read_parquet(regression.workshop.folder("predictions") / "predictions.parquet")
    assert (told["quantile:0.05"] < told["prediction"]).all()
    assert (told["quantile:0.95"] > told["prediction"]).all()
    assert regression.verdict.metrics["coverage"].low < regression.verdict.metrics["coverage"].value


def test_a_limit_of_quantiles_needs_a_model_that_declares_some(regression: Numbers) -> None:
    regression.workshop.rules["model"]["metrics"] = {"coverage": {"minimum": 0.8}}
    run = regression.workshop.run("prepare-evaluation")
    assert run.exit_code == 2
    assert "limits coverage, which needs quantiles" in run.told


@pytest.mark.parametrize("levels", [[0.5], [0.9, 0.1], [0.1, 0.1], [0.1, 1.0]])
def test_levels_that_span_nothing_are_bad_input(regression: Numbers, levels: list[float]) -> None:
    regression.workshop.description["model"] = {"quantiles": levels}
    assert regression.workshop.run("prepare-evaluation").exit_code == 2


def test_a_good_regression_passes_with_all_its_metrics_in_the_verdict(regression: Numbers) -> None:
    run = regression.judge()
    assert run.exit_code == 0, run.told
    assert run.results["accuracy"] == ""
    metrics = regression.verdict.metrics
    assert 0.9 < metrics["r2"].low < metrics["r2"].value < metrics["r2"].high < 1
    assert (metrics["r2"].minimum, metrics["rmse"].maximum, metrics["mae"].maximum) == (0.8, 0.3, None)
    assert [figure["name"] for figure in run.report["figures"]["metrics"]] == ["r2", "rmse", "mae", "mape"]


def test_an_error_above_the_limit_is_refused_and_the_verdict_says_so(regression: Numbers) -> None:
    regression.workshop.rules["model"]["metrics"]["rmse"]["maximum"] = 0.01
    run = regression.judge()
    assert run.exit_code == 1
    assert run.refused == ["rmse"]
    assert not regression.verdict.passed


def test_answers_that_differ_in_the_last_digits_are_the_models_own(regression: Numbers) -> None:
    assert regression.judge(off=1e-9).exit_code == 0
    assert regression.judge(off=1e-4).refused == ["the container answers as the model"]


def test_a_classifier_is_refused_where_numbers_are_asked_for(regression: Numbers) -> None:
    assert regression.workshop.run("prepare-evaluation").exit_code == 0
    regression.put(LogisticRegression(max_iter=1000))
    run = regression.workshop.run("predict-model")
    assert run.refused == ["the model loads and predicts"]
    assert "is not a regressor" in run.told


def test_the_container_may_round_a_number_otherwise_but_not_a_class() -> None:
    assert Question(row=0, features=(), expected="0.3", tolerance=1e-6).answered_by("0.30000000000000004")
    assert not Question(row=0, features=(), expected="0.3", tolerance=1e-6).answered_by("0.31")
    assert not Question(row=0, features=(), expected="0.3").answered_by("0.30000000000000004")


def test_a_signed_verdict_must_hold_every_limit_of_the_policy(regression: Numbers) -> None:
    assert regression.judge().exit_code == 0

    def refused(verdict: Verdict) -> list[str]:
        return [check.name for check in regression.workshop.ask_again(verdict) if not check.passed]

    verdict = regression.verdict
    assert refused(verdict) == []
    metrics = verdict.metrics
    worse = {**metrics, "rmse": metrics["rmse"].model_copy(update={"value": 0.31, "maximum": 9.0})}
    assert refused(verdict.model_copy(update={"metrics": worse})) == ["verdict's rmse"]
    stricter = {**metrics, "rmse": metrics["rmse"].model_copy(update={"maximum": 0.001})}
    assert refused(verdict.model_copy(update={"metrics": stricter})) == ["verdict's rmse"]
    wide = {**metrics, "rmse": metrics["rmse"].model_copy(update={"decide": "bound", "high": 0.31})}
    assert refused(verdict.model_copy(update={"metrics": wide})) == ["verdict's rmse"]
    without = {name: metric for name, metric in metrics.items() if name != "r2"}
    assert refused(verdict.model_copy(update={"metrics": without})) == ["verdict's r2"]


def test_a_bound_and_a_precision_of_the_policy_are_asked_of_the_verdict_again(regression: Numbers) -> None:
    assert regression.judge().exit_code == 0
    verdict = regression.verdict
    rules = regression.workshop.rules["model"]["metrics"]
    rules["rmse"] |= {"maximum": verdict.metrics["rmse"].high - 1e-6, "decide": "bound"}
    rules["r2"] |= {"precision": 0.001}
    regression.workshop.save()
    checks = regression.workshop.ask_again(verdict)
    assert [check.name for check in checks if not check.passed] == ["verdict's rmse", "verdict's precision of r2"]
    assert regression.judge().refused == ["precision of r2", "rmse"]


def test_maker_and_validators_have_to_agree_on_the_task() -> None:
    policy = load_policy(SAMPLE / "validators/policy")
    text = (SAMPLE / "repository/hallmark.yaml").read_text()
    require_agreement(parse(text, Model, name="hallmark.yaml"), policy)
    other = parse(text.replace("task: regression", "task: classification"), Model, name="hallmark.yaml")
    with pytest.raises(BadInputError, match="limits for a regression"):
        require_agreement(other, policy)


@pytest.mark.parametrize("rules", ["metrics: {}", "metrics: {accuracy: {minimum: 0.9}, r2: {minimum: 0.5}}"])
def test_a_policy_limits_one_task(rules: str) -> None:
    with pytest.raises(BadInputError, match=r"policy.yaml:1:\d+: .*name "):
        parse(rules, ModelRules, name="policy.yaml")


def test_a_regression_has_no_accuracy_of_its_own() -> None:
    text = (SAMPLE / "repository/hallmark.yaml").read_text()
    with pytest.raises(BadInputError, match="minimumAccuracy is about classes"):
        parse(text.replace("format: skops", "minimumAccuracy: 0.9"), Model, name="hallmark.yaml")
