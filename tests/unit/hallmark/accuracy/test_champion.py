"""The rules of champion and challenger, and the tests that they rest on."""

import json

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]
from scipy.stats import binom, norm  # type: ignore[import-untyped]

from hallmark.accuracy.champion import compare, judge_champion, mcnemar, tango
from hallmark.accuracy.classes import Answers, answers
from hallmark.accuracy.numbers import Numbers
from hallmark.documents.loading import parse
from hallmark.documents.rules_model import Champion
from hallmark.errors import BadInputError
from hallmark.gate_report import Check


def told(wrong: int, rows: int = 1000, first: int = 0) -> Answers:
    """Half of the rows of each class; `wrong` of them told wrong, from row `first` on."""
    truth = ["a", "b"] * (rows // 2)
    other = {"a": "b", "b": "a"}
    return answers(truth, [other[t] if first <= row < first + wrong else t for row, t in enumerate(truth)])


def scored(skill: float, rows: int = 2000) -> Answers:
    truth = np.random.default_rng(1).integers(0, 2, rows)
    score = 1 / (1 + np.exp(-np.random.default_rng(2).normal(skill * (2 * truth - 1), 1)))
    table = {"a": 1 - score, "b": score}
    return answers([("a", "b")[t] for t in truth], [("a", "b")[int(s > 0.5)] for s in score], table)


def numbers(spread: float, seed: int = 1) -> Numbers:
    truth = np.random.default_rng(0).normal(5, 2, 500)
    return Numbers(truth=truth, predicted=truth + np.random.default_rng(seed).normal(0, spread, 500))


def rules_of(text: str) -> Champion:
    place = {"repository": "https://git.example.com/config.git"}
    return parse(json.dumps({"production": [place], **yaml.safe_load(text)}), Champion, name="policy.yaml")


def judged(text: str, candidate: Answers | Numbers, champion: Answers | Numbers | None) -> Check:
    (check,) = judge_champion(candidate, champion, rules_of(text)).checks
    return check


@pytest.mark.parametrize(("wrong", "passes"), [(192, True), (193, False), (200, False), (100, True)])
def test_the_default_asks_for_a_hundredth_more(wrong: int, passes: bool) -> None:
    check = judged("metric: accuracy", told(wrong), told(200))
    assert check.passed is passes
    assert check.limit.startswith("at least 0.808")


def test_an_equal_model_is_refused_by_the_ratio_and_passes_as_not_inferior() -> None:
    assert not judged("metric: accuracy", told(20), told(20)).passed
    assert judged("{metric: accuracy, rule: non-inferiority, margin: 0.01}", told(20), told(20)).passed


def test_a_ratio_that_no_model_can_reach_says_so() -> None:
    check = judged("metric: accuracy", told(0), told(5))
    assert not check.passed
    assert "no model can reach that" in check.detail


def test_more_rows_are_advised_only_where_the_value_itself_keeps_the_margin() -> None:
    rule = "{metric: accuracy, rule: non-inferiority, margin: 0.05}"
    near, far = judged(rule, told(2, rows=60), told(0, rows=60)), judged(rule, told(20, rows=60), told(0, rows=60))
    assert not near.passed
    assert not far.passed
    assert near.limit == "shown to be no more than 0.05 worse (p below 0.05)"
    assert "more independent rows" in near.detail
    assert far.detail.startswith("improve the model or its data")


def test_of_an_error_a_hundredth_less_is_asked() -> None:
    assert judged("metric: rmse", numbers(0.9), numbers(1.0)).passed
    check = judged("metric: rmse", numbers(1.0), numbers(1.0))
    assert not check.passed
    assert check.limit.startswith("at most ")


def test_a_metric_below_0_has_to_rise_not_to_fall() -> None:
    far = numbers(4.0)
    assert compare(far, far, "r2", 0).champion < 0
    assert not judged("metric: r2", far, far).passed
    assert not judged("metric: r2", numbers(4.01), far).passed
    assert judged("metric: r2", numbers(3.5), far).passed


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "balanced_accuracy"])
def test_a_worse_candidate_is_refused_and_a_better_one_shown(metric: str) -> None:
    rule = f"{{metric: {metric}, rule: non-inferiority, margin: 0.0}}"
    weak, strong = scored(0.8), scored(1.2)
    assert judged(rule, strong, weak).passed
    assert not judged(rule, weak, strong).passed
    assert not judged(rule, weak, weak).passed
    found = compare(strong, weak, metric, 0)
    assert 0 < found.low < found.difference < found.high
    assert found.test == "paired bootstrap"


