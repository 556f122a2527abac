import json

import numpy as np
import pytest

from hallmark.accuracy.classes import answers
from hallmark.accuracy.mistakes import LISTED, worst_mistakes
from hallmark.accuracy.numbers import Numbers


def test_the_surest_mistake_stands_first_with_its_row_and_classes() -> None:
    table = {"a": np.array([0.6, 0.9, 0.2, 0.55]), "b": np.array([0.4, 0.1, 0.8, 0.45])}
    sample = answers(["b", "b", "b", "a"], ["a", "a", "b", "a"], table)
    found = worst_mistakes(sample, np.array([11, 12, 13, 14]))
    assert found.checks == ()
    assert found.figures["mistakes"] == {
        "total": 2,
        "rows": [
            {"row": 12, "true": "b", "predicted": "a", "probability": 0.9},
            {"row": 11, "true": "b", "predicted": "a", "probability": 0.6},
        ],
    }


def test_what_is_no_class_is_told_under_one_name() -> None:
    found = worst_mistakes(answers(["a", "b"], ["<script>", "b"]), np.array([1, 2]))
    assert found.figures["mistakes"]["rows"] == [{"row": 1, "true": "a", "predicted": "(no known class)"}]


def test_without_a_mistake_there_is_no_figure() -> None:
    assert worst_mistakes(answers(["a", "b"], ["a", "b"]), np.array([1, 2])).figures == {}
    same = np.array([1.0, 2.0])
    assert worst_mistakes(Numbers(truth=same, predicted=same), np.array([1, 2])).figures == {}


@pytest.mark.parametrize("show_values", [False, True])
def test_numbers_are_only_shown_where_the_policy_says_so(show_values: bool) -> None:
    sample = Numbers(truth=np.array([1.0, 2.0, 3.0]), predicted=np.array([1.5, 2.0, -7.0]))
    found = worst_mistakes(sample, np.array([5, 6, 7]), show_values=show_values).figures["mistakes"]
    assert (found["total"], [row["row"] for row in found["rows"]]) == (2, [7, 5])
    assert (found["rows"][0] == {"row": 7}) is not show_values
    if show_values:
        assert found["rows"][0] == {"row": 7, "true": 3.0, "predicted": -7.0, "error": -10.0}


def test_the_list_does_not_grow_with_the_data() -> None:
    rows = 10_000
    found = worst_mistakes(answers(["a", "b"] * rows, ["b", "a"] * rows), np.arange(2 * rows))
    assert found.figures["mistakes"]["total"] == 2 * rows
    assert len(found.figures["mistakes"]["rows"]) == LISTED
    assert len(json.dumps(found.figures)) < 2000
