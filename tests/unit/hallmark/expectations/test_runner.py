import datetime
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from hallmark.errors import BadInputError
from hallmark.expectations.polars_engine.engine import PLANNERS
from hallmark.expectations.results import Result
from hallmark.expectations.runner import run_suite
from hallmark.expectations.suite import Entry, Suite

ROWS = pl.DataFrame(
    {
        "id": [1, 2, 3, 3],
        "x": [1.0, 2.5, None, float("nan")],
        "y": [2.0, 2.5, 3.0, 1.0],
        "city": ["Bern", "Genf", None, "Bern"],
        "json": ["{}", "[1]", "{", "x"],
        "day": ["2020-01-01", "2020-13-01", "x", None],
        "when": [datetime.datetime(2020, 1, day) for day in (1, 2, 3, 4)],
    }
)
RANGES = {"quantiles": [0.5], "value_ranges": [[10, 20]]}
SAYS_NO: list[tuple[str, dict[str, Any]]] = [
    ("column_distinct_values_to_be_in_set", {"column": "city", "value_set": ["Bern"]}),
    ("column_distinct_values_to_contain_set", {"column": "city", "value_set": ["Basel"]}),
    ("column_distinct_values_to_equal_set", {"column": "city", "value_set": ["Bern"]}),
    ("column_max_to_be_between", {"column": "id", "max_value": 2}),
    ("column_mean_to_be_between", {"column": "id", "min_value": 5}),
    ("column_median_to_be_between", {"column": "id", "min_value": 5}),
    ("column_min_to_be_between", {"column": "id", "min_value": 2}),
    ("column_most_common_value_to_be_in_set", {"column": "city", "value_set": ["Genf"]}),
    ("column_pair_values_a_to_be_greater_than_b", {"column_A": "id", "column_B": "y"}),
    ("column_pair_values_to_be_equal", {"column_A": "id", "column_B": "y"}),
    ("column_pair_values_to_be_in_set", {"column_A": "id", "column_B": "y", "value_pairs_set": [[1, 2]]}),
    ("column_proportion_of_non_null_values_to_be_between", {"column": "x", "min_value": 0.9}),
    ("column_proportion_of_unique_values_to_be_between", {"column": "id", "min_value": 0.9}),
    ("column_quantile_values_to_be_between", {"column": "id", "quantile_ranges": RANGES}),
    ("column_stdev_to_be_between", {"column": "id", "min_value": 5}),
    ("column_sum_to_be_between", {"column": "id", "max_value": 5}),
    ("column_to_exist", {"column": "other"}),
    ("column_type_to_be", {"column": "id", "type_": "float64"}),
    ("column_unique_value_count_to_be_between", {"column": "id", "max_value": 2}),
    ("column_value_lengths_to_be_between", {"column": "city", "max_value": 3}),
    ("column_value_lengths_to_equal", {"column": "city", "value": 3}),
    ("column_value_z_scores_to_be_less_than", {"column": "id", "threshold": 1, "double_sided": True}),
    ("column_values_to_be_between", {"column": "x", "max_value": 2}),
    ("column_values_to_be_between", {"column": "when", "min_value": "2020-01-02T00:00:00"}),
    ("column_values_to_be_decreasing", {"column": "id"}),
    ("column_values_to_be_in_set", {"column": "city", "value_set": ["Bern"]}),
    ("column_values_to_be_in_type_list", {"column": "id", "type_list": ["float", "bool"]}),
    ("column_values_to_be_increasing", {"column": "id", "strictly": True}),
    ("column_values_to_be_json_parseable", {"column": "json"}),
    ("column_values_to_be_null", {"column": "x"}),
    ("column_values_to_be_of_type", {"column": "id", "type_": "str"}),
    ("column_values_to_be_unique", {"column": "id"}),
    ("column_values_to_match_regex", {"column": "city", "regex": "^B"}),
    ("column_values_to_match_regex_list", {"column": "city", "regex_list": ["^B", "f$"], "match_on": "all"}),
    ("column_values_to_match_strftime_format", {"column": "day", "strftime_format": "%Y-%m-%d"}),
    ("column_values_to_not_be_in_set", {"column": "id", "value_set": [3]}),
    ("column_values_to_not_be_null", {"column": "x"}),
    ("column_values_to_not_be_outliers", {"column": "id", "multiplier": 0.1}),
    ("column_values_to_not_match_regex", {"column": "city", "regex": "^B"}),
    ("column_values_to_not_match_regex_list", {"column": "city", "regex_list": ["^B", "f$"]}),
    ("compound_columns_to_be_unique", {"column_list": ["id", "id2"]}),
    ("multicolumn_sum_to_equal", {"column_list": ["id", "y"], "sum_total": 3}),
    ("multicolumn_values_to_be_equal", {"column_list": ["id", "y"]}),
    ("select_column_values_to_be_unique_within_record", {"column_list": ["id", "id2"]}),
    ("table_column_count_to_be_between", {"max_value": 2}),
    ("table_column_count_to_equal", {"value": 2}),
    ("table_columns_to_match_ordered_list", {"column_list": ["id", "x"]}),
    ("table_columns_to_match_set", {"column_set": ["id", "x"]}),
    ("table_row_count_to_be_between", {"min_value": 5}),
    ("table_row_count_to_equal", {"value": 5}),
]


