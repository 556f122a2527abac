from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from hallmark.documents.rules_quality import Classes, Columns, Duplicates, FailingRows
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.quality import contents, tables
from hallmark.quality.contents import classes, columns, duplicates
from hallmark.quality.tables import Table


def table(**data: Any) -> Table:
    return Table(name="training", rows=pl.LazyFrame(data))


def refused(found: Findings) -> list[str]:
    return [check.name.removeprefix("training data: ") for check in found.checks if not check.passed]


def described(rules: dict[str, Any], **data: Any) -> Findings:
    features = [name for name in data if name != "label"]
    return columns(table(**data), Columns.model_validate(rules, by_name=True), features=features, label="label")


def test_repeated_rows_are_refused_and_listed() -> None:
    found = duplicates(table(a=[1, 1, 2, 1], b=["x", "x", "y", "x"]), Duplicates(), rows=FailingRows(maximum=1))
    assert refused(found) == ["repeated rows"]
    assert found.checks[0].value == "2 of 4 rows (50 %)"
    assert found.figures["failing_rows"][0] | {"rows": [2], "total": 2} == found.figures["failing_rows"][0]


def test_few_repeated_rows_pass() -> None:
    found = duplicates(table(a=[1, *range(19)]), Duplicates(maximum=0.05))
    assert not refused(found)
    assert found.figures["duplicates"][0]["repeated"] == 1


def test_a_key_that_stands_twice_is_refused() -> None:
    found = duplicates(table(key=[1, 2, 2], value=[1, 2, 3]), Duplicates(columns=["key"], maximum=0))
    assert refused(found) == ["repeated rows by key"]


def test_rows_with_gaps_and_nan_repeat_each_other() -> None:
    found = duplicates(table(a=[None, None, float("nan"), float("nan")]), Duplicates(maximum=0))
    assert found.figures["duplicates"][0]["repeated"] == 2


def test_equal_hashes_alone_repeat_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pl.DataFrame, "hash_rows", lambda frame: pl.repeat(7, frame.height, dtype=pl.UInt64, eager=True)
    )
    monkeypatch.setattr(tables, "BATCH_ROWS", 2)
    assert duplicates(table(a=[1, 2, 3, 2]), Duplicates()).figures["duplicates"][0]["repeated"] == 1


def test_several_passes_over_a_large_table_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = table(a=[place % 7 for place in range(20)])
    once = duplicates(data, Duplicates(), rows=FailingRows(maximum=99)).figures
    monkeypatch.setattr(tables, "PASS_ROWS", 6)
    monkeypatch.setattr(tables, "BATCH_ROWS", 3)
    assert duplicates(data, Duplicates(), rows=FailingRows(maximum=99)).figures == once
    assert once["duplicates"][0]["repeated"] == 13


def test_an_unknown_key_is_bad_input() -> None:
    with pytest.raises(BadInputError, match=r"duplicates\.columns names column kye"):
        duplicates(table(key=[1]), Duplicates(columns=["kye"]))


def test_ordinary_columns_pass() -> None:
    found = described({}, a=[1, 2, 3], b=["x", "y", None], label=["p", "q", "p"])
    assert not refused(found)
    assert found.checks[1].value == "most 33.33 %"
    assert found.figures["columns"][1] == {
        "dataset": "training",
        "column": "b",
        "missing": pytest.approx(1 / 3),
        "constant": False,
        "dominance": 0.5,
    }


@pytest.mark.parametrize(
    "nothing", [[None, None], pl.Series([None, None], dtype=pl.String), [float("nan")] * 2, [None, float("nan")]]
)
def test_a_column_without_a_value_is_refused(nothing: Any) -> None:
    found = described({}, a=nothing, label=["p", "q"])
    assert refused(found) == ["every column has values"]
    assert found.checks[0].value == "a"


def test_a_label_without_a_value_is_refused() -> None:
    assert refused(described({}, a=[1, 2], label=[None, None])) == ["every column has values"]


def test_a_constant_feature_is_refused_unless_it_is_on_the_list() -> None:
    assert refused(described({}, a=[1, 1, None], label=["p", "q", "q"])) == ["no feature is constant"]
    assert not refused(described({"allow_constant": ["a"]}, a=[1, 1, None], label=["p", "q", "q"]))


def test_a_feature_that_nearly_always_says_the_same_is_refused() -> None:
    data = {"a": [1] * 99 + [2], "label": ["p", "q"] * 50}
    assert refused(described({"maximum_dominance": 0.98}, **data)) == ["share of a feature's most frequent value"]
    assert not refused(described({"maximum_dominance": 0.99}, **data))


def test_a_sample_decides_only_what_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values beyond the sample count too: one other value is enough not to be constant."""
    monkeypatch.setattr(contents, "_SAMPLE", 50)
    data = {"a": [1] * 999 + [2], "sparse": [None] * 999 + [7], "label": ["p", "q"] * 500}
    found = described({"maximum_dominance": 0.99}, **data)
    assert refused(found) == ["no feature is constant", "share of a feature's most frequent value"]
    assert found.checks[2].value == "sparse"
    assert found.figures["columns"][0]["dominance"] == 0.999


def test_too_many_gaps_are_refused() -> None:
    found = described({"maximum_missing": 0.3}, a=[1, 2, None], label=["p", "q", "q"])
    assert refused(found) == ["missing values of a column"]
    assert found.checks[1].value == "a: 33.33 %"


def test_an_unknown_name_on_the_list_of_constants_is_bad_input() -> None:
    with pytest.raises(BadInputError, match="allowConstant names column b"):
        described({"allow_constant": ["b"]}, a=[1], label=["p"])


def test_classes_with_enough_rows_pass() -> None:
    found = classes(
        table(label=["p"] * 9 + ["q"] * 3),
        Classes.model_validate({"minimum_rows": 3, "minimum_share": 0.25}, by_name=True),
        label="label",
    )
    assert not refused(found)
    assert found.figures["classes"][0]["classes"][1] == {"name": "q", "rows": 3, "share": 0.25}


def test_a_rare_class_is_refused_by_rows_and_by_share() -> None:
    data = table(label=["p"] * 9 + ["q"] * 3)
    assert refused(classes(data, Classes.model_validate({"minimum_rows": 4}, by_name=True), label="label")) == [
        "rows of each class"
    ]
    found = classes(data, Classes.model_validate({"minimum_share": 0.26}, by_name=True), label="label")
    assert found.checks[0].value == "q: 3 (25 %)"
    assert refused(found)


def test_one_class_under_several_spellings_is_one() -> None:
    found = classes(table(label=["True", "true", "no", "no"]), Classes(), label="label")
    assert [entry["name"] for entry in found.figures["classes"][0]["classes"]] == ["no", "true"]


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ([], "no rows"),
        (["p", "p"], "1 classes"),
        ([None, None], "0 classes"),
        (list(range(9)), "9 different values"),
        ([float("inf"), 1.0], "is no label"),
    ],
)
def test_a_label_that_is_no_class_is_bad_input(label: list[Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        classes(table(label=label), Classes(maximum=8), label="label")
