import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error  # type: ignore[import-untyped]

from hallmark.documents.loading import parse
from hallmark.documents.policy import Regression
from hallmark.errors import BadInputError
from hallmark.regression import numbers, same_number, scores
from hallmark.scoring import judge_numbers

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 6))


@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=40).filter(lambda rows: len({t for t, _ in rows}) > 2)
)
def test_the_scores_are_scikit_learns(rows: list[tuple[float, float]]) -> None:
    truth, predicted = (np.array(side) for side in zip(*rows, strict=True))
    found = scores(truth, predicted)
    assert math.isclose(found["r2"].value, r2_score(truth, predicted), rel_tol=1e-9, abs_tol=1e-9)
    assert math.isclose(found["rmse"].value, root_mean_squared_error(truth, predicted), rel_tol=1e-9)
    assert math.isclose(found["mae"].value, mean_absolute_error(truth, predicted), rel_tol=1e-9)


@pytest.mark.parametrize("tiny", [1e-160, 5e-324])
def test_truths_that_hardly_differ_give_finite_scores(tiny: float) -> None:
    truth = np.array([0.0, tiny, tiny / 2, 0.0])
    for predicted in (np.zeros(4), np.ones(4)):
        for score in scores(truth, predicted).values():
            assert all(map(math.isfinite, (score.value, score.low, score.high)))
    assert scores(truth, np.ones(4))["r2"].value < -1e100


def test_an_interval_holds_the_value_and_is_the_same_each_time() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=300)
    predicted = truth + random.normal(size=300)
    found = scores(truth, predicted)
    assert found == scores(truth, predicted)
    for score in found.values():
        assert score.low < score.value < score.high
    # For normal errors the standard error of the RMSE is s / sqrt(2 n).
    assert found["rmse"].high - found["rmse"].low == pytest.approx(2 * 1.96 / math.sqrt(600), rel=0.2)


def test_two_truths_have_an_interval_though_some_draws_have_no_r2() -> None:
    assert math.isfinite(scores(np.array([1.0, 2.0]), np.array([1.0, 2.5]))["r2"].low)


@pytest.mark.parametrize("text", ["nan", "inf", "setosa", "true"])
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|float"):
        numbers(["1", text])


def test_numbers_are_the_same_up_to_the_tolerance_only() -> None:
    assert same_number("100", "100.00001", 1e-6)
    assert not same_number("100", "100.0002", 1e-6)
    assert same_number("0", "0.0", 0)
    assert not same_number("setosa", "setosa", 1)


def judged(rules: str, predicted: tuple[str, ...] = ("1", "2", "3.5", "4")) -> list[bool]:
    found = judge_numbers(("1", "2", "3", "4"), predicted, parse(rules, Regression, name="policy.yaml"))
    assert set(found.metrics) == {"r2", "rmse", "mae"}
    return [check.passed for check in found.checks]


@pytest.mark.parametrize(
    ("limit", "passes"),
    [
        ("r2: {minimum: 0.95}", True),
        ("r2: {minimum: 0.951}", False),
        ("rmse: {maximum: 0.25}", True),
        ("rmse: {maximum: 0.249}", False),
        ("mae: {maximum: 0.125}", True),
        ("mae: {maximum: 0.124}", False),
    ],
)
def test_each_limit_can_say_no(limit: str, passes: bool) -> None:
    assert judged(limit) == [passes]


def test_every_limit_has_to_hold() -> None:
    assert judged("{r2: {minimum: 0.9}, mae: {maximum: 0.1}}") == [True, False]


def test_labels_that_do_not_vary_are_bad_input() -> None:
    with pytest.raises(BadInputError, match="all the same number"):
        judge_numbers(("1", "1.0"), ("1", "2"), parse("r2: {minimum: 0}", Regression, name="policy.yaml"))


def test_classes_are_bad_input() -> None:
    with pytest.raises(BadInputError, match="no finite number"):
        judge_numbers(("setosa", "1"), ("1", "2"), parse("r2: {minimum: 0}", Regression, name="policy.yaml"))


def test_no_limit_at_all_is_bad_input() -> None:
    with pytest.raises(BadInputError, match="at least one of r2, rmse and mae"):
        parse("{}", Regression, name="policy.yaml")
