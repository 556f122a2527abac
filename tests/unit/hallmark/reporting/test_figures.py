"""Figures from the reports' values: what they show, and that odd values are not drawn."""

from __future__ import annotations

import math
from typing import Any

import defusedxml.ElementTree
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark.reporting import figures

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def attributes(svg: Any, tag: str) -> list[dict[str, str]]:
    root = defusedxml.ElementTree.fromstring(svg)
    return [element.attrib for element in root.iter(tag)]


def test_a_confusion_matrix_is_shaded_by_the_share_of_its_row() -> None:
    matrix = figures.confusion_matrix({"labels": ["a", "b"], "counts": [[3, 1], [0, 0]]})
    assert matrix is not None
    assert [(cell.count, cell.share, cell.right) for row in matrix.rows for cell in row] == [
        *((3, 0.75, True), (1, 0.25, False)),
        *((0, 0.0, False), (0, 0.0, True)),
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"labels": ["a"], "counts": []},
        {"labels": ["a"], "counts": [[1, 2]]},
        {"labels": ["a"], "counts": [[-1]]},
        {"labels": ["a"], "counts": [[0.5]]},
        {"labels": ["a"], "counts": [[True]]},
        {"labels": ["a"], "counts": ["1"]},
        {"labels": list("abcdefghijklmnopqrstu"), "counts": [[0] * 21] * 21},
    ],
)
def test_a_confusion_matrix_of_another_shape_is_not_shown(odd: Any) -> None:
    assert figures.confusion_matrix(odd) is None


def test_a_histogram_counts_every_answer_and_names_its_quantiles() -> None:
    svg: Any = figures.histogram([0.001] * 95 + [0.010] * 5)
    titles = [element.text or "" for element in defusedxml.ElementTree.fromstring(svg).iter("title")]
    assert titles[0] == "100 answers: median 1 ms, 95th percentile 1 ms, slowest 10 ms"
    assert [int(title.split()[0]) for title in titles[1:]] == [95, 5]


def test_a_histogram_needs_at_least_one_number() -> None:
    assert figures.histogram([]) is None
    assert figures.histogram(["a", None, math.inf, -1, True]) is None
    assert figures.histogram([0.0]) is not None


def test_a_bar_stays_in_its_frame() -> None:
    assert [attributes(figures.bar(percent), "rect")[1]["width"] for percent in (-5, 50, 500)] == [
        *("0.0", "50.0", "100.0")
    ]


def test_an_expectation_that_only_warns_looks_like_no_refusal() -> None:
    rows = figures.expectations(
        [{"passed": True}, {"passed": False}, {"passed": False, "severity": "warning"}, {"severity": "critical"}, "odd"]
    )
    assert [row.result for row in rows] == ["passed", "refused", "warning", "refused"]


def test_settings_are_dotted_names() -> None:
    assert figures.settings({"a": {"b": [1, 2], "c": {"d": None}}, "e": True}) == [
        *(("a.b", "1, 2"), ("a.c.d", "None"), ("e", "True"))
    ]


@given(JSON)
def test_no_value_breaks_a_figure(value: Any) -> None:
    svg = figures.histogram(value)
    assert svg is None or svg.startswith("<svg ")
    figures.confusion_matrix(value)
    figures.tests(value)
    assert len(figures.expectations(value)) <= figures.MAXIMUM_ROWS
    assert len(figures.rows(value, ("a",))) <= figures.MAXIMUM_ROWS
    assert len(figures.settings(value)) <= figures.MAXIMUM_ROWS
