"""Pictures and tables of a model's evidence: what they show, and that odd values are not drawn."""

from __future__ import annotations

import math
from typing import Any

import defusedxml.ElementTree
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark.accuracy.classes import answers
from hallmark.accuracy.figures import of_classes, of_numbers
from hallmark.accuracy.numbers import Numbers
from hallmark.gate_report import GateReport
from hallmark.reporting import behaviour_figures, model_figures, page, performance_figures
from hallmark.reporting.exhibits import Entry, Exhibit, Table, forest, interval, told
from hallmark.reporting.run import Gate

from .evidence import alive

ACCURACY = {"name": "accuracy", "value": 0.9, "low": 0.85, "high": 0.95, "minimum": 0.88, "decide": "estimate"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
NAMES = (
    *("metrics", "champion", "slices", "fairness", "robustness", "declared", "determinism", "explanations"),
    *("importances", "roc", "calibration", "scores", "predicted", "residuals", "mistakes", "performance"),
)
KEYS = st.sampled_from(
    ["name", "value", "low", "high", "minimum", "maximum", "weakest", "measure", "rows", "groups", "metrics", "rates",
     "looked", "limits", "accuracy", "features", "points", "area", "bins", "edges", "counts", "quantiles", "right",
     "wrong", "confidence", "error", "models", "candidate", "measures", "histogram", "latency.mean", "true",
     "predicted", "p", "limit", "share", "differ", "total", "row", "difference", "champion",
     "examples", "pairs", "background", "others", "others_features", "of"]
)  # fmt: skip
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 1 << 60) | st.floats() | st.sampled_from(["accuracy", "mae", "<b>"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=9),
    max_leaves=40,
)


def shown(figures: dict[str, Any]) -> list[Exhibit]:
    report = GateReport(command="verify-model", status="passed", summary="", figures=figures)
    return page.exhibits(Gate(task="verify-model", command="verify-model", task_status="Succeeded", report=report))


def only(exhibits: list[Exhibit]) -> Table:
    (exhibit,) = exhibits
    assert exhibit.table is not None
    return exhibit.table


def drawn(picture: Any, tag: str) -> list[dict[str, str]]:
    return [element.attrib for element in defusedxml.ElementTree.fromstring(picture).iter(tag)]


def well_formed(exhibits: list[Exhibit]) -> None:
    for exhibit in exhibits:
        table = exhibit.table or Table(columns=(), rows=())
        for picture in (exhibit.picture, table.axis, *(row.picture for row in table.rows)):
            if picture is not None:
                root = defusedxml.ElementTree.fromstring(picture)
                assert root.find("title").text == root.attrib["aria-label"]
                assert "nan" not in picture
                assert '"inf' not in picture
        assert all(len(row.cells) == len(table.columns) for row in table.rows), exhibit.title


def test_a_value_lies_between_its_ends_and_beside_its_limit() -> None:
    table = only(model_figures.metrics([ACCURACY], {"accuracy": True}))
    (row,) = table.rows
    assert row.cells == ("accuracy", "0.9", "0.85 to 0.95", "at least 0.88")
    assert row.result == "passed"
    (point,) = drawn(row.picture, "circle")
    ends, limit = drawn(row.picture, "line")
    assert float(ends["x1"]) < float(limit["x1"]) < float(point["cx"]) < float(ends["x2"])
    assert drawn(row.picture, "svg")[0]["aria-label"] == "accuracy: 0.9, 95 % interval 0.85 to 0.95, limit 0.88"


@pytest.mark.parametrize(
    ("changed", "checks", "result"),
    [
        ({}, {}, "passed"),
        ({"value": 0.879999}, {}, "refused"),
        ({"decide": "bound"}, {}, "refused"),
        ({"decide": "bound", "low": 0.88}, {}, "passed"),
        ({"decide": "bound", "low": None}, {}, "refused"),
        ({"minimum": None}, {}, ""),
        ({"minimum": None, "maximum": 0.89}, {}, "refused"),
        ({"minimum": None, "maximum": 0.94, "decide": "bound"}, {}, "refused"),
        # The limit is held, and still the gate said no.
        ({}, {"accuracy": False}, "refused"),
        ({}, {"accuracy": True, "precision of accuracy": False}, "refused"),
    ],
)
def test_a_metric_is_as_the_limit_and_the_gate_say(
    changed: dict[str, Any], checks: dict[str, bool], result: str
) -> None:
    table = only(model_figures.metrics([{**ACCURACY, **changed}], checks))
    assert table.rows[0].result == result
    marks = drawn(table.rows[0].picture, "path")
    assert bool(marks) == (result == "refused"), "also without colours a refusal looks otherwise"


