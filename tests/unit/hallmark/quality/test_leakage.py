from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import r2_score, roc_auc_score  # type: ignore[import-untyped]

from hallmark.documents.rules_quality import Leakage
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.quality import predictive
from hallmark.quality.labels import Task
from hallmark.quality.leakage import leakage
from hallmark.quality.tables import Table

RANDOM = np.random.default_rng(3)
ROWS = 2000
NOISE = RANDOM.normal(size=ROWS)
CLASSES = np.where(NOISE + RANDOM.normal(size=ROWS) > 0, "yes", "no")
SIZES = 3 * NOISE + RANDOM.normal(size=ROWS)


def judged(features: dict[str, Any], label: Any = CLASSES, *, task: Task = "classification", **rules: Any) -> Findings:
    table = Table(name="training", rows=pl.LazyFrame({**features, "label": label}))
    return leakage(
        table, Leakage.model_validate(rules, by_name=True), features=list(features), label="label", task=task
    )


def refused(found: Findings) -> list[bool]:
    """Whether the two checks refuse: a copy of the label, a feature that predicts it alone."""
    return [not check.passed for check in found.checks]


def test_ordinary_features_pass() -> None:
    found = judged({"noise": NOISE, "other": RANDOM.normal(size=ROWS)})
    assert refused(found) == [False, False]
    assert [figure["feature"] for figure in found.figures["leakage"]] == ["noise", "other"]
    assert found.checks[1].value.startswith("highest AUC 0.8")


@pytest.mark.parametrize(
    "renamed", [np.where(CLASSES == "yes", 1, 0), CLASSES, CLASSES == "yes", np.where(CLASSES == "yes", "J", "N")]
)
def test_the_label_under_another_name_is_refused(renamed: Any) -> None:
    found = judged({"noise": NOISE, "outcome": renamed})
    assert refused(found) == [True, True]
    assert found.checks[0].value == "outcome"


def test_a_number_that_predicts_the_class_is_refused() -> None:
    leak = np.where(CLASSES == "yes", 5.0, 0.0) + RANDOM.normal(size=ROWS) / 3
    found = judged({"noise": NOISE, "leak": leak})
    assert refused(found) == [False, True]
    assert "leak: AUC 0.99" in found.checks[1].value or "leak: AUC 1" in found.checks[1].value


def test_a_number_that_predicts_from_both_ends_is_refused() -> None:
    """A straight line through it would show nothing."""
    leak = np.where(CLASSES == "yes", np.sign(RANDOM.normal(size=ROWS)) * 5, 0.0) + RANDOM.normal(size=ROWS) / 4
    assert refused(judged({"leak": leak})) == [False, True]


def test_a_missing_value_that_gives_the_class_away_is_refused() -> None:
    """Such as a date of discharge, which only those have who lived."""
    leak = pl.Series(np.where(CLASSES == "yes", np.nan, RANDOM.normal(size=ROWS)))
    assert refused(judged({"nan": leak}))[1]
    assert refused(judged({"null": leak.fill_nan(None)}))[1]


def test_a_text_that_gives_the_class_away_is_refused() -> None:
    wards = np.where(CLASSES == "yes", RANDOM.choice(["a", "b"], ROWS), RANDOM.choice(["c", "d", "e"], ROWS))
    assert refused(judged({"ward": wards})) == [False, True]


def test_an_id_is_no_leak_though_it_tells_every_row_apart() -> None:
    found = judged({"id": [f"row {row}" for row in RANDOM.permutation(ROWS)]})
    assert refused(found) == [False, False]
    assert found.figures["leakage"][0]["score"] == pytest.approx(0.5, abs=0.05)


def test_a_rare_class_is_told_as_well() -> None:
    """Accuracy would not notice: always saying `no` is right for 99 % of the rows."""
    rare = RANDOM.random(20_000) < 0.01
    leak = rare * 4.0 + RANDOM.normal(size=20_000) / 3
    assert refused(judged({"leak": leak}, np.where(rare, "yes", "no"), maximum_score=0.98))[1]


def test_of_three_classes_the_one_that_is_told_apart_best_is_named() -> None:
    classes = RANDOM.choice(["a", "b", "c"], ROWS)
    found = judged({"leak": np.where(classes == "b", 1.0, 0.0) + RANDOM.normal(size=ROWS) / 10}, classes)
    (figure,) = found.figures["leakage"]
    assert figure["strongest"] == "b"
    assert figure["strongest_score"] > 0.999
    assert 0.6 < figure["score"] < 0.9


def test_a_feature_on_the_list_may_predict_the_label() -> None:
    found = judged({"noise": NOISE, "outcome": CLASSES}, allow=["outcome"])
    assert refused(found) == [False, False]
    assert found.figures["leakage"][0]["allowed"] is True


