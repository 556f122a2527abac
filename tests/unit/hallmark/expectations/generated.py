"""Random tables, and random expectations about them, for the comparison of the two executors."""

import datetime
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import strategies as st

LARGEST = 12
"""Rows of a table."""

_INTEGERS = st.one_of(st.integers(-3, 4), st.integers(-1000, 1000))
_FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 1.5, 2.0, 3.0, -1.0]),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]),
    st.floats(-1e6, 1e6),
)
_LETTERS = "ab1 .\n\t\x0b\x1c_-é€ß٣²中😀"
_TEXTS = st.one_of(st.sampled_from(["a", "b", "ab", "", "1", "a1", "x", "2020-01-01"]), st.text(_LETTERS, max_size=4))
_MOMENTS = st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2030, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)
_DAYS = st.dates(datetime.date(1990, 1, 1), datetime.date(2030, 1, 1))
_KINDS: list[tuple[pl.DataType, st.SearchStrategy[Any]]] = [
    (pl.Int64(), _INTEGERS),
    (pl.Int64(), _INTEGERS),
    (pl.Int64(), st.one_of(_INTEGERS, st.integers(-(2**63), 2**63 - 1))),
    (pl.Int32(), _INTEGERS),
    (pl.Int8(), st.integers(-128, 127)),
    (pl.UInt8(), st.integers(0, 255)),
    (pl.UInt64(), st.integers(0, 300)),
    (pl.Float64(), _FLOATS),
    (pl.Float64(), _FLOATS),
    (pl.Float64(), st.floats(-1e3, 1e3)),
    (pl.Float32(), st.floats(-1e3, 1e3, width=32)),
    (pl.String(), _TEXTS),
    (pl.String(), _TEXTS),
    (pl.String(), _TEXTS),
    (pl.String(), _TEXTS),
    (pl.Boolean(), st.booleans()),
    (pl.Datetime("us"), _MOMENTS),
    (pl.Date(), _DAYS),
    (pl.Decimal(10, 2), st.integers(-300, 300).map(lambda cents: Decimal(cents) / 100)),
    (pl.Null(), st.none()),
    (pl.Categorical(), st.sampled_from(["a", "b"])),
]
NAMES = ("a", "b", "c", "d", "e", "f", "größe", "with space")


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """Up to 12 rows of 3 to 8 columns, of which some have gaps."""
    rows = draw(st.one_of(st.integers(0, LARGEST), st.integers(4, LARGEST)))
    columns = {}
    for name in NAMES[: draw(st.integers(3, len(NAMES)))]:
        dtype, values = draw(st.sampled_from(_KINDS))
        gaps = draw(st.sampled_from([0, 0, 1, 1, 2]))
        each = values if gaps == 0 else st.one_of(values, values, st.none()) if gaps == 1 else st.none()
        columns[name] = pl.Series(draw(st.lists(each, min_size=rows, max_size=rows)), dtype=dtype, strict=False)
    return pl.DataFrame(columns)


_SMALL = st.one_of(st.integers(-4, 6), st.sampled_from([0.5, 1.5, -0.5, 1e3, -1e3]), st.floats(-100, 100))
_REGEXES = st.sampled_from(
    ["a", "^a", "a$", "^[a-z]+$", r"\d", r"^\d+$", r"\s", r"\S+", r"^\w*$", r"\W", r"\ba", "(a|b)1?", "a{1,2}$", "[^a]",
     r"^\w+\Z", ".", "^.$", "(?i)A", "(?=a)", r"[\d.]", "a.?b", "é", r"[[]", "$", "^$", r"x|\.", "[a-", "(?P<n>a)"]
)  # fmt: skip
_FORMATS = st.sampled_from(["%Y-%m-%d", "%H:%M", "%d.%m.%Y"])


def _values(frame: pl.DataFrame, name: str) -> st.SearchStrategy[Any]:
    """A value to expect: often one of the column's own kind."""
    dtype = frame.schema[name]
    if dtype == pl.String:
        return st.one_of(_TEXTS, _TEXTS, _SMALL)
    if dtype == pl.Boolean:
        return st.one_of(st.booleans(), st.booleans(), _SMALL)
    if dtype.is_temporal():
        return _MOMENTS.map(lambda moment: moment.isoformat())
    present = [value for value in frame[name].to_list() if isinstance(value, (int, float)) and abs(value) < 1e6]
    return st.one_of(_SMALL, st.sampled_from(present)) if present else _SMALL


