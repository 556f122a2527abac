from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hallmark.behaviour.fairness import judge_fairness
from hallmark.behaviour.outcomes import Task, outcomes
from hallmark.documents.rules_behaviour import Fairness
from hallmark.errors import BadInputError
from hallmark.findings import Findings

LIMITS = {
    "maximum_demographic_parity_difference": 1.0,
    "minimum_demographic_parity_ratio": 0.0,
    "maximum_equalized_odds_difference": 1.0,
    "minimum_equalized_odds_ratio": 0.0,
    "maximum_equal_opportunity_difference": 1.0,
    "maximum_accuracy_difference": 1.0,
}
# Women: 100 rows, of 50 who should be granted 30 are, and 10 of the others. Men: 200, 90 of 100, and 20.
CELLS = [("f", 30, 20, 10, 40), ("m", 90, 10, 20, 80)]


def people(cells: list[tuple[str, int, int, int, int]] = CELLS) -> pl.DataFrame:
    rows = [
        (sex, truth, told)
        for sex, *counts in cells
        for (truth, told), count in zip([("y", "y"), ("y", "n"), ("n", "y"), ("n", "n")], counts, strict=True)
        for _ in range(count)
    ]
    return pl.DataFrame(rows, schema=["sex", "label", "prediction"], orient="row").with_row_index("row")


def judged(data: pl.DataFrame | None = None, task: Task = "classification", **rules: Any) -> Findings:
    data = people() if data is None else data
    chosen: dict[str, Any] = {"columns": ["sex"], **({"positive": "y"} if task == "classification" else {}), **rules}
    return judge_fairness(
        data.drop("label", "prediction"),
        outcomes(data.select("row", "label"), data.select("row", "prediction"), task),
        Fairness.model_validate(chosen, by_name=True),
        where="model.behaviour.fairness.0",
    )


def values(found: Findings) -> dict[str, float]:
    return {metric["name"]: metric["value"] for metric in found.figures["fairness"][0]["metrics"]}


def test_the_rate_that_differs_most_names_the_groups_and_their_positives() -> None:
    figure = judged(**LIMITS).figures["fairness"][0]
    rates = {metric["name"]: metric["rate"] for metric in figure["metrics"]}
    assert rates["equalized_odds_difference"] == "true_positive_rate"
    assert rates["accuracy_difference"] == "accuracy"
    assert [group["positives"] for group in figure["groups"]] == [50, 100]


def refused(found: Findings) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


def test_the_metrics_are_what_their_definitions_give() -> None:
    found = values(judged(**LIMITS))
    assert found["demographic_parity_difference"] == pytest.approx(0.55 - 0.4)
    assert found["demographic_parity_ratio"] == pytest.approx(0.4 / 0.55)
    assert found["equalized_odds_difference"] == pytest.approx(0.9 - 0.6)
    assert found["equalized_odds_ratio"] == pytest.approx(0.6 / 0.9)
    assert found["equal_opportunity_difference"] == pytest.approx(0.3)
    assert found["accuracy_difference"] == pytest.approx(0.85 - 0.7)


@pytest.mark.parametrize(
    ("limit", "good"),
    [
        ({"maximum_demographic_parity_difference": 0.1}, {"maximum_demographic_parity_difference": 0.15}),
        ({"minimum_demographic_parity_ratio": 0.8}, {"minimum_demographic_parity_ratio": 0.7}),
        ({"maximum_equalized_odds_difference": 0.2}, {"maximum_equalized_odds_difference": 0.3}),
        ({"minimum_equalized_odds_ratio": 0.8}, {"minimum_equalized_odds_ratio": 0.6}),
        ({"maximum_equal_opportunity_difference": 0.2}, {"maximum_equal_opportunity_difference": 0.4}),
        ({"maximum_accuracy_difference": 0.1}, {"maximum_accuracy_difference": 0.2}),
    ],
)
def test_every_limit_refuses(limit: dict[str, float], good: dict[str, float]) -> None:
    assert len(refused(judged(**limit))) == 1
    assert not refused(judged(**good))
    # The interval reaches beyond what was measured.
    assert refused(judged(**good, decide="bound"))


