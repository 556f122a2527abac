import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped]

from hallmark.judgement import confusion_matrix, wilson_interval


@given(st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_is_scipy_s(counts: tuple[int, int]) -> None:
    correct, total = counts
    expected = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(correct, total)
    assert math.isclose(low, expected.low, abs_tol=1e-9)
    assert math.isclose(high, expected.high, abs_tol=1e-9)
    assert 0 <= low < high <= 1


def test_the_matrix_counts_true_classes_by_row() -> None:
    matrix = confusion_matrix(["b", "a", "a", "b"], ["b", "a", "b", "a"])
    assert matrix == {"labels": ["a", "b"], "counts": [[1, 1], [1, 1]]}
    assert confusion_matrix(["a", "a", "b"], ["a", "b", "b"]) == {"labels": ["a", "b"], "counts": [[1, 1], [0, 1]]}


def test_answers_that_are_no_class_are_counted_under_one_name() -> None:
    matrix = confusion_matrix(["a", "b"], ["<script>", "else"])
    assert matrix is not None
    assert matrix["labels"] == ["a", "b", "(no known class)"]
    assert matrix["counts"] == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(("classes", "drawn"), [(50, True), (51, False)])
def test_a_matrix_that_nobody_could_read_is_left_out(classes: int, drawn: bool) -> None:
    labels = [f"c{number}" for number in range(classes)]
    assert (confusion_matrix(labels, labels) is not None) is drawn