def _limits(draw: st.DrawFn, values: st.SearchStrategy[Any], *, strict: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = {}
    bounds = sorted([draw(values), draw(values)], key=lambda value: (str(type(value)), value))
    which = draw(st.sampled_from(["both", "both", "min", "max"]))
    if which != "max":
        found["min_value"] = bounds[0]
    if which != "min":
        found["max_value"] = bounds[1]
    for key in ("strict_min", "strict_max"):
        if strict and draw(st.booleans()):
            found[key] = True
    return found


def _shares() -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from([0, 0.25, 0.5, 1]), st.floats(0, 1))


MAPS = (
    "between", "in_set", "not_in_set", "null", "not_null", "unique", "regex", "not_regex", "regex_list",
    "not_regex_list", "lengths", "length", "increasing", "decreasing", "z", "outliers", "json", "strftime",
    "type", "type_list",
)  # fmt: skip
AGGREGATES = (
    "max", "min", "mean", "median", "stdev", "sum", "unique_count", "unique_share", "share", "quantile", "mode",
    "distinct_in", "distinct_has", "distinct_is", "column_type",
)  # fmt: skip
TABLES = ("rows", "rows_is", "columns", "columns_is", "ordered", "set", "exists")
SEVERAL = ("pair_equal", "pair_greater", "pair_in", "compound", "sum_is", "all_equal", "in_row")
KINDS = MAPS + AGGREGATES + TABLES + SEVERAL
OF_TEXT = ("regex", "not_regex", "regex_list", "not_regex_list", "lengths", "length", "json", "strftime")
OF_NUMBERS = ("z", "outliers", "max", "min", "mean", "median", "stdev", "sum", "quantile", "between")
_TYPES = st.sampled_from(["int", "float", "str", "bool", "int64", "float64", "object", "int8", "float32", "uint8"])


def _column_entry(draw: st.DrawFn, frame: pl.DataFrame, kind: str, name: str) -> tuple[str, dict[str, Any]]:  # noqa: C901
    values = _values(frame, name)
    some = st.lists(values, min_size=1, max_size=4)
    match kind:
        case "between":
            return "expect_column_values_to_be_between", _limits(draw, values)
        case "in_set" | "not_in_set":
            middle = "to_be" if kind == "in_set" else "to_not_be"
            return f"expect_column_values_{middle}_in_set", {"value_set": draw(some)}
        case "null" | "not_null":
            return f"expect_column_values_to_{'be' if kind == 'null' else 'not_be'}_null", {}
        case "unique":
            return "expect_column_values_to_be_unique", {}
        case "regex" | "not_regex":
            return f"expect_column_values_to_{'' if kind == 'regex' else 'not_'}match_regex", {"regex": draw(_REGEXES)}
        case "regex_list":
            how = draw(st.sampled_from([{}, {"match_on": "any"}, {"match_on": "all"}]))
            patterns = draw(st.lists(_REGEXES, min_size=1, max_size=3))
            return "expect_column_values_to_match_regex_list", {"regex_list": patterns, **how}
        case "not_regex_list":
            patterns = draw(st.lists(_REGEXES, min_size=1, max_size=3))
            return "expect_column_values_to_not_match_regex_list", {"regex_list": patterns}
        case "lengths":
            return "expect_column_value_lengths_to_be_between", _limits(draw, st.integers(0, 4))
        case "length":
            return "expect_column_value_lengths_to_equal", {"value": draw(st.integers(0, 4))}
        case "increasing" | "decreasing":
            return f"expect_column_values_to_be_{kind}", draw(st.sampled_from([{}, {"strictly": True}]))
        case "z":
            sides = {"double_sided": draw(st.booleans())}
            return "expect_column_value_z_scores_to_be_less_than", {"threshold": draw(st.floats(0, 3)), **sides}
        case "outliers":
            how = draw(st.sampled_from([{}, {"method": "std", "multiplier": 1.3}, {"multiplier": 0.7}]))
            return "expect_column_values_to_not_be_outliers", how
        case "json":
            return "expect_column_values_to_be_json_parseable", {}
        case "strftime":
            return "expect_column_values_to_match_strftime_format", {"strftime_format": draw(_FORMATS)}
        case "type":
            return "expect_column_values_to_be_of_type", {"type_": draw(_TYPES)}
        case "type_list":
            names = draw(st.lists(_TYPES, min_size=1, max_size=3))
            return "expect_column_values_to_be_in_type_list", {"type_list": names}
        case "max" | "min" | "mean" | "median" | "stdev" | "sum":
            return f"expect_column_{kind}_to_be_between", _limits(draw, _SMALL)
        case "unique_count":
            return "expect_column_unique_value_count_to_be_between", _limits(draw, st.integers(0, LARGEST))
        case "unique_share":
            return "expect_column_proportion_of_unique_values_to_be_between", _limits(draw, _shares())
        case "share":
            return "expect_column_proportion_of_non_null_values_to_be_between", _limits(draw, _shares())
        case "quantile":
            shares = draw(st.lists(_shares(), min_size=1, max_size=3))
            ranges = [sorted([draw(_SMALL), draw(_SMALL)]) for _ in shares]
            how = draw(st.sampled_from([False, "linear", "lower", "higher", "midpoint", "nearest"]))
            ranges[0][draw(st.integers(0, 1))] = None
            return "expect_column_quantile_values_to_be_between", {
                "quantile_ranges": {"quantiles": shares, "value_ranges": ranges}, "allow_relative_error": how,
            }  # fmt: skip
        case "mode":
            ties = draw(st.sampled_from([{}, {"ties_okay": True}]))
            return "expect_column_most_common_value_to_be_in_set", {"value_set": draw(some), **ties}
        case "distinct_in":
            return "expect_column_distinct_values_to_be_in_set", {"value_set": draw(some)}
        case "distinct_has":
            return "expect_column_distinct_values_to_contain_set", {"value_set": draw(some)}
        case "distinct_is":
            return "expect_column_distinct_values_to_equal_set", {"value_set": draw(some)}
    return "expect_column_type_to_be", {"type_": draw(_TYPES)}


