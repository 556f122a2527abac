from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from hallmark.documents.rules_quality import FailingRows
from hallmark.errors import BadInputError
from hallmark.quality.failing_rows import MASK, failing_rows
from hallmark.quality.tables import Table

PEOPLE = Table(
    name="training",
    rows=pl.LazyFrame(
        {"name": ["Ann", "Bob", "Cy", "Di"], "age": [30, -1, None, -5], "note": ["a", "b\n\x1b", "c", "d" * 99]}
    ),
)
NEGATIVE = pl.col("age") < 0


def listed(failed: pl.Expr | pl.Series = NEGATIVE, columns: tuple[str, ...] = (), **rules: Any) -> dict[str, Any]:
    (found,) = failing_rows(
        PEOPLE, failed, FailingRows.model_validate(rules, by_name=True), check="age is positive", columns=columns
    )
    return found


def test_rows_are_numbered_from_one_and_hold_no_value() -> None:
    assert listed() == {
        "dataset": "training",
        "check": "age is positive",
        "total": 2,
        "rows": [2, 4],
        "columns": [],
        "values": [],
    }


def test_a_comparison_with_nothing_is_no_failure() -> None:
    assert 3 not in listed()["rows"]


def test_places_may_come_in_any_order() -> None:
    assert listed(pl.Series([3, 1], dtype=pl.UInt32))["rows"] == [2, 4]


def test_the_list_is_bounded_and_says_how_many_there_are() -> None:
    found = listed(maximum=1)
    assert (found["rows"], found["total"]) == ([2], 2)


def test_values_are_shown_with_leave_and_personal_ones_masked() -> None:
    found = listed(show_values=True, personal=["name"])
    assert found["columns"] == ["name", "age", "note"]
    assert found["values"] == [[MASK, "-1", "b  "], [MASK, "-5", f"{'d' * 79}…"]]


def test_only_columns_of_use_are_shown() -> None:
    assert listed(columns=("age",), show_values=True)["values"] == [["-1"], ["-5"]]


def test_personal_columns_alone_show_masks_alone() -> None:
    assert listed(columns=("name",), show_values=True, personal=["name"])["values"] == [[MASK], [MASK]]


def test_a_misspelt_personal_column_is_bad_input_and_not_shown() -> None:
    with pytest.raises(BadInputError, match=r"failingRows\.personal names column nmae"):
        listed(show_values=True, personal=["nmae"])


def test_a_missing_value_is_none() -> None:
    assert listed(pl.Series([2], dtype=pl.UInt32), columns=("age",), show_values=True)["values"] == [[None]]


def test_nothing_failed_is_nothing_listed() -> None:
    assert failing_rows(PEOPLE, pl.col("age") > 99, FailingRows(), check="any") == []