def test_metrics_of_other_scales_stand_apart() -> None:
    names = ("rmse", "accuracy", "log_loss", "r2")
    tables = model_figures.metrics([{**ACCURACY, "name": name, "value": 0.9} for name in names], {})
    assert [[row.cells[0] for row in exhibit.table.rows] for exhibit in tables if exhibit.table] == [
        *(["accuracy", "r2"], ["log_loss"], ["rmse"])
    ]


@pytest.mark.parametrize(
    "odd",
    [None, [], [None], [{}], [{**ACCURACY, "value": math.nan}], [{"name": "accuracy"}], [{**ACCURACY, "name": {}}]],
)
def test_what_is_no_metric_is_not_shown(odd: Any) -> None:
    assert model_figures.metrics(odd, {}) == []


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_never_rounded_to_the_other_side_of_its_limit(value: float, limit: float) -> None:
    text = float(told(value, limit))
    assert (text > limit, text < limit) == (value > limit, value < limit) or math.isclose(
        value, limit, rel_tol=1e-12, abs_tol=1e-15
    )


def test_an_interval_without_an_end_says_so() -> None:
    assert interval(0.1, None) == "0.1 to unknown"
    assert interval(None, None) == "-"


@given(st.lists(st.tuples(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300)), min_size=1, max_size=5))
def test_every_scale_holds_what_is_drawn(pairs: list[tuple[float, float]]) -> None:
    entries = [Entry(cells=("a",), value=value, low=value, high=value, limits=(limit,)) for value, limit in pairs]
    for bars in (False, True):
        for row in forest(("a",), entries, bars=bars).rows:
            width = float(drawn(row.picture, "svg")[0]["viewBox"].split()[2])
            places = [float(found[name]) for found in drawn(row.picture, "line") for name in ("x1", "x2")]
            assert all(0 <= place <= width for place in places)


def test_without_a_champion_the_page_says_so() -> None:
    (exhibit,) = model_figures.champion([{"metric": "accuracy", "passed": True}])
    assert exhibit.note == "Nothing is in production yet to compare with."
    (exhibit,) = model_figures.champion([{"metric": "accuracy", "champion": "much", "passed": True}])
    assert exhibit.note == "What was compared is not understood."


@pytest.mark.parametrize("ends", [None, {"value": 0.8, "low": 0.7, "high": 0.9}])
def test_the_champion_stands_beside_the_candidate_and_the_gain_below(ends: Any) -> None:
    entry = {"metric": "accuracy", "candidate": ends or 0.8, "champion": ends or 0.8, "difference": 0.0,
             "low": -0.01, "high": 0.01, "p": 0.5, "test": "Tango's", "limit": "better", "passed": False}  # fmt: skip
    values, gain = model_figures.champion([entry])
    assert values.title == gain.title
    assert values.table is not None
    assert gain.table is not None
    assert [row.cells[:2] for row in values.table.rows] == [("candidate", "0.8"), ("champion", "0.8")]
    assert gain.table.rows[0].cells == ("the candidate's gain", "+0", "-0.01 to 0.01", "0.5", "better")
    assert gain.table.rows[0].result == "refused"
    well_formed([values, gain])


def test_real_figures_of_classes_are_all_drawn() -> None:
    random = np.random.default_rng(2)
    truth = random.integers(0, 3, 600)
    scores = random.random((600, 3)) + 0.6 * np.eye(3)[truth]
    table = scores / scores.sum(axis=1, keepdims=True)
    names = ["a", "b", "c"]
    found = of_classes(
        answers(
            [names[t] for t in truth], [names[t] for t in table.argmax(axis=1)], dict(zip(names, table.T, strict=True))
        )
    )
    exhibits = shown(found)
    assert [exhibit.title for exhibit in exhibits] == ["ROC curves", "Calibration", "How sure the model was"]
    well_formed(exhibits)
    curves = [path for path in drawn(exhibits[0].picture, "path") if path["d"].count("L") > 5]
    assert len({path["stroke-dasharray"] for path in curves}) == 3, "curves are told apart without colours"