def _table_entry(draw: st.DrawFn, frame: pl.DataFrame, kind: str) -> tuple[str, dict[str, Any]]:
    counts, names = st.integers(0, LARGEST), st.permutations(frame.columns)
    match kind:
        case "rows":
            return "expect_table_row_count_to_be_between", _limits(draw, counts)
        case "rows_is":
            return "expect_table_row_count_to_equal", {"value": draw(st.sampled_from([frame.height, 3]))}
        case "columns":
            return "expect_table_column_count_to_be_between", _limits(draw, counts, strict=False)
        case "columns_is":
            return "expect_table_column_count_to_equal", {"value": draw(st.integers(3, 8))}
        case "ordered":
            wanted = draw(st.one_of(st.just(frame.columns), names))
            return "expect_table_columns_to_match_ordered_list", {"column_list": list(wanted)}
        case "set":
            exact = draw(st.sampled_from([{}, {"exact_match": False}, {"exact_match": True}]))
            wanted = draw(names)[draw(st.integers(0, 1)) :] + draw(st.sampled_from([[], ["other"]]))
            return "expect_table_columns_to_match_set", {"column_set": wanted, **exact}
    place = draw(st.sampled_from([{}, {"column_index": 0}, {"column_index": 1}, {"column_index": 20}]))
    return "expect_column_to_exist", {"column": draw(st.sampled_from([*frame.columns, "other"])), **place}


