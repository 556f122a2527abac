from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression

from hallmark.behaviour.outcomes import Task, outcomes
from hallmark.behaviour.probe_judgement import judge_probes
from hallmark.behaviour.probes import make_probes
from hallmark.documents.rules_behaviour import Behaviour, Declared
from hallmark.errors import BadInputError
from hallmark.findings import Findings

SEED = "sha256:" + "7" * 64
COLUMNS = ["age", "income", "region", "member"]
QUIET: dict[str, Any] = {"determinism": {"enabled": False}, "importance": {"enabled": False}}
Model = Callable[[pl.DataFrame], pl.DataFrame]


def features(rows: int = 500) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "row": np.arange(rows),
            "age": generator.integers(18, 80, rows),
            "income": generator.normal(1000, 200, rows),
            "region": generator.choice(["north", "south", "west"], rows),
            "member": generator.random(rows) < 0.5,
        }
    )


def rich(frame: pl.DataFrame) -> pl.DataFrame:
    """Says `yes` above an income of 1000, with a probability."""
    probability = 1 / (1 + (-(frame["income"].fill_null(1000.0) - 1000) / 50).exp())
    return pl.DataFrame(
        {
            "row": frame["row"],
            "prediction": pl.select(pl.when(probability > 0.5).then(pl.lit("yes")).otherwise(pl.lit("no"))).to_series(),
            "probability:yes": probability,
            "probability:no": 1 - probability,
        }
    )


def bare(model: Model) -> Model:
    """The same without probabilities."""
    return lambda frame: model(frame).select("row", "prediction")


def costly(frame: pl.DataFrame) -> pl.DataFrame:
    """A regression."""
    return pl.DataFrame({"row": frame["row"], "prediction": frame["income"].fill_null(0.0) * 2 + frame["age"]})


def judged(
    model: Model = rich, *, task: Task = "classification", quiet: bool = True, own: Any = None, **rules: Any
) -> Findings:
    data, chosen = features(), Behaviour.model_validate({**(QUIET if quiet else {}), **rules}, by_name=True)
    declared = Declared.model_validate(own or {}, by_name=True)
    probes = make_probes(data, chosen, seed=SEED, own=declared)
    assert probes is not None
    predictions = model(pl.concat([data, probes.rows]))
    truth = (
        rich(data)["prediction"] if task == "classification" else costly(data)["prediction"] + 10 * (data["row"] % 3)
    )
    labels = pl.DataFrame({"row": data["row"], "label": truth})
    return judge_probes(
        probes.key, predictions, outcomes(labels, predictions, task), chosen, features=COLUMNS, own=declared
    )


def refused(found: Findings) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


def shaky(frame: pl.DataFrame) -> pl.DataFrame:
    """Answers by the place of a row in its batch."""
    place = pl.int_range(frame.height, eager=True)
    return rich(frame).with_columns(prediction=pl.Series(np.where(place % 2 == 0, "yes", "no")))


def test_a_sound_model_passes_by_default() -> None:
    found = judged(quiet=False)
    assert not refused(found)
    assert found.figures["determinism"] == {"rows": 200, "differ": 0}


def test_an_answer_that_depends_on_the_place_in_the_batch_is_refused() -> None:
    assert "the same row gets the same answer" in refused(judged(shaky, quiet=False))


def test_probabilities_that_differ_are_refused_where_the_answer_is_the_same() -> None:
    def drifting(frame: pl.DataFrame) -> pl.DataFrame:
        place = pl.int_range(frame.height, eager=True) * 1e-5
        return rich(frame).with_columns(pl.col("probability:yes") + place)

    assert refused(judged(drifting, determinism={"enabled": True})) == ["the same row gets the same answer"]


def test_numbers_that_differ_are_refused() -> None:
    def drifting(frame: pl.DataFrame) -> pl.DataFrame:
        return costly(frame).with_columns(pl.col("prediction") + pl.int_range(pl.len()) * 0.01)

    rules = {"determinism": {"enabled": True}}
    assert not refused(judged(costly, task="regression", **rules))
    assert refused(judged(drifting, task="regression", **rules)) == ["the same row gets the same answer"]