@pytest.mark.parametrize(("margin", "passes"), [(0.2, True), (0.001, False)])
def test_a_slightly_worse_candidate_passes_by_its_margin_only(margin: float, passes: bool) -> None:
    rule = f"{{metric: roc_auc, rule: non-inferiority, margin: {margin}}}"
    assert judged(rule, scored(1.1), scored(1.2)).passed is passes


def test_few_rows_without_a_difference_show_no_small_margin() -> None:
    rule = "{metric: %s, rule: non-inferiority, margin: 0.01}"
    for metric in ("accuracy", "balanced_accuracy"):
        assert not judged(rule % metric, told(2, rows=60), told(2, rows=60)).passed
        assert judged(rule % metric, told(2, rows=600), told(2, rows=600)).passed


def test_without_a_champion_only_a_policy_that_says_so_lets_pass() -> None:
    assert not judged("metric: accuracy", told(0), None).passed
    assert not judged("{metric: accuracy, first: refuse}", told(0), None).passed
    assert judged("{metric: accuracy, first: allow}", told(0), None).passed


def test_the_figure_has_both_values_and_the_difference() -> None:
    rules = rules_of("metric: accuracy")
    (figure,) = judge_champion(told(10), told(20, first=500), rules, "sha256:abc").figures["champion"]
    assert (figure["candidate"], figure["champion"]) == (0.99, 0.98)
    assert figure["difference"] == pytest.approx(0.01)
    assert figure["low"] < figure["difference"] < figure["high"]
    assert figure["p"] == pytest.approx(mcnemar(20, 10))
    assert (figure["passed"], figure["reference"]) == (True, "sha256:abc")


@pytest.mark.parametrize(
    ("candidate", "champion", "metric", "what"),
    [
        (told(1), told(1, rows=998), "accuracy", "not judged on the same labels"),
        (answers(["a", "b"], ["a", "b"]), answers(["b", "a"], ["a", "b"]), "accuracy", "not judged on the same labels"),
        (told(1), numbers(1), "accuracy", "not judged on the same labels"),
        (scored(1), told(1, rows=2000), "roc_auc", "not judged on the same labels"),
        (told(1), told(1), "log_loss", "the candidate has no log_loss, which needs probabilities"),
        (answers(["a"] * 9, ["a"] * 9, {"a": np.ones(9)}), answers(["a"] * 9, ["a"] * 9), "roc_auc", "has no roc_auc"),
    ],
)
def test_what_cannot_be_compared_is_bad_input(
    candidate: Answers | Numbers, champion: Answers | Numbers, metric: str, what: str
) -> None:
    with pytest.raises(BadInputError, match=what):
        compare(candidate, champion, metric, 0)


@pytest.mark.parametrize("rules", ["{metric: f1, rule: non-inferiority}", "{metric: f1, margin: 0.1}"])
def test_a_margin_and_its_rule_belong_together(rules: str) -> None:
    with pytest.raises(BadInputError, match="give a margin"):
        rules_of(rules)


@given(st.integers(0, 700), st.integers(0, 700))
def test_mcnemar_is_the_binomial_test_with_half_of_the_outcome_itself(better: int, worse: int) -> None:
    total = better + worse
    expected = binom.sf(better, total, 0.5) + binom.pmf(better, total, 0.5) / 2
    assert mcnemar(better, worse) == pytest.approx(expected, abs=1e-9 if total <= 1000 else 1e-3)


@settings(max_examples=60)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(80, 300), st.floats(0.01, 0.2))
def test_tangos_variance_is_that_of_the_likeliest_shares_under_the_margin(
    better: int, worse: int, rows: int, margin: float
) -> None:
    def unlikely(share: float) -> float:
        """Of the share of rows that only the champion told right, where the difference is just the margin."""
        shares = np.array([share - margin, share, 1 - 2 * share + margin])
        counts = np.array([better, worse, rows - better - worse])
        return -float((counts * np.log(np.maximum(shares, 1e-300)))[counts > 0].sum())

    bounds = (margin, (1 + margin) / 2)
    share = minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    variance = rows * (2 * share - margin - margin**2)
    expected = norm.sf((better - worse + rows * margin) / np.sqrt(variance))
    assert tango(better, worse, rows, margin) == pytest.approx(expected, abs=1e-4)


def test_a_candidate_that_is_worse_by_the_margin_passes_no_more_often_than_alpha() -> None:
    random = np.random.default_rng(1)
    counts = random.multinomial(500, (0.03, 0.05, 0.92), size=4000)
    passed = sum(tango(int(better), int(worse), 500, 0.02) < 0.05 for better, worse, _ in counts)
    assert 0.03 < passed / 4000 < 0.065
