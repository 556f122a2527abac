import numpy as np
import pytest
from scipy.stats import bootstrap  # type: ignore[import-untyped]

from hallmark.performance.statistics import exactly, histogram, mean, measure, percentile


def test_the_estimates_are_numpys() -> None:
    rounds = np.random.default_rng(0).exponential(size=(5, 40))
    assert measure(rounds.tolist(), mean, "ms").value == pytest.approx(rounds.mean())
    assert measure(rounds.tolist(), percentile(0.95), "ms").value == pytest.approx(np.quantile(rounds, 0.95))


def test_the_interval_of_many_rounds_of_one_sample_is_the_plain_bootstraps() -> None:
    values = np.random.default_rng(1).exponential(size=60)
    found = measure([[value] for value in values.tolist()], mean, "ms")
    expected = bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(2)).confidence_interval
    width = expected.high - expected.low
    assert found.low == pytest.approx(expected.low, abs=0.15 * width)
    assert found.high == pytest.approx(expected.high, abs=0.15 * width)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Rounds differ by more than the questions in them: an interval over questions alone would miss it mostly."""
    dice = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        rounds = 10 + dice.normal(0, 1, (8, 1)) + dice.normal(0, 0.3, (8, 20))
        found = measure(rounds.tolist(), mean, "ms")
        held += found.low <= 10 <= found.high
    assert held >= 0.88 * 200


def test_rounds_that_are_alike_give_a_narrow_interval() -> None:
    found = measure([[1.0, 1.0]] * 5, mean, "ms")
    assert (found.low, found.value, found.high, found.samples) == (1.0, 1.0, 1.0, 10)


def test_the_same_samples_give_the_same_interval() -> None:
    rounds = np.random.default_rng(4).exponential(size=(5, 40)).tolist()
    assert measure(rounds, mean, "ms") == measure(rounds, mean, "ms")


def test_one_round_and_a_fixed_number_have_no_width() -> None:
    assert measure([[1.0, 3.0]], mean, "ms").high == 2.0
    assert exactly(3.0, "MiB").low == 3.0


def test_every_sample_is_in_the_histogram() -> None:
    values = [*np.random.default_rng(5).exponential(size=500).tolist(), 100.0]
    found = histogram(values)
    assert sum(count for _, count in found) == 501
    assert found[-1][0] == 100.0
    assert sum(count for _, count in histogram([0.0, 0.0])) == 2