def test_numbers_are_compared_by_their_errors() -> None:
    generator = np.random.default_rng(0)
    data = pl.DataFrame(
        {
            "row": np.arange(400),
            "sex": ["f", "m"] * 200,
            "label": np.zeros(400),
            "prediction": generator.normal(size=400) + np.tile([0.5, 0.0], 200),
        }
    )
    women = data.filter(sex="f")["prediction"]
    men = data.filter(sex="m")["prediction"]
    found = judged(data, "regression", maximum_mean_error_difference=0.2, maximum_mae_difference=1.0)
    assert refused(found) == ["mean_error_difference by sex"]
    assert values(found)["mean_error_difference"] == pytest.approx(women.mean() - men.mean())
    assert values(found)["mae_difference"] == pytest.approx(abs(women.abs().mean() - men.abs().mean()))
    metric = found.figures["fairness"][0]["metrics"][0]
    standard_error = np.sqrt(women.var() / 200 + men.var() / 200)
    assert metric["high"] - metric["low"] == pytest.approx(2 * 1.96 * standard_error, rel=0.1)
    assert refused(judged(data, "regression", maximum_mae_difference=0.0)) == ["mae_difference by sex"]


def test_a_small_group_refuses_or_is_told() -> None:
    data = people([*CELLS, ("x", 1, 1, 1, 1)])
    found = judged(data, maximum_accuracy_difference=1.0)
    assert refused(found) == ["groups compared by sex"]
    assert "x: 4 rows, fewer than 30" in found.checks[0].value
    left_out = judged(data, maximum_accuracy_difference=1.0, small="leave-out")
    assert not refused(left_out)
    assert "x: 4 rows, fewer than 30 (left out)" in left_out.checks[0].value
    assert left_out.figures["fairness"][0]["left_out"] == {"x": "4 rows, fewer than 30"}


def test_a_group_without_rows_of_the_class_has_no_true_positive_rate() -> None:
    data = people([*CELLS, ("x", 0, 0, 20, 80)])
    found = judged(data, maximum_equalized_odds_difference=1.0)
    assert refused(found) == ["groups compared by sex"]
    assert "x: 0 rows of class y, fewer than 5" in found.checks[0].value
    assert found.figures["fairness"][0]["groups"][2]["rates"]["true_positive_rate"] is None
    # Its rate of positive answers can be compared.
    assert not refused(judged(data, maximum_demographic_parity_difference=0.5))


def test_a_group_of_the_class_only_has_no_false_positive_rate() -> None:
    data = people([*CELLS, ("x", 90, 10, 0, 0)])
    found = judged(data, maximum_equalized_odds_difference=1.0)
    assert "x: 0 rows of another class than y" in found.checks[0].value
    assert not refused(judged(data, maximum_equal_opportunity_difference=0.5))


def test_an_expected_group_that_does_not_occur_refuses() -> None:
    found = judged(maximum_accuracy_difference=1.0, expected=["f", "m", "x"])
    assert refused(found) == ["groups compared by sex"]
    assert "missing: x" in found.checks[0].value


def test_one_group_cannot_be_compared() -> None:
    with pytest.raises(BadInputError, match="1 of 1 have enough rows"):
        judged(people(CELLS[:1]), maximum_accuracy_difference=1.0)