def suite(*entries: tuple[str, dict[str, Any]]) -> Suite:
    return Suite(
        file="suite.json",
        entries=tuple(
            Entry(where=f"suite.json: expectation {number}", type=f"expect_{kind}", kwargs=kwargs, severity="critical")
            for number, (kind, kwargs) in enumerate(entries, start=1)
        ),
    )


def test_every_expectation_says_no_and_polars_is_who_says_it() -> None:
    rows = ROWS.with_columns(id2=pl.col("id"))
    results = run_suite(suite(*SAYS_NO), rows.lazy())
    assert [result.entry.type for result in results if result.held or result.engine != "polars"] == []
    assert {result.entry.type for result in results} == set(PLANNERS)


def test_great_expectations_says_no_to_the_same() -> None:
    rows = ROWS.with_columns(id2=pl.col("id"))
    found = run_suite(suite(*SAYS_NO), rows.lazy(), engine="gx")
    assert not any(result.held for result in found)
    assert {result.engine for result in found} == {"gx"}


def test_results_stand_in_the_order_of_the_suite_whoever_found_them() -> None:
    dates = ("column_values_to_be_dateutil_parseable", {"column": "day", "mostly": 0.3})
    rows = ("table_row_count_to_equal", {"value": 4})
    results = run_suite(suite(dates, rows, dates), ROWS.lazy())
    assert [result.engine for result in results] == ["gx", "polars", "gx"]
    assert [result.held for result in results] == [True, True, True]


def test_the_result_has_the_shape_of_great_expectations(judge: Callable[..., Result]) -> None:
    for engine in ("polars", "gx"):
        result = judge(ROWS, "column_values_to_be_between", engine=engine, column="x", max_value=2, mostly=0.6)
        assert result.outcome == {
            "success": False,
            "result": {
                "element_count": 4,
                "unexpected_count": 1,
                "unexpected_percent": 50.0,
                "missing_count": 2,
                "missing_percent": 50.0,
                "unexpected_percent_total": 25.0,
                "unexpected_percent_nonmissing": 50.0,
            },
        }
        assert (result.engine, result.unexpected, result.unexpected_percent) == (engine, 1, 50.0)


def test_no_value_of_the_data_is_kept_where_a_list_of_them_would_be(judge: Callable[..., Result]) -> None:
    for engine in ("polars", "gx"):
        result = judge(ROWS, "column_most_common_value_to_be_in_set", engine=engine, column="city", value_set=["Genf"])
        assert result.outcome["result"] == {"observed_value": None}


NOTHING = pl.DataFrame({"x": pl.Series([None, None], dtype=pl.Float64), "y": [1.0, 2.0], "s": ["a", "b"]})
VACUOUS = [
    ("column_values_to_be_between", {"column": "x", "min_value": 0}),
    ("column_values_to_be_unique", {"column": "x"}),
    ("column_distinct_values_to_be_in_set", {"column": "x", "value_set": [1]}),
    ("column_sum_to_be_between", {"column": "x", "min_value": -1}),
    ("column_pair_values_to_be_equal", {"column_A": "x", "column_B": "x"}),
    ("column_values_to_not_be_null", {"column": "y", "row_condition": "y > 5", "condition_parser": "pandas"}),
    (
        "column_sum_to_be_between",
        {"column": "y", "min_value": 0, "row_condition": "y > 5", "condition_parser": "pandas"},
    ),
    (
        "column_values_to_match_regex",
        {"column": "s", "regex": "a", "row_condition": "y > 5", "condition_parser": "pandas"},
    ),
]