def test_noise_that_costs_accuracy_is_refused() -> None:
    noise = {"scale": 2.0, "maximum_drop": 0.1}
    found = judged(robustness={"noise": noise})
    assert refused(found) == ["robust to noise: accuracy lost"]
    figure = found.figures["robustness"][0]
    assert figure["before"] == 1.0
    assert figure["value"] == pytest.approx(figure["before"] - figure["after"])
    assert figure["low"] < figure["value"] < figure["high"]
    assert not refused(judged(robustness={"noise": {**noise, "maximum_drop": 0.6}}))
    between = {**noise, "maximum_drop": figure["value"]}
    assert not refused(judged(robustness={"noise": between}))
    assert refused(judged(robustness={"noise": {**between, "decide": "bound"}}))


def test_noise_that_changes_answers_is_refused() -> None:
    assert refused(judged(robustness={"noise": {"scale": 2.0, "maximum_changed": 0.1}})) == [
        "robust to noise: share of answers changed"
    ]
    assert not refused(judged(robustness={"noise": {"scale": 0.01, "maximum_changed": 0.1}}))


def by_region(frame: pl.DataFrame) -> pl.DataFrame:
    said = pl.when(pl.col("region") == "north").then(pl.lit("yes")).otherwise(pl.lit("no"))
    return frame.select("row", said.alias("prediction"))


def test_swapped_categories_that_change_answers_are_refused() -> None:
    swap = {"columns": ["region"], "maximum_changed": 0.1}
    assert refused(judged(by_region, robustness={"swap": swap})) == ["robust to swap: share of answers changed"]
    assert not refused(judged(rich, robustness={"swap": swap}))


def test_a_model_without_an_answer_to_a_missing_value_is_refused() -> None:
    def silent(frame: pl.DataFrame) -> pl.DataFrame:
        return rich(frame).with_columns(
            prediction=pl.Series(rich(frame)["prediction"]).zip_with(
                frame["income"].is_not_null(), pl.Series([None], dtype=pl.String)
            )
        )

    missing = {"missing": {"columns": ["income"]}}
    found = judged(silent, robustness=missing)
    assert refused(found) == ["robust to missing: an answer for each row"]
    assert found.figures["robustness"][0]["unanswered"] == 300
    assert not refused(judged(rich, robustness=missing))
    # Without an answer a row is wrong, too.
    limited = judged(silent, robustness={"missing": {"columns": ["income"], "maximum_drop": 0.5}})
    assert len(refused(limited)) == 2


@pytest.mark.parametrize("answer", [float("nan"), float("inf")])
def test_a_number_that_is_none_out_of_range_is_refused(answer: float) -> None:
    def overflowing(frame: pl.DataFrame) -> pl.DataFrame:
        far = (frame["income"] > 5000) | (frame["income"] < -2000)
        return costly(frame).with_columns(prediction=pl.when(far).then(answer).otherwise(pl.col("prediction")))

    rules = {"out_of_range": {"columns": ["income"], "factor": 5.0}}
    assert refused(judged(overflowing, task="regression", robustness=rules)) == [
        "robust to out-of-range: an answer for each row"
    ]
    assert not refused(judged(costly, task="regression", robustness=rules))
    limited = {"out_of_range": {**rules["out_of_range"], "maximum_error_ratio": 1e9}}
    found = judged(overflowing, task="regression", robustness=limited)
    assert len(refused(found)) == 2
    assert found.figures["robustness"][0]["value"] is None


def test_errors_of_numbers_that_grow_are_refused() -> None:
    noise = {"noise": {"scale": 1.0, "columns": ["income"], "maximum_error_ratio": 2.0}}
    found = judged(costly, task="regression", robustness=noise)
    assert refused(found) == ["robust to noise: mean absolute error, divided by that before"]
    figure = found.figures["robustness"][0]
    assert figure["value"] == pytest.approx(figure["after"] / figure["before"])
    assert figure["low"] < figure["value"] < figure["high"]


def test_an_answer_that_depends_on_what_it_must_not_is_refused() -> None:
    test = {"name": "not the region", "columns": ["region"]}
    found = judged(by_region, invariance=[test])
    assert refused(found) == ["invariance: not the region"]
    share = found.figures["declared"][0]["share"]
    assert not refused(judged(rich, invariance=[test]))
    assert not refused(judged(by_region, invariance=[{**test, "minimum_share": share}]))
    assert refused(judged(by_region, invariance=[{**test, "minimum_share": share, "decide": "bound"}]))


