"""Each limit can say no, on the value and on the interval's worse end."""

from typing import Any, get_args

import numpy as np
import pytest

from hallmark.accuracy import bootstrap
from hallmark.accuracy.classes import Answers, answers
from hallmark.accuracy.judge import Judged, judge_classes, judge_numbers, numbers
from hallmark.accuracy.numbers import Numbers
from hallmark.documents.loading import parse
from hallmark.documents.rules_model import AT_MOST, OF_NUMBERS, OF_QUANTILES, MetricName, Metrics
from hallmark.errors import BadInputError
from hallmark.judgement import wilson_interval

METRICS = get_args(MetricName)


def limits(text: str) -> Any:
    return parse(text, Metrics, name="policy.yaml").limits


def scored(rows: int = 400, seed: int = 3) -> Answers:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, rows)
    score = 1 / (1 + np.exp(-random.normal(2 * truth - 1, 1)))
    table = {"no": 1 - score, "yes": score}
    return answers([("no", "yes")[t] for t in truth], [("no", "yes")[int(s > 0.5)] for s in score], table)


def predicted() -> Numbers:
    random = np.random.default_rng(5)
    truth = random.normal(10, 3, 300)
    return Numbers(truth=truth, predicted=truth + random.normal(size=300))


def judged(sample: Answers | Numbers, text: str) -> Judged:
    return judge_classes(sample, limits(text)) if isinstance(sample, Answers) else judge_numbers(sample, limits(text))


def refused(found: Judged) -> list[str]:
    assert found.findings.checks
    return [check.name for check in found.findings.checks if not check.passed]


@pytest.mark.parametrize("decide", ["estimate", "bound"])
@pytest.mark.parametrize("name", METRICS)
def test_each_limit_can_say_no(name: str, decide: str) -> None:
    sample = predicted() if name in OF_NUMBERS else scored()
    first = "r2: {minimum: 0}" if name in OF_NUMBERS else "accuracy: {minimum: 0}"
    metric = judged(sample, f"{{{first}}}").metrics[name]
    key, sign = ("maximum", 1) if name in AT_MOST else ("minimum", -1)
    edge = metric.value if decide == "estimate" else metric.high if name in AT_MOST else metric.low
    for far, passes in ((1e-9, True), (-1e-6, False)):
        found = judged(sample, f"{{{name}: {{{key}: {edge + sign * far:.12f}, decide: {decide}}}}}")
        assert (refused(found) == []) is passes
        assert found.metrics[name].held is passes
        assert found.metrics[name].decide == decide


def test_a_value_within_the_limit_is_refused_where_its_interval_is_not() -> None:
    sample = scored()
    value = judged(sample, "accuracy: {minimum: 0}").metrics["accuracy"].value
    text = f"accuracy: {{minimum: {value - 0.01}"
    assert refused(judged(sample, f"{text}}}")) == []
    found = judged(sample, f"{text}, decide: bound}}")
    assert refused(found) == ["accuracy"]
    assert found.findings.checks[0].limit.endswith("at the interval's lower end")


def test_every_limit_has_to_hold() -> None:
    found = judged(scored(), "{accuracy: {minimum: 0.1}, f1: {minimum: 0.999}, log_loss: {maximum: 0.001}}")
    assert refused(found) == ["f1", "log_loss"]


