"""Drawings of drift: what they show, and that odd values are not drawn."""

from __future__ import annotations

from typing import Any

import defusedxml.ElementTree
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark.reporting.drift_figures import MAXIMUM_DRAWN, drift

NUMBERS = {
    "column": "age", "role": "feature", "kind": "numeric", "statistic": "ks", "value": 0.4, "limit": 0.05,
    "adjusted_p": 0.0, "drifted": True, "error": 0.0,
    "histogram": {"edges": [0.0, 10.0, 20.0], "reference": [0.1, 0.5, 0.4, 0.0], "current": [0.0, 0.2, 0.3, 0.5]},
}  # fmt: skip
NAMES = {**NUMBERS, "column": "colour", "histogram": None, "categories": {
    "names": ["<red>", "other"], "reference": [0.5, 0.5], "current": [1.0, 0.0]}}  # fmt: skip

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def titles(svg: Any) -> list[str]:
    return [element.text or "" for element in defusedxml.ElementTree.fromstring(svg).iter("title")]


def test_a_drifted_column_is_drawn_with_what_lies_beyond_the_edges() -> None:
    (row,) = drift([NUMBERS])
    assert titles(row.drawing)[1:] == [
        "below 0: 0 %, was 10 %",
        "0 to 10: 20 %, was 50 %",
        "10 to 20: 30 %, was 40 %",
        "above 20: 50 %, was 0 %",
    ]


def test_categories_are_named_and_escaped() -> None:
    (row,) = drift([NAMES])
    assert titles(row.drawing)[1] == "<red>: 100 %, was 50 %"
    assert "<red>" not in str(row.drawing)


def test_times_are_shown_as_dates() -> None:
    (row,) = drift([{**NUMBERS, "kind": "time"}])
    assert titles(row.drawing)[1].startswith("below 1970-01-01")


def test_what_drifted_most_comes_first_and_only_that_is_drawn() -> None:
    calm = {**NUMBERS, "column": "calm", "drifted": False, "value": 0.9}
    rows = drift([calm, *({**NUMBERS, "column": f"c{index:02}", "value": 0.1 + index / 100} for index in range(20))])
    assert [row.column for row in rows[:2]] == ["c19", "c18"]
    assert [row.drawing is not None for row in rows] == [True] * MAXIMUM_DRAWN + [False] * (21 - MAXIMUM_DRAWN)
    assert rows[-1].column == "calm"


@pytest.mark.parametrize(
    "odd",
    [
        {"edges": [0, 1], "reference": [0.5, 0.5], "current": [0.5, 0.5]},
        {"edges": [1, 0], "reference": [0, 1, 0], "current": [0, 1, 0]},
        {"edges": [0, 1], "reference": [0, 2, 0], "current": [0, 1, 0]},
        {"edges": [0, 1], "reference": [0, 1, None], "current": [0, 1, 0]},
        {"edges": [0, 1], "reference": [0, 1, 0]},
    ],
)
def test_odd_histograms_are_not_drawn(odd: dict[str, Any]) -> None:
    assert drift([{**NUMBERS, "histogram": odd}])[0].drawing is None


@pytest.mark.parametrize("odd", [None, 3, [3], [{}], [{**NUMBERS, "limit": 0}], [{**NUMBERS, "value": "a"}]])
def test_odd_entries_are_left_out(odd: Any) -> None:
    assert drift(odd) == []


@given(JSON, JSON, JSON)
def test_no_value_breaks_a_drawing(one: Any, two: Any, three: Any) -> None:
    drift(one)
    drift([{**NUMBERS, "histogram": {"edges": one, "reference": two, "current": three}}, {**NUMBERS, "kind": one}])
    drift([{**NAMES, "categories": {"names": one, "reference": two, "current": three}}])
