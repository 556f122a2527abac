from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, ttest_ind

from hallmark.behaviour.outcomes import Outcomes, outcomes
from hallmark.behaviour.slices import judge_slices
from hallmark.documents.rules_behaviour import Slices
from hallmark.errors import BadInputError
from hallmark.findings import Findings


def rules(**given: Any) -> Slices:
    return Slices.model_validate(given, by_name=True)


def answered(wrong: np.ndarray) -> Outcomes:
    rows = np.arange(len(wrong))
    labels = pl.DataFrame({"row": rows, "label": ["a"] * len(wrong)})
    return outcomes(labels, pl.DataFrame({"row": rows, "prediction": np.where(wrong, "b", "a")}), "classification")


def missed(errors: np.ndarray) -> Outcomes:
    rows = np.arange(len(errors))
    labels = pl.DataFrame({"row": rows, "label": np.zeros(len(errors))})
    return outcomes(labels, pl.DataFrame({"row": rows, "prediction": errors}), "regression")


def table(rows: int = 4000, seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "row": np.arange(rows),
            "age": generator.integers(18, 80, rows),
            "region": generator.choice(["north", "south", "west"], rows),
            "income": generator.normal(size=rows),
        }
    )


def planted(features: pl.DataFrame, *, usual: float = 0.1, weak: float = 0.5) -> np.ndarray:
    """Wrong answers, many among the young in the north."""
    young = ((features["age"] < 30) & (features["region"] == "north")).to_numpy()
    return np.random.default_rng(1).random(features.height) < np.where(young, weak, usual)


def found_in(findings: Findings) -> dict[str, Any]:
    figure: dict[str, Any] = findings.figures["slices"]
    return figure


def test_a_planted_weak_slice_is_found_named_and_refused() -> None:
    features = table()
    findings = judge_slices(features, answered(planted(features)), rules(minimum=0.8))
    (check,) = findings.checks
    assert not check.passed
    first = found_in(findings)["weakest"][0]
    assert first["name"].startswith("age = under 3")
    assert first["name"].endswith("and region = north")
    assert first["weak"]
    assert first["high"] < 0.8
    assert first["name"] in check.detail


def test_a_gap_to_all_rows_is_refused_and_a_wide_limit_passes() -> None:
    features = table()
    found = answered(planted(features))
    assert not judge_slices(features, found, rules(maximum_gap=0.1)).checks[0].passed
    assert judge_slices(features, found, rules(maximum_gap=0.6)).checks[0].passed


def test_each_limit_has_a_check_of_its_own() -> None:
    features = table()
    checks = judge_slices(features, answered(planted(features)), rules(minimum=0.1, maximum_gap=0.1)).checks
    assert [check.passed for check in checks] == [True, False]


def test_the_clearest_slice_is_named_and_a_cut_list_says_how_many_more() -> None:
    generator = np.random.default_rng(4)
    kinds = np.repeat(np.arange(14), 100)
    wrong = generator.random(1400) < np.where(kinds < 12, 0.6, 0.0)
    features = pl.DataFrame({"row": np.arange(1400), "kind": [f"kind {kind}" for kind in kinds]})
    findings = judge_slices(features, answered(wrong), rules(minimum=0.9, depth=1))
    (check,) = findings.checks
    assert check.value.startswith("12 of 14 slices beyond; clearest kind = kind ")
    assert check.detail.splitlines()[0] in check.value
    assert check.detail.endswith("\nand 2 more")
    figure = found_in(findings)
    assert figure["refused"] == 12
    assert all(entry["refused"] for entry in figure["weakest"][:10])
    (check,) = judge_slices(features, answered(wrong), rules(minimum=0.1, depth=1)).checks
    assert "; worst kind = " in check.value


@pytest.mark.parametrize("seed", range(20))
def test_noise_among_many_slices_is_not_called_weak(seed: int) -> None:
    features = table(1500, seed)
    wrong = np.random.default_rng(100 + seed).random(1500) < 0.1
    findings = judge_slices(features, answered(wrong), rules(maximum_gap=0.0))
    assert findings.checks[0].passed
    assert found_in(findings)["weak"] == 0
    # As measured, some slice is always below the whole.
    assert not judge_slices(features, answered(wrong), rules(maximum_gap=0.0, decide="estimate")).checks[0].passed


def test_the_bound_refuses_what_is_not_shown_to_be_good_enough() -> None:
    features = table(400)
    found = answered(np.random.default_rng(3).random(400) < 0.1)
    assert judge_slices(features, found, rules(minimum=0.6)).checks[0].passed
    assert not judge_slices(features, found, rules(minimum=0.6, decide="bound")).checks[0].passed
    assert judge_slices(features, found, rules(minimum=0.2, decide="bound")).checks[0].passed


def test_a_slice_is_judged_only_if_it_is_large_enough() -> None:
    wrong = np.array([True] * 20 + [False] * 480)
    features = pl.DataFrame({"row": np.arange(500), "kind": ["rare"] * 20 + ["usual"] * 480})
    assert judge_slices(features, answered(wrong), rules(minimum=0.5)).checks[0].passed
    assert not judge_slices(features, answered(wrong), rules(minimum=0.5, minimum_rows=20)).checks[0].passed
    assert (
        judge_slices(features, answered(wrong), rules(minimum=0.5, minimum_rows=20, minimum_share=0.05))
        .checks[0]
        .passed
    )


