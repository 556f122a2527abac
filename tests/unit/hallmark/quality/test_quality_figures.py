from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from hallmark.reporting import quality_figures as figures

GROUPS = [
    {
        "dataset": "training",
        "columns": ["sex"],
        "rows": 100,
        "minimum_rows": 30,
        "minimum_share": 0.1,
        "measure": "rate",
        "positive": "high",
        "groups": [
            {"name": "<b>f</b>", "rows": 20, "share": 0.2, "rate": 0.25, "low": 0.1, "high": 0.4},
            {"name": "m", "rows": 80, "share": 0.8, "rate": 0.5, "low": 0.4, "high": 0.6},
        ],
    }
]


def drawn(picture: Any) -> ElementTree.Element:
    """The picture as XML: what is well-formed has nothing unescaped in it."""
    return ElementTree.fromstring(str(picture))  # noqa: S314


def test_groups_have_a_bar_each_and_one_under_the_limit_is_marked() -> None:
    (found,) = figures.groups(GROUPS)
    picture = drawn(found.picture)
    assert found.title == "training data: groups by sex"
    assert [bar.get("class") for bar in picture.iter("rect")] == ["bar low", "bar"]
    assert len(list(picture.iter("circle"))) == 2
    assert "the smallest <b>f</b> with 20 rows" in picture.get("aria-label", "")
    assert "<b>" not in found.picture


def test_many_groups_are_cut_and_counted() -> None:
    many = [{"name": str(place), "rows": 1, "share": 0.01} for place in range(60)]
    (found,) = figures.groups([{**GROUPS[0], "groups": many}])
    assert len(list(drawn(found.picture).iter("rect"))) == figures.MAXIMUM_BARS
    assert "and 20 more" in found.picture


def test_means_may_be_negative() -> None:
    entries = [{"name": name, "rows": 5, "share": 0.5, "rate": rate} for name, rate in (("a", -3.0), ("b", 4.0))]
    (found,) = figures.groups([{**GROUPS[0], "measure": "mean", "groups": entries}])
    assert all(0 <= float(point.get("cx", "-1")) <= 640 for point in drawn(found.picture).iter("circle"))


def test_classes_are_drawn_without_rates() -> None:
    (found,) = figures.classes([{"dataset": "training", "label": "y", "classes": GROUPS[0]["groups"]}])
    assert found.title == "training data: classes of y"


def test_leakage_is_drawn_with_its_limit() -> None:
    scores = [{"feature": "a", "measure": "AUC", "score": 0.9, "maximum": 0.8}, {"feature": "b", "score": 0.1}]
    picture = figures.leakage(scores)
    assert len(list(drawn(picture).iter("rect"))) == 2
    assert "at most 0.8" in str(picture)


def test_failing_rows_keep_their_numbers_and_cells() -> None:
    (found,) = figures.failing_rows(
        [{"dataset": "training", "check": "c", "total": 9, "rows": [2, 4], "columns": ["a"], "values": [["x"], [None]]}]
    )
    assert found.rows == ((2, ("x",)), (4, ("missing",)))
    (bare,) = figures.failing_rows([{"total": 9, "rows": [2], "columns": [], "values": []}])
    assert (bare.columns, bare.rows) == ((), ((2, ()),))


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "text",
        {},
        [None, 3],
        [{}],
        [{"groups": [{"share": "x"}], "rows": [True], "score": float("nan"), "classes": 3, "total": 1}],
        [{"groups": [{"share": 2, "rows": 1}], "score": True}],
    ],
)
def test_what_is_no_figure_is_left_out(value: Any) -> None:
    assert figures.groups(value) == figures.classes(value) == figures.failing_rows(value) == []
    assert figures.leakage(value) is None