def test_an_interval_that_is_too_wide_is_refused_with_the_rows_that_would_do() -> None:
    found = judged(scored(400), "balanced_accuracy: {minimum: 0.5, precision: 0.01}")
    assert refused(found) == ["precision of balanced_accuracy"]
    half = (found.metrics["balanced_accuracy"].high - found.metrics["balanced_accuracy"].low) / 2
    needed = int(found.findings.checks[1].detail.split()[1])
    assert needed == pytest.approx(400 * (half / 0.01) ** 2, abs=1)
    assert refused(judged(scored(400), "balanced_accuracy: {minimum: 0.5, precision: 0.2}")) == []
    # As many rows as were said are enough, or nearly so.
    assert refused(judged(scored(needed * 21 // 20), "balanced_accuracy: {minimum: 0.5, precision: 0.01}")) == []


@pytest.mark.parametrize("name", ["roc_auc", "pr_auc", "log_loss", "brier", "calibration_error"])
def test_a_metric_of_probabilities_without_any_is_bad_input(name: str) -> None:
    key = "maximum" if name in AT_MOST else "minimum"
    with pytest.raises(BadInputError, match=f"limits {name}, which needs probabilities"):
        judged(answers(["a", "b"], ["a", "b"]), f"{name}: {{{key}: 0.5}}")


def test_a_metric_that_the_labels_cannot_have_is_bad_input() -> None:
    sample = answers(["a", "a"], ["a", "a"], {"a": np.full(2, 0.9), "b": np.full(2, 0.1)})
    with pytest.raises(BadInputError, match="no roc_auc that could be held"):
        judged(sample, "roc_auc: {minimum: 0.5}")


def test_few_rows_without_an_error_do_not_seem_to_show_as_much_as_many() -> None:
    truth = ["a"] * 20 + ["b"] * 10
    found = judged(answers(truth, truth), "{balanced_accuracy: {minimum: 0.9, decide: bound}}")
    assert refused(found) == ["balanced_accuracy"]
    metric = found.metrics["balanced_accuracy"]
    assert (metric.value, metric.low) == (1, wilson_interval(10, 10)[0])


def test_a_loss_of_which_nothing_is_known_does_not_hold_a_bound() -> None:
    truth = ["a", "b"] * 20
    sample = answers(truth, truth, {"a": np.array([1.0, 0.0] * 20), "b": np.array([0.0, 1.0] * 20)})
    assert refused(judged(sample, "{log_loss: {maximum: 1}}")) == []
    found = judged(sample, "{log_loss: {maximum: 1, decide: bound}}")
    assert refused(found) == ["log_loss"]
    assert "nothing is known of its bound" in found.findings.checks[0].value
    assert refused(judged(sample, "{log_loss: {maximum: 1, precision: 1}}")) == ["precision of log_loss"]
    exact = Numbers(truth=np.array([1.0, 2.0]), predicted=np.array([1.0, 2.0]))
    assert refused(judged(exact, "{mae: {maximum: 1, decide: bound}}")) == ["mae"]


def test_the_accuracy_has_wilsons_interval_and_the_resamples_that_lack_a_metric_are_told() -> None:
    table = {"a": np.array([0.9, 0.8, 0.7, 0.3]), "b": np.array([0.1, 0.2, 0.3, 0.7])}
    found = judged(answers(list("aaab"), list("aaab"), table), "{accuracy: {minimum: 0.5}, roc_auc: {minimum: 0.5}}")
    metric = found.metrics["accuracy"]
    assert (metric.low, metric.high) == wilson_interval(4, 4)
    assert "of 2000 resamples have no roc_auc" in found.findings.checks[1].detail


def test_labels_that_do_not_vary_are_bad_input() -> None:
    with pytest.raises(BadInputError, match="all the same number"):
        judged(Numbers(truth=np.ones(3), predicted=np.arange(3.0)), "r2: {minimum: 0}")


@pytest.mark.parametrize("text", ["nan", "inf", "setosa", "true"])
def test_what_is_no_finite_number_is_bad_input(text: str) -> None:
    with pytest.raises(BadInputError, match="a label is no finite number"):
        numbers(["1", text], "a label")


@pytest.mark.parametrize("decide", ["estimate", "bound"])
@pytest.mark.parametrize("name", sorted(OF_QUANTILES))
def test_each_limit_of_quantiles_refuses_just_beyond_it(name: str, decide: str) -> None:
    plain = predicted()
    quantiles = {0.1: plain.predicted - 1.1, 0.5: plain.predicted + 0.1, 0.9: plain.predicted + 1.3}
    sample = Numbers(truth=plain.truth, predicted=plain.predicted, quantiles=quantiles)
    metric = judged(sample, "r2: {minimum: 0}").metrics[name]
    assert metric.low < metric.value < metric.high
    key, sign = ("maximum", 1) if name in AT_MOST else ("minimum", -1)
    edge = metric.value if decide == "estimate" else metric.high if name in AT_MOST else metric.low
    for step, passed in ((1e-9, True), (-1e-9, False)):
        found = judged(sample, f"{name}: {{{key}: {edge + sign * step!r}, decide: {decide}}}").findings
        assert [check.passed for check in found.checks] == [passed]
    with pytest.raises(BadInputError, match="needs quantiles"):
        judged(plain, f"{name}: {{{key}: 0.5}}")


def test_the_figures_name_every_metric() -> None:
    found = judged(scored(), "roc_auc: {minimum: 0.5}").findings.figures
    assert [figure["name"] for figure in found["metrics"]] == [name for name in METRICS if name not in OF_NUMBERS]


def test_a_class_too_rare_for_the_resamples_leaves_its_bound_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "MAXIMUM_CELLS", 1)
    rows = 20_000
    truth = ["yes"] + ["no"] * (rows - 1)
    score = np.linspace(0.6, 0.1, rows)
    told = ["yes" if s > 0.5 else "no" for s in score]
    table = {"no": 1 - score, "yes": score}
    sample = answers(truth, told, table)
    drawn = np.random.default_rng(bootstrap._SEED).choice(rows, bootstrap.MINIMUM_ROWS, replace=False, shuffle=False)
    assert 0 not in drawn
    assert refused(judged(sample, "{roc_auc: {minimum: 0.1}}")) == []
    assert refused(judged(sample, "{roc_auc: {minimum: 0.1, decide: bound}}")) == ["roc_auc"]
    assert refused(judged(sample, "{roc_auc: {minimum: 0.1, precision: 1}}")) == ["precision of roc_auc"]