def test_the_limit_is_the_policys() -> None:
    assert refused(judged({"noise": NOISE}, maximum_score=0.7)) == [False, True]


@pytest.mark.parametrize("copy", [SIZES, 2.54 * SIZES + 1, -SIZES])
def test_a_number_as_label_in_other_units_is_refused(copy: Any) -> None:
    assert refused(judged({"noise": NOISE, "inches": copy}, SIZES, task="regression"))[0]


def test_a_number_that_predicts_a_number_is_refused() -> None:
    close = judged({"close": SIZES + RANDOM.normal(size=ROWS) / 100}, SIZES, task="regression", maximum_score=0.98)
    assert refused(close) == [False, True]
    assert refused(judged({"noise": NOISE}, SIZES, task="regression")) == [False, False]


def test_a_constant_feature_says_nothing() -> None:
    assert judged({"same": np.ones(ROWS)}).figures["leakage"][0]["score"] == pytest.approx(0.5)


def test_infinite_values_and_times_have_a_place() -> None:
    values = pl.Series(np.where(CLASSES == "yes", np.inf, NOISE))
    assert refused(judged({"x": values}))[1]
    assert refused(judged({"x": pl.Series(np.arange(ROWS)).cast(pl.Date)})) == [False, False]


def test_large_data_is_sampled_and_the_leak_still_found() -> None:
    found = judged({"outcome": CLASSES}, maximum_rows=500)
    assert refused(found) == [True, True]


def test_rows_without_a_label_are_left_out() -> None:
    labels = pl.Series(CLASSES).set(pl.Series(np.arange(ROWS) < 100), None)
    assert refused(judged({"outcome": CLASSES}, labels)) == [True, True]


@pytest.mark.parametrize(
    ("features", "label", "task", "said"),
    [
        ({"x": []}, [], "classification", "no rows"),
        ({"x": [1, 2]}, ["a", "a"], "classification", "fewer than two values"),
        ({"x": [1, 2]}, ["a", "b"], "classification", "too few rows"),
        ({"x": list(range(200))}, list(range(200)), "classification", "200 different values"),
        ({"x": list(range(9))}, list("aabbccddd"), "regression", "needs numbers"),
        ({"x": [1.0, 2.0, 3.0]}, [1.0, 2.0, float("inf")], "regression", "infinite"),
        ({"x": [[1]] * 9}, list("aabbccddd"), "classification", "of type List"),
    ],
)
def test_data_of_which_nothing_can_be_said_is_bad_input(
    features: dict[str, Any], label: list[Any], task: Task, said: str
) -> None:
    with pytest.raises(BadInputError, match=said):
        judged(features, label, task=task)


def test_an_unknown_name_on_the_list_is_bad_input() -> None:
    with pytest.raises(BadInputError, match=r"leakage\.allow names column outcom,") as caught:
        judged({"outcome": CLASSES}, allow=["outcom"])
    assert "did you mean outcome?" in caught.value.solution


def test_the_area_is_scikit_learns_for_the_same_scores() -> None:
    """Learned and asked on one half each, both ways, and averaged."""
    bins = RANDOM.integers(0, 12, 600)
    classes = (bins + RANDOM.normal(size=600) * 4 > 6).astype(np.int64)
    second = predictive.halves(600)
    areas = []
    for learned, asked in ((~second, second), (second, ~second)):
        share = classes[learned].mean()
        scores = [
            (classes[learned & (bins == one)].sum() + share) / ((learned & (bins == one)).sum() + 1)
            for one in range(12)
        ]
        areas.append(roc_auc_score(classes[asked], np.array(scores)[bins[asked]]))
    found = predictive.auc_of_bins(bins, classes, second)
    assert found is not None
    assert found.value == pytest.approx(np.mean(areas), abs=1e-12)


def test_explained_variance_is_close_to_scikit_learns() -> None:
    """Not equal: the mean that is not to be beaten is that of the other half."""
    bins = RANDOM.integers(0, 12, 4000)
    label = bins + RANDOM.normal(size=4000)
    found = predictive.r_squared_of_bins(bins, label, predictive.halves(4000))
    means = np.array([label[bins == one].mean() for one in range(12)])
    assert found is not None
    assert found.value == pytest.approx(r2_score(label, means[bins]), abs=0.01)


def test_numbers_with_few_values_keep_a_bin_each_and_missing_ones_their_own() -> None:
    bins = predictive.number_bins(np.array([3.0, 1.0, 3.0, np.nan, 2.0] * 20))
    assert len(np.unique(bins)) == 4
    assert bins[3] not in bins[[0, 1, 4]]