def test_real_figures_of_numbers_are_all_drawn() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(100, 30, 300)
    found = of_numbers(Numbers(truth=truth, predicted=truth + random.normal(0, 10, 300)))
    exhibits = shown(found)
    assert [exhibit.title for exhibit in exhibits] == ["Predicted and true", "Residuals"]
    assert sum(entry["rows"] for entry in found["predicted"]) == 300
    assert all(entry["low"] <= entry["predicted"] <= entry["high"] for entry in found["predicted"])
    well_formed(exhibits)


def test_too_few_rows_for_groups_are_not_told_one_by_one() -> None:
    truth = np.arange(19.0)
    assert "predicted" not in of_numbers(Numbers(truth=truth, predicted=truth + 1))


def test_the_weakest_slice_stands_first_and_the_limit_is_the_strictest() -> None:
    weakest = [
        {"name": "a", "rows": 50, "value": 0.8, "low": 0.7, "high": 0.9, "p": 0.2, "weak": False},
        {"name": "b", "rows": 40, "value": 0.6, "low": 0.5, "high": 0.7, "p": 0.0, "weak": True},
    ]
    value = {"measure": "accuracy", "value": 0.9, "looked": 9, "weak": 1, "significance": 0.05, "weakest": weakest,
             "limits": {"minimum": 0.5, "maximum_gap": 0.2}}  # fmt: skip
    (exhibit,) = behaviour_figures.slices(value)
    assert exhibit.table is not None
    assert [(row.cells[0], row.result) for row in exhibit.table.rows] == [("b", "warning"), ("a", "")]
    assert "9 slices were looked at; 1 are worse" in exhibit.note
    assert "the limit 0.7" in exhibit.note
    assert "< 0.0001" in exhibit.table.rows[0].cells


def test_slices_that_refuse_come_first_and_those_not_shown_are_counted() -> None:
    weakest = [
        {"name": "a", "rows": 50, "value": 0.6, "low": 0.5, "high": 0.7, "p": 0.01, "weak": True, "refused": True},
        {"name": "b", "rows": 9, "value": 0.5, "low": 0.2, "high": 0.8, "p": 0.04, "weak": True, "refused": False},
    ]
    value = {"measure": "accuracy", "value": 0.9, "looked": 9, "weak": 4, "refused": 3, "significance": 0.05,
             "weakest": weakest, "limits": {"minimum": 0.7}}  # fmt: skip
    (exhibit,) = behaviour_figures.slices(value)
    assert exhibit.table is not None
    assert [(row.cells[0], row.result) for row in exhibit.table.rows] == [("a", "refused"), ("b", "warning")]
    assert "3 refuse the model, 2 of them not shown here." in exhibit.note


def test_a_group_that_was_left_out_says_why() -> None:
    entry = {"columns": ["sex"], "left_out": {"x": "3 rows, fewer than 30"}, "metrics": [], "groups": [
        {"name": "x", "rows": 3, "compared": False, "rates": {"accuracy": 1.0}, "low": 0.4, "high": 1.0}]}  # fmt: skip
    (row,) = only(behaviour_figures.fairness([entry])).rows
    assert row.cells[0] == "x (left out: 3 rows, fewer than 30)"
    assert row.result == "warning"


def test_a_change_without_answers_has_a_row_and_no_picture() -> None:
    entry = {"test": "noise", "rows": 9, "measure": "mae", "value": None, "limits": {}, "passed": False}
    (row,) = only(behaviour_figures.probes({"robustness": [entry]})).rows
    assert (row.result, row.picture) == ("refused", None)


@pytest.mark.parametrize(("rows", "differ", "result"), [(9, 0, "passed"), (9, 1, "refused"), (0, 0, "refused")])
def test_determinism_without_rows_is_no_pass(rows: int, differ: int, result: str) -> None:
    (row,) = only(behaviour_figures.probes({"determinism": {"rows": rows, "differ": differ}})).rows
    assert row.result == result


@pytest.mark.parametrize(("limit", "result"), [(None, "warning"), (0.95, "warning"), (0.5, "refused")])
def test_a_feature_that_carries_the_model_is_told(limit: float | None, result: str) -> None:
    feature = {"feature": "age", "value": 0.3, "low": 0.2, "high": 0.4, "share": 0.93, "rows": 100}
    value = {"measure": "accuracy", "maximum_share": limit, "warning": True, "features": [feature]}
    (exhibit,) = behaviour_figures.importances(value)
    assert exhibit.note.startswith("One feature carries the model: age.")
    assert exhibit.table is not None
    assert exhibit.table.rows[0].result == result


