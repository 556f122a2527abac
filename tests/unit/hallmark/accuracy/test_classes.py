"""Every metric against scikit-learn's function of that name, called on the resampled rows."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk  # type: ignore[import-untyped]

from hallmark.accuracy.bootstrap import measure, values
from hallmark.accuracy.classes import BINS, answers, top
from hallmark.errors import BadInputError


def drawn(seed: int, rows: int, classes: int, *, ties: bool) -> tuple[list[str], list[str], dict[str, Any]]:
    """Labels of every class, predictions that are often right, and probabilities, equal ones among them or not."""
    random = np.random.default_rng(seed)
    names = [f"c{index}" for index in range(classes)]
    truth = np.r_[np.arange(classes), random.integers(0, classes, rows - classes)]
    scores = random.random((rows, classes)) + 0.7 * np.eye(classes)[truth]
    if ties:
        scores = np.round(scores * 2) + 1
    table = scores / scores.sum(axis=1, keepdims=True)
    told = np.where(random.random(rows) < 0.1, random.integers(0, classes, rows), table.argmax(axis=1))
    return [names[t] for t in truth], [names[p] for p in told], dict(zip(names, table.T, strict=True))


def reference(truth: Any, told: Any, table: Any, names: list[str], positive: str | None) -> dict[str, float]:
    """scikit-learn's answers; `table` (rows, classes)."""
    one = {"average": "macro"} if positive is None else {"average": "binary", "pos_label": positive}
    hot = np.array([[t == name for name in names] for t in truth])
    pr = sk.average_precision_score(hot, table, average=None)
    binary = len(names) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "accuracy": sk.accuracy_score(truth, told),
            "balanced_accuracy": sk.balanced_accuracy_score(truth, told),
            "f1": sk.f1_score(truth, told, **one),
            "precision": sk.precision_score(truth, told, **one),
            "recall": sk.recall_score(truth, told, **one),
            "roc_auc": sk.roc_auc_score(truth, table[:, 1] if binary else table, multi_class="ovr"),
            "pr_auc": np.mean(pr) if positive is None else pr[names.index(positive)],
            "log_loss": sk.log_loss(truth, table, labels=names),
            "brier": sk.brier_score_loss(truth, table, labels=names),
            "calibration_error": calibration_error(truth, table, names),
        }


def calibration_error(truth: Any, table: Any, names: list[str]) -> float:
    """As its definition says: bin by bin, row by row."""
    found = 0.0
    for index in range(BINS):
        of_bin = [
            (float(max(row)), names[int(np.argmax(row))] == label)
            for row, label in zip(table, truth, strict=True)
            if index / BINS < max(row) <= (index + 1) / BINS
        ]
        found += abs(sum(right - confidence for confidence, right in of_bin))
    return found / len(truth)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(8, 60), st.booleans(), st.booleans())
def test_every_metric_is_scikit_learns_on_the_same_resample(
    seed: int, classes: int, rows: int, ties: bool, positive: bool
) -> None:
    truth, told, table = drawn(seed, rows, classes, ties=ties)
    names = sorted(table)
    one = names[seed % 2] if positive and classes == 2 else None
    sample = answers(truth, told, table, one)
    random = np.random.default_rng(seed)
    # Each class once, so that scikit-learn has an area under each curve.
    picks = [np.r_[np.arange(classes), random.integers(0, rows, rows - classes)] for _ in range(3)]
    counts = np.stack([np.bincount(pick, minlength=rows) for pick in [np.arange(rows), *picks]]).astype(float)
    found = measure(sample)(counts)
    matrix = np.column_stack([table[name] for name in names])
    for index, pick in enumerate([np.arange(rows), *picks]):
        labels, predicted = np.array(truth)[pick], np.array(told)[pick]
        for name, expected in reference(labels, predicted, matrix[pick], names, one).items():
            assert found[name][index] == pytest.approx(expected, rel=1e-9, abs=1e-9), name


def test_a_resample_of_one_class_has_no_area_and_the_others_have() -> None:
    sample = answers(list("aab"), list("aab"), {"a": np.array([0.9, 0.8, 0.3]), "b": np.array([0.1, 0.2, 0.7])})
    found = measure(sample)(np.array([[2.0, 1, 0], [1, 1, 1]]))
    assert np.isnan(found["roc_auc"]).tolist() == [True, False]
    assert np.isnan(found["pr_auc"]).tolist() == [True, False]
    assert found["balanced_accuracy"].tolist() == [1, 1]


def test_a_class_that_no_label_is_of_counts_against_the_probabilities_only() -> None:
    table = {name: np.array(column) for name, column in {"a": [0.5, 0.2], "b": [0.3, 0.7], "c": [0.2, 0.1]}.items()}
    found = values(answers(["a", "b"], ["a", "b"], table))
    assert found["log_loss"] == pytest.approx(sk.log_loss([0, 1], [[0.5, 0.3, 0.2], [0.2, 0.7, 0.1]], labels=[0, 1, 2]))
    assert found["roc_auc"] == 1


def test_a_label_that_the_model_has_no_probability_of_costs_as_a_probability_of_0() -> None:
    found = values(
        answers(["a", "b", "z"], ["a", "b", "b"], {"a": np.array([0.9, 0.1, 0.5]), "b": np.array([0.1, 0.9, 0.5])})
    )
    assert found["log_loss"] > 10
    assert found["roc_auc"] < 1


def test_answers_that_are_no_class_are_wrong_and_one_class_more_in_the_means() -> None:
    found = values(answers(["a", "b"], ["a", "<script>"]))
    assert found["accuracy"] == found["balanced_accuracy"] == 0.5
    assert found["recall"] == pytest.approx(1 / 3)
    assert set(found) == {"accuracy", "balanced_accuracy", "f1", "precision", "recall"}


def test_a_probability_on_an_edge_belongs_to_the_bin_below_it() -> None:
    _, _, bins = top(np.array([[1.0, 0.0], [0.9, 0.1], [0.5, 0.5], [0.500001, 0.499999]]))
    assert bins.tolist() == [9, 8, 4, 5]


@pytest.mark.parametrize(("labels", "positive"), [("aab", "c"), ("abc", "a"), ("aa", "b")])
def test_a_positive_class_that_is_not_one_of_two_is_bad_input(labels: str, positive: str) -> None:
    with pytest.raises(BadInputError, match=f"model.positive names '{positive}', but the classes are a"):
        answers(list(labels), list(labels), positive=positive)
