import math
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn import metrics as sk  # type: ignore[import-untyped]

from hallmark.accuracy.bootstrap import estimates, measure, values
from hallmark.accuracy.numbers import Numbers

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 6))


@example([(1e-05, 0.0), (135.0, 0.0), (0.0, 0.0)], 120)
@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=40).filter(lambda rows: len({t for t, _ in rows}) > 2),
    st.integers(0, 10**6),
)
def test_every_metric_is_scikit_learns_on_the_same_resample(rows: list[tuple[float, float]], seed: int) -> None:
    truth, predicted = (np.array(side) for side in zip(*rows, strict=True))
    pick = np.random.default_rng(seed).integers(0, len(truth), len(truth))
    counts = np.stack([np.ones(len(truth)), np.bincount(pick, minlength=len(truth))])
    found = measure(Numbers(truth=truth, predicted=predicted))(counts)
    for index, chosen in enumerate((np.arange(len(truth)), pick)):
        pair = truth[chosen], predicted[chosen]
        if len(set(pair[0])) > 1:
            assert math.isclose(found["r2"][index], sk.r2_score(*pair), rel_tol=1e-9, abs_tol=1e-9)
        else:
            assert math.isnan(found["r2"][index])
        assert math.isclose(found["rmse"][index], sk.root_mean_squared_error(*pair), rel_tol=1e-9)
        assert math.isclose(found["mae"][index], sk.mean_absolute_error(*pair), rel_tol=1e-9)
        assert math.isclose(found["mape"][index], sk.mean_absolute_percentage_error(*pair), rel_tol=1e-9)


@given(rows=st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 4), min_size=1, max_size=30), seed=st.integers(0, 1000))
def test_quantiles_have_scikit_learns_pinball_loss_and_the_coverage_that_is_counted(
    rows: list[tuple[float, ...]], seed: int
) -> None:
    truth, low, middle, high = (np.array(side) for side in zip(*rows, strict=True))
    told = {0.1: np.minimum(low, high), 0.5: middle, 0.9: np.maximum(low, high)}
    pick = np.random.default_rng(seed).integers(0, len(truth), len(truth))
    counts = np.bincount(pick, minlength=len(truth))[None, :].astype(float)
    found = measure(Numbers(truth=truth, predicted=middle, quantiles=told), "coverage")(counts)
    losses = [sk.mean_pinball_loss(truth[pick], of[pick], alpha=level) for level, of in told.items()]
    assert found["pinball_loss"][0] == pytest.approx(np.mean(losses), rel=1e-9, abs=1e-12)
    inside = (told[0.1][pick] <= truth[pick]) & (truth[pick] <= told[0.9][pick])
    assert found["coverage"][0] == pytest.approx(inside.mean())
    off = max(abs((truth[pick] <= of[pick]).mean() - level) for level, of in told.items())
    assert found["coverage_error"][0] == pytest.approx(off)


@pytest.mark.parametrize("tiny", [1e-160, 5e-324])
def test_truths_that_hardly_differ_give_finite_scores(tiny: float) -> None:
    truth = np.array([0.0, tiny, tiny / 2, 0.0])
    for predicted in (np.zeros(4), np.ones(4)):
        for score in estimates(Numbers(truth=truth, predicted=predicted)).values():
            assert all(map(math.isfinite, (score.value, score.low, score.high)))
    assert values(Numbers(truth=truth, predicted=np.ones(4)))["r2"] < -1e100


@pytest.mark.parametrize("huge", [1e200, 1.7e308])
def test_predictions_that_no_square_holds_give_finite_scores_without_a_warning(huge: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = estimates(Numbers(truth=np.array([-huge, 0.0, 1.0]), predicted=np.array([huge, huge, 0.0])))
    assert set(found) == {"r2", "rmse", "mae", "mape"}
    assert all(math.isfinite(score.high) for score in found.values())


def test_two_truths_have_an_interval_though_some_draws_have_no_r2() -> None:
    found = estimates(Numbers(truth=np.array([1.0, 2.0]), predicted=np.array([1.0, 2.5])))["r2"]
    assert math.isfinite(found.low)
    assert found.left_out == pytest.approx(1000, rel=0.1)


def test_numbers_that_are_all_right_have_no_error() -> None:
    truth = np.array([1.0, 2.0, 3.0])
    assert values(Numbers(truth=truth, predicted=truth)) == {"r2": 1, "rmse": 0, "mae": 0, "mape": 0}
