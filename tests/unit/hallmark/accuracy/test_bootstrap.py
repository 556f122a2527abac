import math

import numpy as np
import pytest

from hallmark.accuracy import bootstrap
from hallmark.accuracy.bootstrap import counts, estimates, replicate
from hallmark.accuracy.classes import Answers, answers
from hallmark.accuracy.numbers import Numbers


def normal(rows: int, seed: int = 1) -> Numbers:
    random = np.random.default_rng(seed)
    truth = random.normal(size=rows)
    return Numbers(truth=truth, predicted=truth + random.normal(size=rows))


def scored(rows: int, seed: int = 1) -> Answers:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, rows)
    score = 1 / (1 + np.exp(-random.normal(2 * truth - 1, 1)))
    told = (score > 0.5).astype(int)
    return answers(list(map(str, truth)), list(map(str, told)), {"0": 1 - score, "1": score})


def test_every_resample_draws_as_many_rows_as_there_are() -> None:
    blocks = list(counts(300, 2000))
    assert sum(map(len, blocks)) == 2000
    assert all((block.sum(axis=1) == 300).all() for block in blocks)
    drawn = np.concatenate(blocks)
    assert drawn.mean() == 1
    # A row is drawn n times with chance 1/n each.
    assert drawn.var() == pytest.approx(1 - 1 / 300, rel=0.02)


def test_large_resamples_come_in_blocks_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_BLOCK", 1000)
    assert [block.shape for block in counts(400, 5)] == [(2, 400), (2, 400), (1, 400)]
    assert [block.shape for block in counts(4000, 2)] == [(1, 4000), (1, 4000)]


def test_an_interval_holds_the_value_and_is_the_same_each_time() -> None:
    for sample in (normal(300), scored(300)):
        found = estimates(sample)
        assert found == estimates(sample)
        for estimate in found.values():
            assert estimate.low <= estimate.value <= estimate.high
            assert estimate.low < estimate.high


def test_intervals_are_as_wide_as_theory_has_them() -> None:
    found = estimates(normal(300))
    # For normal errors the standard error of the RMSE is s / sqrt(2 n).
    assert found["rmse"].high - found["rmse"].low == pytest.approx(2 * 1.96 / math.sqrt(600), rel=0.2)
    share = estimates(scored(1000))["accuracy"]
    assert share.half_width == pytest.approx(1.96 * math.sqrt(share.value * (1 - share.value) / 1000), rel=0.1)


def test_intervals_of_many_rows_from_some_of_them_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = scored(8000)
    whole = estimates(sample)
    monkeypatch.setattr(bootstrap, "MAXIMUM_CELLS", 1)
    some = estimates(sample)
    for name, estimate in whole.items():
        assert some[name].value == estimate.value
        assert some[name].half_width == pytest.approx(estimate.half_width, rel=0.15), name


def test_the_share_of_intervals_that_hold_the_truth_is_what_they_promise() -> None:
    held = 0
    for seed in range(100):
        found = estimates(normal(200, seed))["rmse"]
        held += found.low <= 1 <= found.high
    assert 88 <= held <= 100


def test_resamples_without_a_metric_are_told() -> None:
    found = estimates(
        answers(list("aab"), list("aab"), {"a": np.array([0.9, 0.8, 0.3]), "b": np.array([0.1, 0.2, 0.7])})
    )
    # All rows are of one class in (2/3)^3 + (1/3)^3 = 1/3 of the resamples.
    assert found["roc_auc"].left_out == pytest.approx(2000 / 3, rel=0.1)
    assert found["accuracy"].left_out == 0


def test_a_metric_that_the_sample_does_not_have_is_left_out() -> None:
    assert "roc_auc" not in estimates(answers(list("aa"), list("aa"), {"a": np.ones(2)}))


def test_replicates_scatter_around_the_value_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "MAXIMUM_CELLS", 1)
    sample = scored(8000)
    found = replicate(sample)
    assert found["roc_auc"].mean() == pytest.approx(bootstrap.values(sample)["roc_auc"], abs=0.001)