def test_numbers_are_judged_by_their_mean_absolute_error() -> None:
    features = table()
    errors = np.random.default_rng(2).normal(size=4000) * np.where(planted(features, usual=0, weak=1), 3, 1)
    findings = judge_slices(features, missed(errors), rules(maximum_ratio=1.5))
    assert not findings.checks[0].passed
    assert "region = north" in found_in(findings)["weakest"][0]["name"]
    assert not judge_slices(features, missed(errors), rules(maximum_error=1.5)).checks[0].passed
    assert judge_slices(features, missed(errors), rules(maximum_error=4.0, maximum_ratio=4.0)).checks[0].passed
    assert not judge_slices(features, missed(errors), rules(maximum_error=2.2, decide="bound")).checks[0].passed
    assert judge_slices(features, missed(errors), rules(maximum_error=9.0, decide="bound")).checks[0].passed


def test_missing_values_are_a_slice() -> None:
    features = pl.DataFrame({"row": np.arange(300), "age": [None] * 100 + [float(age) for age in range(200)]})
    findings = judge_slices(features, answered(np.arange(300) < 60), rules(minimum=0.7))
    assert not findings.checks[0].passed
    assert found_in(findings)["weakest"][0]["name"] == "age = (missing)"


def test_rare_values_and_identifiers_are_no_slices() -> None:
    features = pl.DataFrame({"row": np.arange(300), "name": [f"person {i}" for i in range(300)]})
    with pytest.raises(BadInputError, match="no slice of the 300 rows"):
        judge_slices(features, answered(np.zeros(300, bool)), rules(minimum=0.7))


def test_the_order_of_the_rows_does_not_matter() -> None:
    features = table()
    found = answered(planted(features))
    shuffled = features.sample(fraction=1.0, shuffle=True, seed=5)
    assert judge_slices(shuffled, found, rules(minimum=0.8)) == judge_slices(features, found, rules(minimum=0.8))


def test_pairs_are_bounded_and_the_bound_is_told() -> None:
    features = table()
    figure = found_in(judge_slices(features, answered(planted(features)), rules(minimum=0.8, maximum_pairs=1)))
    assert (figure["tested_pairs"], figure["all_pairs"]) == (1, 3)
    # The columns that differ most by themselves come first: the planted slice is still found.
    assert "and region = north" in figure["weakest"][0]["name"]


@pytest.mark.parametrize(
    ("given", "said"),
    [({"minimum": 0.5, "columns": ["regoin"]}, "column regoin"), ({"maximum_error": 1.0}, "limits maximum_error")],
)
def test_unknown_columns_and_limits_of_another_task_are_bad_input(given: dict[str, Any], said: str) -> None:
    features = table()
    with pytest.raises(BadInputError, match=said) as caught:
        judge_slices(features, answered(planted(features)), rules(**given))
    assert "region" in caught.value.solution or "maximum_gap" in caught.value.solution


def test_features_that_leave_out_rows_are_bad_input() -> None:
    features = table()
    with pytest.raises(BadInputError, match="leave out 1 of 4000"):
        judge_slices(features[1:], answered(planted(features)), rules(minimum=0.5))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=25, max_size=120))
def test_the_test_of_a_slice_is_fishers(rows: list[tuple[bool, bool]]) -> None:
    inside, wrong = (np.array(column) for column in zip(*rows, strict=True))
    if not 5 <= inside.sum() <= len(rows) - 1:
        return
    features = pl.DataFrame({"row": np.arange(len(rows)), "group": inside})
    figure = found_in(judge_slices(
        features, answered(wrong), rules(minimum=0.5, minimum_rows=5, minimum_share=0.0, depth=1, shown=9)
    ))  # fmt: skip
    cells = [[int((inside & ~wrong).sum()), int((inside & wrong).sum())],
             [int((~inside & ~wrong).sum()), int((~inside & wrong).sum())]]  # fmt: skip
    reference = fisher_exact(cells, alternative="less").pvalue
    for entry in figure["weakest"]:
        if entry["name"] == "group = True":
            assert entry["p"] == pytest.approx(min(1.0, reference * figure["looked"]), rel=1e-6)


def test_the_test_of_a_slice_of_numbers_is_welchs() -> None:
    generator = np.random.default_rng(4)
    inside = generator.random(400) < 0.3
    errors = generator.normal(size=400) * np.where(inside, 1.2, 1)
    features = pl.DataFrame({"row": np.arange(400), "group": inside})
    figure = found_in(judge_slices(features, missed(errors), rules(maximum_ratio=9.0, depth=1)))
    reference = ttest_ind(abs(errors[inside]), abs(errors[~inside]), equal_var=False, alternative="greater").pvalue
    (entry,) = figure["weakest"]
    assert entry["p"] == pytest.approx(2 * reference)
    assert entry["value"] == pytest.approx(abs(errors[inside]).mean())
