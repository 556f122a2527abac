"""Figures from the reports' values: what they show, and that odd values are not drawn."""

from __future__ import annotations

import math
from typing import Any

import defusedxml.ElementTree
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark.reporting import figures

ACCURACY = {"value": 0.9555, "low": 0.851, "high": 0.987, "minimum": 0.9}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def attributes(svg: Any, tag: str) -> list[dict[str, str]]:
    root = defusedxml.ElementTree.fromstring(svg)
    return [element.attrib for element in root.iter(tag)]


def texts(svg: Any) -> list[str]:
    return [element.text or "" for element in defusedxml.ElementTree.fromstring(svg).iter("text")]


def test_accuracy_shows_value_interval_and_limit_and_says_them_to_a_screen_reader() -> None:
    svg = figures.accuracy(ACCURACY)
    (root,) = attributes(svg, "svg")
    assert root["aria-label"] == "accuracy 95.5 %, 95 % interval 85.1 % to 98.7 %, limit 90 %"
    assert texts(svg)[-2:] == ["95.5 % (85.1 % to 98.7 %)", "at least 90 %"]
    (point,) = attributes(svg, "circle")
    interval, limit = attributes(svg, "line")[-2:]
    assert float(interval["x1"]) < float(limit["x1"]) < float(point["cx"]) < float(interval["x2"])


@pytest.mark.parametrize(("value", "style"), [(0.9, "point good"), (0.8999, "point bad")])
def test_accuracy_below_the_limit_looks_bad_and_never_rounds_up_to_it(value: float, style: str) -> None:
    svg = figures.accuracy({**ACCURACY, "value": value})
    assert attributes(svg, "circle")[0]["class"] == style
    assert ("90 % (" in texts(svg)[-2]) == (value == 0.9)


@pytest.mark.parametrize("odd", [None, [], {}, {**ACCURACY, "low": None}, {**ACCURACY, "value": math.nan}])
def test_an_accuracy_that_is_none_is_not_drawn(odd: Any) -> None:
    assert figures.accuracy(odd) is None


def test_every_accuracy_has_a_scale_that_holds_it() -> None:
    for minimum in (0.0, 0.5, 0.99, 1.0):
        svg = figures.accuracy({"value": 1.0, "low": 1.0, "high": 1.0, "minimum": minimum})
        assert 3 <= len([text for text in texts(svg)[:-2] if text.endswith(" %")]) <= 11


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
    for draw in (figures.accuracy, figures.histogram):
        svg = draw(value)
        assert svg is None or svg.startswith("<svg ")
    figures.confusion_matrix(value)
    figures.tests(value)
    assert len(figures.expectations(value)) <= figures.MAXIMUM_ROWS
    assert len(figures.rows(value, ("a",))) <= figures.MAXIMUM_ROWS
    assert len(figures.settings(value)) <= figures.MAXIMUM_ROWS