def _several_entry(draw: st.DrawFn, frame: pl.DataFrame, kind: str) -> tuple[str, dict[str, Any]]:
    # Columns of one kind more often than chance would have it.
    first = draw(st.sampled_from(frame.columns))
    alike = [name for name in frame.columns if frame.schema[name].is_numeric() == frame.schema[first].is_numeric()]
    names = draw(st.permutations(draw(st.sampled_from([alike, frame.columns]))))
    pair, several = [first, names[0]], names[: draw(st.integers(2, 4))]
    rules = {}
    if draw(st.booleans()):
        known = (
            ("both_values_are_missing", "either_value_is_missing", "neither")
            if kind.startswith("pair")
            else ("all_values_are_missing", "any_value_is_missing", "never")
        )
        rules = {"ignore_row_if": draw(st.sampled_from(known))}
    match kind:
        case "pair_equal":
            return "expect_column_pair_values_to_be_equal", {"column_A": pair[0], "column_B": pair[1], **rules}
        case "pair_greater":
            equal = draw(st.sampled_from([{}, {"or_equal": True}]))
            kwargs = {"column_A": pair[0], "column_B": pair[1], **equal, **rules}
            return "expect_column_pair_values_a_to_be_greater_than_b", kwargs
        case "pair_in":
            left, right = (st.one_of(_values(frame, name), st.none()) for name in pair)
            pairs = [list(each) for each in draw(st.lists(st.tuples(left, right), min_size=1, max_size=4))]
            kwargs = {"column_A": pair[0], "column_B": pair[1], "value_pairs_set": pairs, **rules}
            return "expect_column_pair_values_to_be_in_set", kwargs
        case "compound":
            return "expect_compound_columns_to_be_unique", {"column_list": several, **rules}
        case "sum_is":
            return "expect_multicolumn_sum_to_equal", {"column_list": several, "sum_total": draw(_SMALL), **rules}
        case "all_equal":
            return "expect_multicolumn_values_to_be_equal", {"column_list": several, **rules}
    return "expect_select_column_values_to_be_unique_within_record", {"column_list": several, **rules}


def _condition(draw: st.DrawFn, frame: pl.DataFrame) -> dict[str, Any]:
    name = draw(st.sampled_from(frame.columns))
    value, op = draw(_values(frame, name)), draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
    literal = f'"{value}"' if isinstance(value, str) else repr(value)
    if isinstance(value, str) and not value.isalnum():
        literal, value = '"a"', "a"
    compared = {"type": "comparison", "column": {"name": name}, "operator": op, "parameter": value}
    among = {**compared, "operator": draw(st.sampled_from(["IN", "NOT_IN"])), "parameter": [value]}
    there = {"type": "nullity", "column": {"name": name}, "is_null": draw(st.booleans())}
    return draw(
        st.sampled_from(
            [
                {"row_condition": compared},
                {"row_condition": among},
                {"row_condition": there},
                {"row_condition": {"type": "and", "conditions": [compared, there]}},
                {"row_condition": {"type": "or", "conditions": [among, compared]}},
                {"row_condition": f'col("{name}") {op} {literal}', "condition_parser": "great_expectations"},
                {"row_condition": f'col("{name}").notNull()', "condition_parser": "great_expectations"},
                {"row_condition": f"{name} {op} {literal}", "condition_parser": "pandas"},
                {"row_condition": f"{name} {op} {literal} and {name} in [{literal}]", "condition_parser": "pandas"},
                {"row_condition": f"{name} not in [{literal}] or {name} {op} {literal}", "condition_parser": "pandas"},
            ]
        )
    )


def _fits(kind: str, dtype: pl.DataType) -> bool:
    if kind in OF_TEXT:
        return dtype == pl.String
    return dtype in (pl.Int64, pl.Float64) if kind in OF_NUMBERS else not dtype.is_nested()


@st.composite
def expectations(draw: st.DrawFn, frame: pl.DataFrame, kind: str) -> dict[str, Any]:
    """An entry of a suite for the table, of one of KINDS; not always one that can be evaluated."""
    if kind in TABLES:
        found, kwargs = _table_entry(draw, frame, kind)
    elif kind in SEVERAL:
        found, kwargs = _several_entry(draw, frame, kind)
    else:
        # Mostly a column of the kind that the expectation is for.
        fitting = [name for name, dtype in frame.schema.items() if _fits(kind, dtype)]
        name = draw(st.sampled_from(fitting * 6 + frame.columns))
        found, kwargs = _column_entry(draw, frame, kind, name)
        kwargs = {"column": name, **kwargs}
    if kind in MAPS + SEVERAL and draw(st.booleans()):
        kwargs["mostly"] = draw(st.one_of(st.sampled_from([0, 1, 0.5, 0.75]), st.floats(0, 1)))
    if kind not in (*TABLES[2:], "column_type") and draw(st.integers(0, 3)) == 0:
        kwargs |= _condition(draw, frame)
    return {"type": found, "kwargs": kwargs}
