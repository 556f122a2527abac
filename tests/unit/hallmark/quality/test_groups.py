from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from hallmark.documents.loading import parse
from hallmark.documents.rules_quality import Groups
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.quality.groups import groups
from hallmark.quality.labels import Task
from hallmark.quality.tables import Table

PEOPLE = {
    "sex": ["f"] * 40 + ["m"] * 60,
    "age": [20, 30, 50, 70] * 25,
    "income": ["high"] * 10 + ["low"] * 30 + ["high"] * 30 + ["low"] * 30,
}


def judged(data: dict[str, Any] | None = None, *, task: Task = "classification", **rules: Any) -> Findings:
    chosen = {"columns": ["sex"], **rules}
    table = Table(name="training", rows=pl.LazyFrame(PEOPLE if data is None else data))
    return groups(
        table, Groups.model_validate(chosen, by_name=True), label="income", task=task, where="data.quality.groups.0"
    )


def refused(found: Findings) -> list[str]:
    return [check.name.removeprefix("training data: ") for check in found.checks if not check.passed]


def test_groups_that_are_large_enough_pass() -> None:
    found = judged()
    assert not refused(found)
    assert found.checks[0].value == "smallest f: 40 (40 %)"
    assert [group["rows"] for group in found.figures["groups"][0]["groups"]] == [40, 60]


def test_a_group_with_too_few_rows_is_refused() -> None:
    assert refused(judged(minimum_rows=41)) == ["rows of each group by sex"]


def test_a_group_with_too_small_a_share_is_refused() -> None:
    assert refused(judged(minimum_share=0.41)) == ["rows of each group by sex"]
    assert not refused(judged(minimum_share=0.4))


def test_a_group_that_is_not_there_at_all_is_refused() -> None:
    found = judged(expected=["f", "m", "x"])
    assert refused(found) == ["expected groups by sex"]
    assert found.checks[0].value == "missing: x"
    assert not refused(judged(expected=["f", "m"]))


def test_the_four_fifths_rule_refuses_a_ratio_of_a_half() -> None:
    found = judged(positive="high", minimum_ratio=0.8)
    assert refused(found) == ["rate of high by sex, lowest to highest"]
    assert found.checks[1].value == "0.5 (f 0.25, m 0.5)"
    assert not refused(judged(positive="high", minimum_ratio=0.5))


def test_a_difference_above_the_limit_is_refused() -> None:
    assert refused(judged(positive="high", maximum_difference=0.2)) == ["rate of high by sex, difference"]
    assert not refused(judged(positive="high", maximum_difference=0.25))


def test_a_rate_comes_with_its_interval() -> None:
    (figure,) = judged(positive="high").figures["groups"]
    low, high = (figure["groups"][0][name] for name in ("low", "high"))
    assert low < 0.25 < high


def test_intersections_are_groups_of_their_own() -> None:
    found = judged(columns=["sex", "age"], edges={"age": [25, 60]}, minimum_rows=11)
    names = [group["name"] for group in found.figures["groups"][0]["groups"]]
    assert names == ["f / 25..60", "f / 60 and over", "f / under 25", "m / 25..60", "m / 60 and over", "m / under 25"]
    assert refused(found) == ["rows of each group by sex and age"]


def test_an_edge_belongs_to_the_group_above_it() -> None:
    found = judged(columns=["age"], edges={"age": [30]}, minimum_rows=1)
    assert {group["name"]: group["rows"] for group in found.figures["groups"][0]["groups"]} == {
        "under 30": 25,
        "30 and over": 75,
    }


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_rows_without_a_group_are_a_group(missing: float | None) -> None:
    data = {"age": [1.0] * 50 + [missing] * 50, "income": ["high", "low"] * 50}
    for edges in ({}, {"age": [0.5]}):
        names = [group["name"] for group in judged(data, columns=["age"], edges=edges).figures["groups"][0]["groups"]]
        assert "(missing)" in names


def test_a_number_as_label_is_compared_by_its_mean() -> None:
    data = {"sex": ["f", "m"] * 50, "income": [10.0, 20.0] * 50}
    found = judged(data, task="regression", maximum_difference=5)
    assert refused(found) == ["mean of the label by sex, difference"]
    assert found.checks[1].value == "10 (f 10, m 20)"
    assert refused(judged(data, task="regression", minimum_ratio=0.8)) == [
        "mean of the label by sex, lowest to highest"
    ]


def test_a_class_is_named_as_reports_name_it() -> None:
    data = {"sex": ["f", "m"] * 50, "income": [True, False] * 50}
    assert judged(data, positive="true", maximum_difference=0.5).checks[1].value == "1 (m 0, f 1)"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"columns": ["sexx"]}, "names column sexx"),
        ({"positive": "High"}, "names the class High"),
        ({"minimum_ratio": 0.8}, "names no class"),
        ({"columns": ["sex"], "edges": {"sex": [1.0]}}, "of type String"),
    ],
)
def test_rules_that_do_not_fit_the_data_are_bad_input(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        judged(**rules)


def test_one_group_has_nothing_to_be_compared_with() -> None:
    data = {"sex": ["f"] * 50, "income": ["high", "low"] * 25}
    with pytest.raises(BadInputError, match="has 1 with a label"):
        judged(data, positive="high", minimum_ratio=0.8)


def test_a_ratio_of_negative_means_is_bad_input() -> None:
    data = {"sex": ["f", "m"] * 50, "income": [-10.0, 20.0] * 50}
    with pytest.raises(BadInputError, match="has no ratio"):
        judged(data, task="regression", minimum_ratio=0.8)


def test_a_column_of_ids_makes_no_groups() -> None:
    data = {"sex": list(range(500)), "income": ["high", "low"] * 250}
    with pytest.raises(BadInputError, match="makes 500 groups") as caught:
        judged(data)
    assert "edges" in caught.value.solution


def test_empty_data_is_bad_input() -> None:
    with pytest.raises(BadInputError, match="no rows"):
        judged({"sex": [], "income": []})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("columns: [age]\nedges: {age: [40, 30]}", "have to ascend"),
        ("columns: [age]\nedges: {sex: [40]}", "none of the columns"),
        ("columns: [age]\nminimumRow: 3", "unknown key minimumRow"),
        ("columns: []", "columns"),
    ],
)
def test_a_mistake_in_the_rules_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said) as caught:
        parse(text, Groups, name="policy.yaml")
    assert "policy.yaml:" in caught.value.message
