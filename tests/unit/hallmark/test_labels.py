import numpy as np
import pytest

from hallmark.labels import MAXIMUM_LENGTH, canonical


def test_a_class_is_the_same_however_it_is_typed() -> None:
    assert canonical([2, 2.0, np.int64(2), np.float32(2), np.str_("2"), "2"]) == ["2"] * 6


def test_a_boolean_is_the_same_as_its_word_but_not_as_a_number() -> None:
    assert canonical([True, np.bool_(True), "True", "TRUE"]) == ["true"] * 4
    assert canonical([False, 0]) == ["false", "0"]


def test_text_that_only_looks_like_a_number_stays_as_it_is() -> None:
    assert canonical(["01", "1.0", "1.10", " a "]) == ["01", "1.0", "1.10", " a "]


def test_a_float_that_is_not_whole_keeps_its_exact_text() -> None:
    assert canonical([0.1, -0.5, np.float64(1e-7)]) == ["0.1", "-0.5", "1e-07"]


def test_minus_zero_is_zero() -> None:
    assert canonical([-0.0, 0]) == ["0", "0"]


@pytest.mark.parametrize(
    "value",
    [None, float("nan"), float("inf"), [1], {"a": 1}, b"x", np.array([1, 2]), "x" * (MAXIMUM_LENGTH + 1), 1 << 600],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_label_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match=r"label|number|size 1"):
        canonical([value])
