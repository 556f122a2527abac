from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hallmark.documents.rules_quality import FailingRows, Overlap
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.quality import overlap as overlap_module
from hallmark.quality import tables
from hallmark.quality.overlap import overlap, shared_rows
from hallmark.quality.tables import Table

WHERE = "data.quality.overlaps.0.columns"


def table(name: str, **columns: Any) -> Table:
    return Table(name=name, rows=pl.LazyFrame(columns))


def compared(training: dict[str, Any], independent: dict[str, Any], **rules: Any) -> Findings:
    own, other = table("training", **training), table("independent", **independent)
    return overlap(own, other, Overlap.model_validate(rules, by_name=True), features=list(independent), where=WHERE)


def shared(training: list[Any], independent: list[Any], digits: int | None = None) -> list[int]:
    own, other = table("training", x=training), table("independent", x=independent)
    return shared_rows(own, other, ["x"], digits).to_list()


def test_rows_of_the_training_data_are_refused_with_their_number_and_share() -> None:
    found = compared({"a": [1, 2, 3], "b": ["x", "y", "z"]}, {"a": [2, 9, 3, 7], "b": ["y", "y", "q", "z"]})
    (check,) = found.checks
    assert not check.passed
    assert check.value == "1 of 4 rows (25 %)"
    assert found.figures["overlap"][0]["shared"] == 1
    assert found.figures["failing_rows"][0]["rows"] == [1]


def test_distinct_rows_pass() -> None:
    found = compared({"a": [1, 2]}, {"a": [3, 4]})
    assert found.checks[0].passed
    assert found.figures["failing_rows"] == []


def test_a_share_up_to_the_limit_passes_and_one_above_does_not() -> None:
    data: tuple[dict[str, Any], dict[str, Any]] = ({"a": [1]}, {"a": [1, 2, 3, 4]})
    assert compared(*data, maximum=0.25).checks[0].passed
    assert not compared(*data, maximum=0.249).checks[0].passed


def test_a_key_finds_rows_whose_features_were_changed() -> None:
    training = {"patient": [7, 8], "dose": [1.0, 2.0]}
    independent = {"patient": [8, 9], "dose": [2.5, 1.0]}
    assert compared(training, independent).checks[0].passed
    assert not compared(training, independent, columns=["patient"]).checks[0].passed


def test_columns_find_rows_whose_id_was_changed() -> None:
    training, independent = {"id": [1], "dose": [1.5]}, {"id": [2], "dose": [1.5]}
    assert compared(training, independent).checks[0].passed
    assert not compared(training, independent, columns=["dose"]).checks[0].passed


def test_rounding_finds_rows_that_differ_in_the_last_digits_only() -> None:
    assert shared([0.123456789], [0.123456788]) == []
    assert shared([0.123456789], [0.123456788], digits=6) == [0]


def test_rounding_leaves_whole_numbers_alone() -> None:
    assert shared([123_456_789], [123_456_788], digits=3) == []


@pytest.mark.parametrize(
    ("training", "independent"),
    [
        (pl.Series([1, 2], dtype=pl.Int8), pl.Series([2], dtype=pl.UInt64)),
        (pl.Series([2.0], dtype=pl.Float32), pl.Series([2], dtype=pl.Int32)),
        (pl.Series([True, False]), pl.Series([1])),
        (pl.Series(["2.50"]), pl.Series([2.5])),
        (pl.Series(["True"]), pl.Series([True])),
        (pl.Series([Decimal("2.50")]), pl.Series([2.5])),
        (pl.Series(["a"], dtype=pl.Categorical), pl.Series(["a"])),
        (pl.Series([dt.date(2026, 1, 2)]), pl.Series([dt.datetime(2026, 1, 2)])),
        (pl.Series([dt.date(2026, 1, 2)]), pl.Series(["2026-01-02"])),
        (pl.Series([dt.time(3, 4)]), pl.Series([dt.time(3, 4)])),
        (
            pl.Series([dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)]),
            pl.Series([dt.datetime(2026, 1, 2, 13)]).dt.replace_time_zone("Europe/Paris"),
        ),
        (pl.Series([-0.0]), pl.Series([0.0])),
    ],
)
def test_another_type_of_the_same_value_hides_nothing(training: pl.Series, independent: pl.Series) -> None:
    for one, other in ((training, independent), (independent, training)):
        own, their = Table(name="training", rows=one.alias("x").to_frame().lazy()), other.alias("x").to_frame().lazy()
        assert shared_rows(own, Table(name="independent", rows=their), ["x"], None).len() >= 1


