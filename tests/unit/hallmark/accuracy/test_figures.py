import json

import numpy as np
import pytest
from sklearn import metrics as sk  # type: ignore[import-untyped]

from hallmark.accuracy import figures
from hallmark.accuracy.classes import Answers, answers
from hallmark.accuracy.figures import confusion_matrix
from hallmark.accuracy.numbers import Numbers


def test_the_matrix_counts_true_classes_by_row() -> None:
    matrix = confusion_matrix(answers(["b", "a", "a", "b"], ["b", "a", "b", "a"]))
    assert matrix == {"labels": ["a", "b"], "counts": [[1, 1], [1, 1]]}
    matrix = confusion_matrix(answers(["a", "a", "b"], ["a", "b", "b"]))
    assert matrix == {"labels": ["a", "b"], "counts": [[1, 1], [0, 1]]}


def test_answers_that_are_no_class_are_counted_under_one_name() -> None:
    table = {name: np.full(2, 1 / 3) for name in ("a", "b", "else")}
    matrix = confusion_matrix(answers(["a", "b"], ["<script>", "else"], table))
    assert matrix is not None
    assert matrix["labels"] == ["a", "b", "(no known class)"]
    assert matrix["counts"] == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(("classes", "drawn"), [(50, True), (51, False)])
def test_a_matrix_that_nobody_could_read_is_left_out(classes: int, drawn: bool) -> None:
    labels = [f"c{number}" for number in range(classes)]
    assert (confusion_matrix(answers(labels, labels)) is not None) is drawn


def scored(rows: int, classes: int) -> Answers:
    random = np.random.default_rng(1)
    truth = random.integers(0, classes, rows)
    scores = random.random((rows, classes)) + 0.5 * np.eye(classes)[truth]
    table = scores / scores.sum(axis=1, keepdims=True)
    names = [f"c{index:02}" for index in range(classes)]
    return answers(
        [names[t] for t in truth], [names[t] for t in table.argmax(axis=1)], dict(zip(names, table.T, strict=True))
    )


@pytest.mark.parametrize(("classes", "curves"), [(2, 1), (3, 3), (12, 10)])
def test_the_curve_of_a_class_lies_on_scikit_learns_and_has_few_points(classes: int, curves: int) -> None:
    sample = scored(3000, classes)
    assert sample.probabilities is not None
    roc = figures.of_classes(sample)["roc"]
    assert len(roc) == curves
    for curve in roc:
        index = sample.classes.index(curve["class"])
        false, true, _ = sk.roc_curve(sample.truth == index, sample.probabilities[:, index], drop_intermediate=False)
        known = {(round(float(x), 5), round(float(y), 5)) for x, y in zip(false, true, strict=True)}
        assert {tuple(point) for point in curve["points"]} <= known
        assert (curve["points"][0], curve["points"][-1]) == ([0, 0], [1, 1])
        assert len(curve["points"]) <= figures.POINTS
        assert curve["area"] == pytest.approx(sk.auc(false, true))


def test_bins_and_bars_hold_every_row() -> None:
    sample = scored(500, 3)
    found = figures.of_classes(sample)
    assert sum(each["rows"] for each in found["calibration"]["bins"]) == 500
    assert sum(found["scores"]["right"]) + sum(found["scores"]["wrong"]) == 500
    json.dumps(found, allow_nan=False)


def test_without_probabilities_there_is_the_matrix_alone() -> None:
    assert list(figures.of_classes(answers(["a"], ["a"]))) == ["confusion_matrix"]


def test_residuals_are_told_by_counts_and_quantiles() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=5000)
    found = figures.of_numbers(Numbers(truth=truth, predicted=truth + random.normal(size=5000)))["residuals"]
    assert sum(found["counts"]) == 5000
    assert len(found["edges"]) == len(found["counts"]) + 1
    assert found["quantiles"]["p95"] == pytest.approx(1.645, abs=0.1)
    assert found["edges"][-1] < 3


def test_residuals_that_are_all_the_same_are_one_bar() -> None:
    found = figures.of_numbers(Numbers(truth=np.arange(3.0), predicted=np.arange(3.0)))["residuals"]
    assert sum(found["counts"]) == 3
    json.dumps(found, allow_nan=False)