def test_a_number_that_depends_on_what_it_must_not_is_refused() -> None:
    assert refused(judged(costly, task="regression", invariance=[{"name": "a", "columns": ["age"]}]))
    assert not refused(judged(costly, task="regression", invariance=[{"name": "a", "columns": ["region"]}]))


def test_an_answer_that_moves_the_wrong_way_is_refused() -> None:
    test = {"name": "more income", "column": "income", "shift": 20.0, "class": "yes"}
    assert not refused(judged(rich, directional=[test]))
    assert refused(judged(rich, directional=[{**test, "never": "rises"}])) == ["directional: more income"]
    assert not refused(judged(rich, directional=[{**test, "class": "no", "never": "rises"}]))


def test_without_probabilities_the_answer_itself_is_looked_at() -> None:
    test = {"name": "more income", "column": "income", "shift": 20.0, "class": "yes"}
    assert not refused(judged(bare(rich), directional=[test]))
    found = judged(bare(rich), directional=[{**test, "never": "rises"}])
    assert refused(found)
    # Few answers change; nearly every probability does.
    assert found.figures["declared"][0]["share"] > 0.5


def test_probabilities_that_never_move_do_not_hide_an_answer_that_does() -> None:
    def calm(frame: pl.DataFrame) -> pl.DataFrame:
        half = pl.lit(0.5)
        return rich(frame).with_columns(half.alias("probability:yes"), half.alias("probability:no"))

    test = {"name": "more income", "column": "income", "shift": 20.0, "class": "yes"}
    assert not refused(judged(calm, directional=[test]))
    assert refused(judged(calm, directional=[{**test, "never": "rises"}])) == ["directional: more income"]


def test_a_number_that_moves_the_wrong_way_is_refused() -> None:
    test = {"name": "older", "column": "age", "shift": 5}
    assert not refused(judged(costly, task="regression", directional=[test]))
    assert refused(judged(costly, task="regression", directional=[{**test, "never": "rises"}]))


def test_the_makers_own_test_refuses_too_and_says_whose_it_is() -> None:
    found = judged(by_region, own={"invariance": [{"name": "a", "columns": ["region"]}]})
    assert refused(found) == ["hallmark.yaml invariance: a"]
    assert found.figures["declared"][0]["by"] == "hallmark.yaml"


def test_a_test_of_a_column_that_the_model_is_not_given_holds_and_says_why() -> None:
    rules = Behaviour.model_validate({**QUIET, "invariance": [{"name": "a", "columns": ["sex"]}],
                                      "determinism": {"enabled": True}}, by_name=True)  # fmt: skip
    data = features()
    probes = make_probes(data, rules, seed=SEED, offered=["sex"])
    assert probes is not None
    predictions = rich(pl.concat([data, probes.rows]))
    labels = rich(data).select("row", label="prediction")
    found = judge_probes(
        probes.key, predictions, outcomes(labels, predictions, "classification"), rules,
        features=COLUMNS, offered=["sex"],
    )  # fmt: skip
    assert [check.value for check in found.checks if check.name == "invariance: a"] == ["the model is not given sex"]


def test_a_feature_that_carries_the_model_is_told_and_refused_only_if_the_policy_says_so() -> None:
    found = judged(importance={"enabled": True})
    assert not refused(found)
    figure = found.figures["importances"]
    assert figure["warning"]
    assert figure["features"][0]["feature"] == "income"
    assert figure["features"][0]["share"] == 1.0
    assert found.checks[0].value.startswith("warning: income has 100 %")
    limited = judged(importance={"enabled": True, "maximum_share": 0.8})
    assert refused(limited) == ["no feature carries the model alone"]