def test_an_example_has_a_bar_for_each_feature_with_its_error_and_what_is_left_of_the_others() -> None:
    feature = {"feature": "age", "value": 0.3, "error": 0.05, "shown": None}
    example = {
        "row": 7, "of": "above", "value": 0.9, "background": 0.2, "features": [feature, {**feature, "shown": "41"}],
        "others": 0.1, "others_features": 3,
    }  # fmt: skip
    figure = {"measure": "probability", "pairs": 50, "examples": [example, {**example, "value": None}]}
    (exhibit,) = behaviour_figures.explanations(figure)
    assert exhibit.title == "Why row 7 got its answer"
    assert "the probability of above from 0.2, the mean of other rows, to 0.9" in exhibit.note
    assert exhibit.table is not None
    assert [row.cells for row in exhibit.table.rows] == [
        ("age", "-", "0.3", "0.202 to 0.398"),
        ("age", "41", "0.3", "0.202 to 0.398"),
        ("3 more features", "-", "0.1", "-"),
    ]  # fmt: skip
    assert all(row.picture for row in exhibit.table.rows)


def test_an_example_whose_values_stay_hidden_has_no_column_for_them() -> None:
    feature = {"feature": "age", "value": 0.3, "error": 0.05, "shown": None}
    example = {"row": 7, "of": "above", "value": 0.9, "background": 0.2, "features": [feature]}
    (exhibit,) = behaviour_figures.explanations({"measure": "probability", "pairs": 50, "examples": [example]})
    assert exhibit.table is not None
    assert [row.cells for row in exhibit.table.rows] == [("age", "0.3", "0.202 to 0.398")]
    assert "showValues" in exhibit.note


def test_latency_has_its_quantiles_limits_and_the_noise_of_the_machine() -> None:
    measure = {"value": 2.0, "low": 1.9, "high": 2.1, "unit": "ms", "samples": 100}
    value = {
        "models": {"candidate": {
            "measures": {"latency.mean": measure, "latency.p99": {**measure, "value": 9.0, "high": 9.5},
                         "memory": {**measure, "unit": "MiB"}},
            "histogram": [[1.0, 0], [2.0, 60], [3.0, 30], [40.0, 10]]}},
        "limits": [{"name": "latency.mean", "limit": 1.5, "atLeast": False, "passed": False}],
        "noise": {"median": 0.1, "spread": 0.25, "drift": 0.05, "throttled": 0.5},
        "rounds": 5, "batchRows": 100, "threads": 1,
    }  # fmt: skip
    latency, histogram, sizes = performance_figures.performance(value)
    assert "spread of 25%" in latency.note
    assert "throttled for 0.50 s" in latency.note
    assert latency.table is not None
    assert [row.result for row in latency.table.rows] == ["refused", ""]
    assert latency.table.rows[0].cells[3] == "at most 1.5"
    assert "up to 40 ms" in histogram.note
    assert histogram.table is not None
    assert [row.cells for row in histogram.table.rows] == [*(("1 to 2", "60"), ("2 to 3", "30"), ("3 to 40", "10"))]
    assert sizes.table is not None
    assert sizes.table.rows[0].cells[:2] == ("memory of the process", "2 MiB")
    well_formed([latency, histogram, sizes])


@given(st.dictionaries(st.sampled_from(NAMES), JSON | ODD, max_size=5))
def test_no_value_breaks_the_evidence(figures: dict[str, Any]) -> None:
    well_formed(shown(figures))


@given(st.data())
def test_no_odd_value_in_right_figures_breaks_the_evidence(data: st.DataObject) -> None:
    """Everything is as it should be, but for a few places."""
    figures = alive("a name")
    for _ in range(data.draw(st.integers(1, 4))):
        inner: Any = figures
        while isinstance(inner, dict | list) and inner:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            key = data.draw(st.sampled_from(keys))
            if not isinstance(inner[key], dict | list) or not inner[key] or data.draw(st.booleans()):
                inner[key] = data.draw(JSON)
                break
            inner = inner[key]
    well_formed(shown(figures))