@pytest.mark.parametrize("engine", ["auto", "gx"])
@pytest.mark.parametrize(("kind", "kwargs"), VACUOUS)
def test_what_saw_no_value_does_not_hold(judge: Callable[..., Result], engine: str, kind: str, kwargs: Any) -> None:
    result = judge(NOTHING, kind, engine=engine, **kwargs)
    assert result.outcome["success"] is True
    assert result.vacuous
    assert not result.held


def test_a_table_without_rows_does_not_hold(judge: Callable[..., Result]) -> None:
    for engine in ("polars", "gx"):
        assert judge(NOTHING.clear(), "column_values_to_not_be_null", engine=engine, column="y").vacuous


@pytest.mark.parametrize("engine", ["auto", "polars", "gx"])
def test_a_missing_column_is_bad_input_with_the_nearest_known(judge: Callable[..., Result], engine: str) -> None:
    with pytest.raises(BadInputError, match="about column citty") as caught:
        judge(ROWS, "column_values_to_be_unique", engine=engine, column="citty")
    assert caught.value.solution == "did you mean city?"


@pytest.mark.parametrize("engine", ["auto", "gx"])
def test_a_misspelt_expectation_is_bad_input_with_the_nearest_known(judge: Callable[..., Result], engine: str) -> None:
    with pytest.raises(BadInputError, match="unknown type expect_column_values_to_be_uniqe") as caught:
        judge(ROWS, "column_values_to_be_uniqe", engine=engine, column="id")
    assert caught.value.solution == "did you mean expect_column_values_to_be_unique?"


def test_what_only_great_expectations_evaluates_is_refused_by_the_polars_engine(judge: Callable[..., Result]) -> None:
    with pytest.raises(BadInputError, match="is not one that polars evaluates"):
        judge(ROWS, "column_values_to_be_dateutil_parseable", engine="polars", column="day")
    with pytest.raises(BadInputError, match="argument mostli"):
        judge(ROWS, "column_values_to_be_unique", engine="polars", column="id", mostli=0.5)


@pytest.mark.parametrize("engine", ["auto", "gx"])
def test_a_wrong_argument_is_bad_input(judge: Callable[..., Result], engine: str) -> None:
    with pytest.raises(BadInputError, match="wrong arguments"):
        judge(ROWS, "column_values_to_be_unique", engine=engine, column="id", mostli=0.5)
    with pytest.raises(BadInputError, match="could not be evaluated"):
        judge(ROWS, "column_mean_to_be_between", engine=engine, column="city", min_value=1)


def test_a_statistic_at_its_limit_is_great_expectations_to_decide(judge: Callable[..., Result]) -> None:
    thirds = pl.DataFrame({"x": [0.1] * 3})
    assert judge(thirds, "column_mean_to_be_between", column="x", max_value=0.1).engine == "gx"
    assert judge(thirds, "column_mean_to_be_between", column="x", max_value=0.2).engine == "polars"
    assert judge(thirds, "column_mean_to_be_between", engine="polars", column="x", max_value=0.2).engine == "polars"


def test_integers_beyond_a_float_are_great_expectations_to_compare(judge: Callable[..., Result]) -> None:
    large = pl.DataFrame({"x": [2**53 + 1, 2]})
    assert judge(large, "column_values_to_be_between", column="x", min_value=0).engine == "gx"
    assert judge(large, "column_values_to_be_unique", column="x").engine == "polars"


def test_the_polars_path_imports_neither_pandas_nor_great_expectations() -> None:
    script = """
import sys
import polars as pl
from hallmark.expectations.runner import run_suite
from hallmark.expectations.suite import Entry, Suite
entry = Entry(where="1", type="expect_column_values_to_be_unique", kwargs={"column": "a"}, severity="critical")
assert run_suite(Suite(file="s", entries=(entry,)), pl.LazyFrame({"a": [1]}))[0].held
print(sorted({"pandas", "numpy", "scipy", "pyarrow", "great_expectations"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_data_that_ends_in_the_middle_is_bad_input(tmp_path: Any) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a\n" + "1\n" * 2000 + "x\n")
    entry = ("column_values_to_be_unique", {"column": "a"})
    with pytest.raises(BadInputError, match="could not be read"):
        run_suite(suite(entry), pl.scan_csv(file))
