from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from hallmark.behaviour.determinism import compare_two
from hallmark.documents.rules_behaviour import Determinism
from hallmark.errors import BadInputError

CLASSES = pl.DataFrame({"row": [1, 2, 3], "prediction": ["a", "b", "a"], "probability:a": [0.9, 0.2, 0.7]})
NUMBERS = pl.DataFrame({"row": np.arange(50), "prediction": np.arange(50) * 1.5})


def test_equal_answers_pass_in_any_order_also_of_a_part() -> None:
    found = compare_two(CLASSES, CLASSES[[2, 0]], Determinism(), task="classification")
    assert found.checks[0].passed
    assert found.figures["processes"] == {"rows": 2, "differ": 0}


@pytest.mark.parametrize(
    "other",
    [
        CLASSES.with_columns(prediction=pl.Series(["a", "b", "b"])),
        CLASSES.with_columns(pl.Series("probability:a", [0.9, 0.2, 0.6999])),
        CLASSES.with_columns(pl.Series("probability:a", [0.9, 0.2, float("nan")])),
        CLASSES.with_columns(pl.Series("probability:a", [0.9, 0.2, None])),
    ],
)
def test_one_other_answer_or_probability_is_refused(other: pl.DataFrame) -> None:
    found = compare_two(CLASSES, other, Determinism(), task="classification")
    assert not found.checks[0].passed
    assert found.checks[0].value == "1 of 3 rows are answered otherwise"


def test_numbers_may_differ_by_rounding_only() -> None:
    rules = Determinism()
    rounded = NUMBERS.with_columns(pl.col("prediction") * (1 + 1e-12))
    assert compare_two(NUMBERS, rounded, rules, task="regression").checks[0].passed
    other = NUMBERS.with_columns(pl.col("prediction") * (1 + 1e-4))
    assert not compare_two(NUMBERS, other, rules, task="regression").checks[0].passed


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (CLASSES.clear(), "answered no rows"),
        (CLASSES.with_columns(row=pl.col("row") + 1), "leave out 1"),
        (CLASSES.drop("probability:a"), "other classes"),
        (CLASSES.with_columns(prediction=pl.lit(None)), "is missing"),
    ],
)
def test_what_cannot_be_compared_is_bad_input(other: pl.DataFrame, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        compare_two(CLASSES, other, Determinism(), task="classification")