def test_a_model_that_uses_several_features_is_not_warned_of() -> None:
    def mixed(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select("row", prediction=pl.col("age") / 18 + pl.col("income") / 200)

    found = judged(mixed, task="regression", importance={"enabled": True, "maximum_share": 0.8})
    figure = found.figures["importances"]
    assert figure["measure"] == "r2"
    assert not figure["warning"]


def test_a_model_that_uses_nothing_cannot_hold_a_limit_of_importance() -> None:
    def constant(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select("row", prediction=pl.lit("yes"))

    found = judged(constant, importance={"enabled": True})
    assert not refused(found)
    assert "no accuracy is lost" in found.checks[0].value
    assert refused(judged(constant, importance={"enabled": True, "maximum_share": 0.9}))


def test_importances_agree_with_scikit_learns() -> None:
    generator = np.random.default_rng(3)
    data = pl.DataFrame({"row": np.arange(2000), **{name: generator.normal(size=2000) for name in "abc"}})
    inputs = data.select("a", "b", "c").to_numpy()
    truth = inputs @ np.array([3.0, 1.0, 0.0]) + generator.normal(size=2000)
    model = LinearRegression().fit(inputs, truth)
    reference = permutation_importance(model, inputs, truth, n_repeats=20, random_state=0, scoring="r2")
    rules = Behaviour.model_validate({**QUIET, "importance": {"enabled": True, "rows": 6000}}, by_name=True)
    probes = make_probes(data, rules, seed="sha256:" + "0" * 64)
    assert probes is not None
    every = pl.concat([data, probes.rows])
    predictions = every.select("row", prediction=pl.Series(model.predict(every.select("a", "b", "c").to_numpy())))
    labels = pl.DataFrame({"row": data["row"], "label": truth})
    found = judge_probes(
        probes.key, predictions, outcomes(labels, predictions, "regression"), rules, features=["a", "b", "c"]
    )
    ours = {entry["feature"]: entry for entry in found.figures["importances"]["features"]}
    for name, wanted in zip("abc", reference.importances_mean, strict=True):
        assert ours[name]["low"] - 0.01 <= wanted <= ours[name]["high"] + 0.01


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"directional": [{"name": "a", "column": "age", "shift": 1}]}, "names no class"),
        ({"directional": [{"name": "a", "column": "age", "shift": 1, "class": "yess"}]}, "class yess"),
        ({"robustness": {"noise": {"maximum_error_ratio": 2.0}}}, "limits maximum_error_ratio"),
    ],
)
def test_what_has_no_meaning_for_classes_is_bad_input(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        judged(**rules)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"directional": [{"name": "a", "column": "age", "shift": 1, "class": "yes"}]}, "a regression has not"),
        ({"robustness": {"noise": {"maximum_drop": 0.2}}}, "limits maximum_drop"),
    ],
)
def test_what_has_no_meaning_for_numbers_is_bad_input(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        judged(costly, task="regression", **rules)


class TestRowsThatDoNotFitTogether:
    rules = Behaviour.model_validate(
        {"importance": {"enabled": False}, "robustness": {"noise": {"maximum_drop": 0.9}}}, by_name=True
    )

    def judge(self, change: Callable[[pl.DataFrame, pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]]) -> Findings:
        data = features()
        probes = make_probes(data, self.rules, seed=SEED)
        assert probes is not None
        key, predictions = change(probes.key, rich(pl.concat([data, probes.rows])))
        labels = rich(data).select("row", label="prediction")
        return judge_probes(
            key, predictions, outcomes(labels, predictions, "classification"), self.rules, features=COLUMNS
        )

    def test_unchanged_they_are_judged(self) -> None:
        assert not refused(self.judge(lambda key, predictions: (key, predictions)))

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda key, told: (key.filter(pl.col("test") != "noise"), told), "no rows for noise"),
            (lambda key, told: (key.with_columns(test=pl.lit("a")), told), "unknown test a"),
            (lambda key, told: (key.clear(), told), "no rows for"),
            (lambda key, told: (key.with_columns(base=pl.lit(10**6)), told), "base rows that are not there"),
            (lambda key, told: (key.with_columns(base=pl.lit(None)), told), "no complete column base"),
            (lambda key, told: (pl.concat([key, key[:1]]), told), "a row twice"),
            (lambda key, told: (key.with_columns(row=pl.col("row") - 100), told), "predictions for 500 rows"),
            (lambda key, told: (key, told[:-1]), "predictions for 500 rows"),
            (
                lambda key, told: (key, pl.concat([told[:-1], told[-1:].with_columns(row=pl.lit(9999, pl.Int64))])),
                "leave out 1",
            ),
            (lambda key, told: (key, told[1:]), "leave out 1"),
            (lambda key, told: (key, pl.concat([told, told[:1]])), "a row twice"),
        ],
    )
    def test_changed_they_are_bad_input(self, change: Any, said: str) -> None:
        with pytest.raises(BadInputError, match=said):
            self.judge(change)
