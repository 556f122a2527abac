from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, bootstrap, hypergeom, t, ttest_1samp

from hallmark.behaviour.intervals import (
    binomial_tail,
    hypergeometric_tail,
    mean_interval,
    ratio_interval,
    student_quantile,
    welch,
    wilson,
)
from hallmark.judgement import wilson_interval


def one(value: float) -> np.ndarray:
    return np.array([float(value)])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_fishers_test_is_scipys(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 5000))
    total, count = data.draw(st.integers(0, rows)), data.draw(st.integers(1, rows))
    hits = data.draw(st.integers(max(0, count - (rows - total)), min(count, total)))
    ours = hypergeometric_tail(one(hits), one(count), rows, total)[0]
    assert ours == pytest.approx(hypergeom.cdf(hits, rows, total, count), rel=1e-7, abs=1e-13)


@pytest.mark.parametrize("hits", [700_000, 717_000, 719_500, 720_000, 720_500, 722_000])
def test_fishers_test_is_scipys_for_millions_of_rows(hits: int) -> None:
    ours = hypergeometric_tail(one(hits), one(800_000), 10_000_000, 9_000_000)[0]
    assert ours == pytest.approx(hypergeom.cdf(hits, 10_000_000, 9_000_000, 800_000), rel=1e-5, abs=1e-13)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 10_000), st.floats(0, 1), st.data())
def test_the_binomial_tail_is_scipys(total: int, share: float, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, total))
    assert binomial_tail(one(hits), one(total), share)[0] == pytest.approx(
        binom.cdf(hits, total, share), rel=1e-6, abs=1e-13
    )


def test_a_mean_is_compared_with_a_number_as_by_scipy() -> None:
    values = np.random.default_rng(0).normal(0.1, 1, 50)
    given_number = (np.zeros(1), np.zeros(1), np.array([np.inf]))
    ours = welch(one(values.mean()), one(values.var(ddof=1)), one(50), given_number)[0]
    assert ours == pytest.approx(ttest_1samp(values, 0, alternative="greater").pvalue)


def test_means_without_any_spread_are_compared_as_they_are() -> None:
    none = np.zeros(1)
    assert welch(one(2), none, one(50), (one(1), none, one(50)))[0] == 0.0
    assert welch(one(1), none, one(50), (one(1), none, one(50)))[0] == 1.0


def test_wilsons_interval_is_that_of_the_judgement() -> None:
    low, high = wilson(np.array([57.0, 0.0]), np.array([60.0, 5.0]))
    assert (low[0], high[0]) == pytest.approx(wilson_interval(57, 60))
    assert (low[1], high[1]) == pytest.approx(wilson_interval(0, 5))


def test_students_quantile_is_scipys() -> None:
    assert student_quantile(0.975, one(12))[0] == pytest.approx(t.ppf(0.975, 12))


def test_the_bootstrap_of_a_mean_is_scipys() -> None:
    values = np.random.default_rng(1).exponential(size=200)
    low, high = mean_interval(values, np.random.default_rng(2))
    wanted = bootstrap((values,), np.mean, method="percentile", n_resamples=5000, rng=3).confidence_interval
    assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=0.02)


def test_the_bootstrap_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).exponential(size=200)
    whole = mean_interval(values, np.random.default_rng(2))
    monkeypatch.setattr("hallmark.behaviour.intervals._BLOCK", 1000)
    assert mean_interval(values, np.random.default_rng(2)) == whole


def test_a_ratio_to_nothing_has_no_interval() -> None:
    assert ratio_interval(np.ones(5), np.array([0, 0, 0, 0, 1.0]), np.random.default_rng(0)) is None
