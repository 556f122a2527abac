from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from hallmark.errors import BadInputError
from hallmark.expectations.conditions import condition_of
from hallmark.expectations.polars_engine.plan import Unsupported
from hallmark.expectations.results import Result

ROWS = pl.DataFrame(
    {
        "age": [3, 5, None, 8],
        "city": ["Bern", "Genf", "Bern", None],
        "x": [1.0, float("nan"), 2.0, 3.0],
        "ok": [True] * 4,
    }
)


def compared(op: str, parameter: Any, column: str = "age") -> dict[str, Any]:
    return {"type": "comparison", "column": {"name": column}, "operator": op, "parameter": parameter}


MISSING = {"type": "nullity", "column": {"name": "city"}, "is_null": True}
UNDERSTOOD: list[tuple[object, str | None, list[int]]] = [
    (compared(">", 3), None, [1, 3]),
    (compared("!=", 3), None, [1, 2, 3]),
    (compared("IN", [3, 8]), None, [0, 3]),
    (compared("NOT_IN", [3, 8]), None, [1, 2]),
    (compared("==", "Bern", "city"), None, [0, 2]),
    (compared(">=", 2, "x"), None, [2, 3]),
    (MISSING, None, [3]),
    ({**MISSING, "is_null": False}, None, [0, 1, 2]),
    ({"type": "and", "conditions": [compared("<", 9), {**MISSING, "is_null": False}]}, None, [0, 1]),
    ({"type": "or", "conditions": [compared("<", 4), MISSING]}, None, [0, 3]),
    ('col("age") > 3', "great_expectations", [1, 3]),
    ('col("city")=="Bern"', "great_expectations", [0, 2]),
    ('col("x").notNull()', "great_expectations__experimental__", [0, 2, 3]),
    ("age > 3", "pandas", [1, 3]),
    ("age > 3 and city != 'Genf'", "pandas", [3]),
    ("(age < 4 or age > 6) and x <= 3", "pandas", [0, 3]),
    ("city in ['Bern'] and age not in [3]", "pandas", [2]),
    ("age == -1 or age == 5.0", "pandas", [1]),
]
LEFT_TO_GREAT_EXPECTATIONS: list[tuple[object, str | None]] = [
    ("age > 3 & x > 1", "pandas"),
    ("age > @limit", "pandas"),
    ("`age` > 3", "pandas"),
    ("not age > 3", "pandas"),
    ("1 < age < 5", "pandas"),
    ("age > x", "pandas"),
    ("age + 1 > 3", "pandas"),
    ("city.str.startswith('B')", "pandas"),
    ("age > 'a'", "pandas"),
    ("age >", "pandas"),
    ("other > 3", "pandas"),
    ("ok == True", "pandas"),
    ("age > 3", None),
    ("age > 3", "spark"),
    ('col("age") > date("2020-01-01")', "great_expectations"),
    (compared("~", 3), None),
    (compared("==", [3]), None),
    (compared(">", 3, "other"), None),
    ({"type": "and", "conditions": [{"type": "or", "conditions": [MISSING]}]}, None),
    ({"type": "pass_through", "pass_through_filter": "age > 3"}, None),
    (3, None),
]


@pytest.mark.parametrize(("condition", "parser", "rows"), UNDERSTOOD)
def test_polars_takes_the_rows_that_pandas_takes(
    judge: Callable[..., Result], condition: object, parser: str | None, rows: list[int]
) -> None:
    kwargs = {"row_condition": condition, **({"condition_parser": parser} if parser else {})}
    found = condition_of(kwargs, ROWS.schema)
    assert found is not None
    assert ROWS.select(found.rows.arg_true()).to_series().to_list() == rows
    for engine in ("polars", "gx"):
        result = judge(ROWS, "table_row_count_to_equal", engine=engine, value=len(rows), **kwargs)
        assert result.held, result


@pytest.mark.parametrize(("condition", "parser"), LEFT_TO_GREAT_EXPECTATIONS)
def test_what_is_not_certainly_alike_is_left_to_great_expectations(condition: object, parser: str | None) -> None:
    with pytest.raises(Unsupported):
        condition_of({"row_condition": condition, "condition_parser": parser}, ROWS.schema)


def test_without_a_condition_there_is_none() -> None:
    assert condition_of({"column": "age"}, ROWS.schema) is None


def test_a_condition_about_a_column_that_is_not_there_is_bad_input(judge: Callable[..., Result]) -> None:
    with pytest.raises(BadInputError, match="could not be evaluated"):
        judge(ROWS, "table_row_count_to_equal", value=1, row_condition="agee > 3", condition_parser="pandas")
