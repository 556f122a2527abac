import pytest
from hypothesis import given
from hypothesis import strategies as st

from tkn_solo.values import Value, format_duration, parse_duration, type_of, value_from_data, value_to_data


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("text", "text"),
        (["a"], ("a",)),
        ([], ()),
        ({"k": "v"}, {"k": "v"}),
        (1, "1"),
        (1.5, "1.5"),
        (1000.0, "1000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (0.000001, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (-0.0, "-0"),
        ([1.0, "a"], '[1,"a"]'),
        (True, "true"),
        (None, ""),
        (["a", 1], '["a",1]'),
        ({"b": 1, "a": "x"}, '{"a":"x","b":1}'),
        ([["a"]], '[["a"]]'),
    ],
)
def test_other_data_than_strings_becomes_its_json_text(data: object, value: Value) -> None:
    assert value_from_data(data) == value


def test_values_have_a_type() -> None:
    assert [type_of(value) for value in ("", (), {})] == ["string", "array", "object"]


@given(st.text() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()))
def test_a_value_survives_the_way_to_data_and_back(data: object) -> None:
    assert value_to_data(value_from_data(data)) == data


@pytest.mark.parametrize(
    ("text", "seconds", "printed"),
    [
        ("1h", 3600, "1h0m0s"),
        ("1h30m", 5400, "1h30m0s"),
        ("90s", 90, "1m30s"),
        ("500ms", 0.5, "500ms"),
        ("2.5s", 2.5, "2.5s"),
        ("0", 0, "0s"),
        ("0s", 0, "0s"),
        ("1m0.25s", 60.25, "1m0.25s"),
        ("100us", 0.0001, "100µs"),
        ("-1s", -1, "-1s"),
    ],
)
def test_durations_are_read_and_printed_as_go_does(text: str, seconds: float, printed: str) -> None:
    assert parse_duration(text) == pytest.approx(seconds)
    assert format_duration(parse_duration(text)) == printed


@pytest.mark.parametrize("text", ["", "1", "1 s", "1d", "s", "1h-1m", "--1s"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**9))
def test_milliseconds_survive_printing_and_reading(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)