def test_a_ratio_of_nothing_is_bad_input_and_no_pass() -> None:
    with pytest.raises(BadInputError, match="no group ever gets the answer y"):
        judged(people([("f", 0, 50, 0, 50), ("m", 0, 50, 0, 50)]), minimum_demographic_parity_ratio=0.8)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"columns": ["sexe"], "maximum_accuracy_difference": 0.1}, "column sexe"),
        ({"positive": "yes", "maximum_demographic_parity_difference": 0.1}, "class yes"),
        ({"maximum_mae_difference": 0.1}, "limits mae_difference"),
    ],
)
def test_what_is_unknown_is_bad_input(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        judged(**rules)


def test_groups_may_be_intersections_and_ranges() -> None:
    data = people().with_columns(age=pl.Series(np.arange(300) % 60 + 20.0).set(pl.Series(np.arange(300) == 7), None))
    found = judged(
        data, columns=["sex", "age"], edges={"age": [40]}, maximum_accuracy_difference=1.0, small="leave-out"
    )
    assert [group["name"] for group in found.figures["fairness"][0]["groups"]] == [
        "f / (missing)", "f / 40 and over", "f / under 40", "m / 40 and over", "m / under 40",
    ]  # fmt: skip
    assert list(found.figures["fairness"][0]["left_out"]) == ["f / (missing)"]


def test_rows_without_a_group_are_bad_input() -> None:
    data = people()
    found = outcomes(data.select("row", "label"), data.select("row", "prediction"), "classification")
    rules = Fairness.model_validate({"columns": ["sex"], "maximum_accuracy_difference": 0.1}, by_name=True)
    with pytest.raises(BadInputError, match="leave out 1 of 300"):
        judge_fairness(data[1:], found, rules, where="here")


def test_with_three_classes_a_wrong_negative_is_wrong() -> None:
    data = pl.DataFrame({
        "row": np.arange(120), "sex": ["f", "m"] * 60, "label": ["a", "a", "b", "b", "c", "c"] * 20,
        "prediction": ["a", "a", "b", "b", "b", "c"] * 20,
    })  # fmt: skip
    found = judged(data, positive="a", maximum_accuracy_difference=0.3)
    assert refused(found)
    assert values(found)["accuracy_difference"] == pytest.approx(1 / 3)


def test_accuracy_needs_no_class() -> None:
    found = judged(positive=None, maximum_accuracy_difference=0.1)
    assert refused(found) == ["accuracy_difference by sex"]
    assert list(found.figures["fairness"][0]["groups"][0]["rates"]) == ["accuracy"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(1, 40)] * 4), min_size=2, max_size=5))
def test_the_metrics_equal_plain_numpy(cells: list[tuple[int, int, int, int]]) -> None:
    data = people([(f"g{place}", *counts) for place, counts in enumerate(cells)])
    found = values(judged(data, **LIMITS, minimum_rows=1, minimum_cases=1))
    sex, truth, told = (data[name].to_numpy() for name in ("sex", "label", "prediction"))
    rates = np.array([
        [
            (told[sex == name] == "y").mean(),
            (told[(sex == name) & (truth == "y")] == "y").mean(),
            (told[(sex == name) & (truth == "n")] == "y").mean(),
            (told[sex == name] == truth[sex == name]).mean(),
        ]
        for name in np.unique(sex)
    ])  # fmt: skip
    spread, ratio = np.ptp(rates, axis=0), rates.min(axis=0) / rates.max(axis=0)
    assert found == pytest.approx(
        {
            "demographic_parity_difference": spread[0],
            "demographic_parity_ratio": ratio[0],
            "equalized_odds_difference": max(spread[1:3]),
            "equalized_odds_ratio": min(ratio[1:3]),
            "equal_opportunity_difference": spread[1],
            "accuracy_difference": spread[3],
        }
    )


def test_the_interval_is_the_bootstrap_of_rows_within_groups() -> None:
    metric = judged(maximum_demographic_parity_difference=1.0).figures["fairness"][0]["metrics"][0]
    generator = np.random.default_rng(1)
    women, men = np.repeat([1, 0], [40, 60]), np.repeat([1, 0], [110, 90])
    drawn = [abs(generator.choice(women, 100).mean() - generator.choice(men, 200).mean()) for _ in range(4000)]
    assert (metric["low"], metric["high"]) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))), abs=0.01)