def test_ids_beyond_a_floats_precision_are_not_confused() -> None:
    assert shared([9_007_199_254_740_993], [9_007_199_254_740_992]) == []


def test_texts_that_are_no_numbers_are_compared_as_texts_beside_numbers() -> None:
    own, other = table("training", x=["n/a", "3"]), table("independent", x=[3, 4])
    assert shared_rows(own, other, ["x"], None).to_list() == [0]


def test_rows_without_any_value_equal_no_other() -> None:
    assert shared([None, 1], [None, 2]) == []


def test_a_row_that_lacks_some_values_equals_one_that_lacks_the_same() -> None:
    own, other = table("training", x=[None, 1], y=["a", "b"]), table("independent", x=[None, 1], y=["a", None])
    assert shared_rows(own, other, ["x", "y"], None).to_list() == [0]


@pytest.mark.parametrize("digits", [None, 6])
def test_nan_equals_nan_in_a_row_that_has_other_values(digits: int | None) -> None:
    own = table("training", x=[float("nan"), 1.0], y=[1, 2])
    other = table("independent", x=[float("nan"), float("nan"), 1.0], y=[1, 2, 2])
    assert shared_rows(own, other, ["x", "y"], digits).to_list() == [0, 2]


def test_nothing_to_compare_is_bad_input() -> None:
    with pytest.raises(BadInputError, match="no independent row has a value in x"):
        shared([1.0], [None, float("nan")])


def test_empty_data_is_bad_input() -> None:
    for training, independent in (({"a": []}, {"a": [1]}), ({"a": [1]}, {"a": []})):
        with pytest.raises(BadInputError, match="has no rows"):
            compared(training, independent)


def test_an_unknown_column_is_bad_input_with_the_nearest_one() -> None:
    with pytest.raises(BadInputError, match=r"overlaps\.0\.columns names column pateint") as caught:
        compared({"patient": [1]}, {"patient": [1]}, columns=["pateint"])
    assert "did you mean patient?" in caught.value.solution


def test_times_and_numbers_cannot_be_compared() -> None:
    with pytest.raises(BadInputError, match="column x is of type"):
        shared([dt.date(2026, 1, 1)], [1])


def test_lists_cannot_be_compared() -> None:
    with pytest.raises(BadInputError, match="cannot be compared"):
        shared([[1]], [[1]])


def test_equal_hashes_alone_are_no_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash of 64 bits may be shared by chance: what counts are the values."""
    monkeypatch.setattr(
        pl.DataFrame, "hash_rows", lambda frame: pl.repeat(7, frame.height, dtype=pl.UInt64, eager=True)
    )
    assert shared([1, 2, 3], [3, 4]) == [0]


def test_many_hits_are_gathered_without_their_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap_module, "BATCH_ROWS", 4)
    monkeypatch.setattr(tables, "BATCH_ROWS", 3)
    assert shared([1, 2, 3] * 20, [3, 4, 1]) == [0, 2]


def test_batches_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH_ROWS", 3)
    assert shared(list(range(20)), [25, 19, 30, 0, 31, 32, 7]) == [1, 3, 6]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", None])), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", None])), min_size=1, max_size=30),
)
def test_it_finds_what_a_set_of_rows_finds(training: list[Any], independent: list[Any]) -> None:
    schema = {"x": pl.Int64, "y": pl.String}
    own, other = (pl.LazyFrame(rows, schema=schema, orient="row") for rows in (training, independent))
    found = shared_rows(Table(name="training", rows=own), Table(name="independent", rows=other), ["x", "y"], None)
    assert found.to_list() == [place for place, row in enumerate(independent) if row in set(training)]


def test_values_of_the_shared_rows_are_shown_only_if_the_policy_says_so() -> None:
    own, other = table("training", who=["Ann"], x=[1]), table("independent", who=["Ann"], x=[1])
    shown = FailingRows.model_validate({"showValues": True, "personal": ["who"]})
    found = overlap(own, other, Overlap(), features=["who", "x"], where=WHERE, rows=shown)
    assert found.figures["failing_rows"][0]["values"] == [["•••", "1"]]
    hidden = overlap(own, other, Overlap(), features=["who", "x"], where=WHERE)
    assert hidden.figures["failing_rows"][0]["values"] == []
