from typing import Any

import polars as pl
import pytest

from hallmark.documents.loading import parse
from hallmark.documents.rules_inputs import InputRules
from hallmark.errors import BadInputError
from hallmark.files import sha256_bytes
from hallmark.findings import Findings

from .desk import Desk, rules

CSV = b"a,b,c\n1,x,0.5\n2,y,1.5\n3,,2.5\n"


def columns(**kinds: str) -> list[dict[str, Any]]:
    return [{"name": name, "type": kind} for name, kind in kinds.items()]


def refused(findings: Findings) -> dict[str, str]:
    return {check.name.removeprefix("the data: "): check.value for check in findings.checks if not check.passed}


@pytest.fixture
def data(desk: Desk) -> Desk:
    desk.write("d.csv", CSV)
    return desk


def test_what_fits_all_rules_passes(data: Desk) -> None:
    found = data.check(
        "d.csv",
        sha256=sha256_bytes(CSV),
        rows={"minimum": 3, "maximum": 3},
        schema={"columns": columns(a="integer", b="string", c="number"), "order": "exact"},
    )
    assert refused(found) == {}
    assert len(found.checks) == 6
    assert found.figures == {
        "inputs": [
            {
                "what": "the data",
                "location": "d.csv",
                "format": "CSV",
                "files": 1,
                "bytes": len(CSV),
                "rows": 3,
                "digest": sha256_bytes(CSV),
                "columns": [
                    {"name": "a", "type": "integer"},
                    {"name": "b", "type": "string"},
                    {"name": "c", "type": "number"},
                ],
            }
        ]
    }


def test_without_rules_it_is_still_asked_for_rows(data: Desk) -> None:
    assert [check.name for check in data.check("d.csv").checks] == ["the data: rows"]


@pytest.mark.parametrize("limits", [2, 4, {"minimum": 4}, {"minimum": 1, "maximum": 2}])
def test_another_number_of_rows_is_refused(limits: object, data: Desk) -> None:
    assert refused(data.check("d.csv", rows=limits)) == {"rows": "3 rows"}


def test_another_digest_is_refused(data: Desk) -> None:
    found = refused(data.check("d.csv", opened_with=rules(), sha256=sha256_bytes(b"")))
    assert found == {"is the one that the rules name": f"{sha256_bytes(CSV)} differs from policy.yaml's sha256"}


@pytest.mark.parametrize(
    ("schema", "name", "value"),
    [
        ({"columns": columns(a="integer", b="string", cc="number")}, "no column is missing", "cc (is c meant?)"),
        ({"columns": columns(a="integer", b="string")}, "no other columns", "c"),
        (
            {"columns": columns(b="string", a="integer", c="number"), "order": "exact"},
            "columns in order",
            "a stands where b should",
        ),
        ({"columns": columns(a="string", b="string", c="number")}, "types", None),
        ({"columns": columns(a="integer", b="integer", c="number")}, "types", "b is string, not integer"),
        ({"columns": columns(a="integer", b="string", c="integer")}, "types", "c is number, not integer"),
        ({"columns": columns(a="integer", b="date", c="number")}, "types", "b is string, not date"),
        (
            {"columns": [*columns(a="integer", c="number"), {"name": "b", "type": "string", "nullable": False}]},
            "no missing values",
            "b: 1",
        ),
    ],
)
def test_other_columns_are_refused(schema: dict[str, Any], name: str, value: str | None, data: Desk) -> None:
    found = refused(data.check("d.csv", schema=schema))
    # A column that the rules call text is read as text.
    assert found.get(name) == value


def test_columns_that_the_schema_allows_are_no_fault(data: Desk) -> None:
    assert refused(data.check("d.csv", schema={"columns": columns(a="number"), "extra": "allow"})) == {}


@pytest.mark.parametrize(
    ("dtype", "kind", "passes"),
    [
        (pl.Int8(), "integer", True),
        (pl.Float32(), "number", True),
        (pl.UInt64(), "number", True),
        (pl.Decimal(10, 2), "decimal", True),
        (pl.Decimal(10, 2), "number", False),
        (pl.Categorical(), "string", True),
        (pl.Boolean(), "integer", False),
        (pl.Date(), "datetime", False),
        (pl.Datetime("ns", "UTC"), "datetime", True),
        (pl.Null(), "string", False),
        (pl.List(pl.Int64()), "string", False),
    ],
)
def test_types_of_parquet_are_told_apart(dtype: pl.DataType, kind: str, passes: bool, desk: Desk) -> None:
    pl.DataFrame({"x": pl.Series([None, None], dtype=dtype)}).write_parquet(desk.base / "d")
    assert ("types" not in refused(desk.check("d", schema={"columns": columns(x=kind)}))) is passes


def test_a_misspelt_rule_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(BadInputError, match=r"rules\.yaml:1:1: unknown key sha265") as caught:
        parse("sha265: x", InputRules, name="rules.yaml")
    assert caught.value.solution == "did you mean sha256?"


@pytest.mark.parametrize(
    "text",
    [
        "rows: 0",
        "rows: {minimum: 5, maximum: 4}",
        "rows: {minimum: 0}",
        "schema: {columns: []}",
        "schema: {columns: [{name: a, type: integer}, {name: a, type: string}]}",
        "schema: {columns: [{name: a, type: int}]}",
        "delimiter: ',,'",
        "delimiter: '\"'",
        "sha256: abc",
        "sql: {}",
        "sql: {query: SELECT 1, table: t}",
        "sql: {query: SELECT 1, orderBy: [a]}",
        "sql: {table: 't; DROP TABLE t'}",
        "s3: {endpoint: 'http://me:secret@host'}",
    ],
)
def test_rules_that_make_no_sense_are_bad_input(text: str) -> None:
    with pytest.raises(BadInputError):
        parse(text, InputRules, name="rules.yaml")
