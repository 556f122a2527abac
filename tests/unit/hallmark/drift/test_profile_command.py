"""`hallmark profile`: both files can be used at once, hold for their own data, and say no to other data."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

from hallmark import cli
from hallmark.documents.rules_drift import Drift
from hallmark.drift.detect import find_drift
from hallmark.drift.profile import read_profile
from hallmark.errors import BadInputError
from hallmark.expectations.runner import run_suite
from hallmark.expectations.suite import Suite, load_suite

ROWS = 400


def table(shift: int = 0) -> pl.DataFrame:
    numbers = range(ROWS)
    return pl.DataFrame(
        {
            "key": [f"row-{number:04}" for number in numbers],
            "height": [150.0 + (number * 37) % 61 + shift for number in numbers],
            "children": [number % 4 for number in numbers],
            "income": [None if number % 10 == 0 else number * 1.5 for number in numbers],
            "colour": [("red", "green", "blue")[number % 3] for number in numbers],
            "member": [number % 2 == 0 for number in numbers],
            "since": [datetime.date(2020, 1, 1) + datetime.timedelta(days=number % 300) for number in numbers],
            "seen": [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=number) for number in numbers],
            "label": [number % 2 for number in numbers],
        }
    )


def profiled(folder: Path, data: Path, *flags: str) -> int:
    return cli.main(
        [
            "profile",
            f"--data={data}",
            f"--suite={folder / 'suite.json'}",
            f"--profile={folder / 'profile.json'}",
            *flags,
        ]
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    table().write_parquet(tmp_path / "training.parquet")
    return tmp_path / "training.parquet"


@pytest.mark.parametrize("engine", ["auto", "gx"])
def test_the_proposed_suite_holds_for_the_data_that_it_came_from(
    tmp_path: Path, data: Path, engine: Literal["auto", "gx"]
) -> None:
    assert profiled(tmp_path, data, "--label=label") == 0
    suite = load_suite(tmp_path, "suite.json")
    assert [result.entry for result in run_suite(suite, pl.scan_parquet(data), engine=engine) if not result.held] == []
    kinds = {(entry.type, *entry.columns) for entry in suite.entries}
    assert {
        ("expect_table_row_count_to_be_between",),
        ("expect_column_values_to_be_between", "height"),
        ("expect_column_values_to_be_between", "seen"),
        ("expect_column_values_to_be_in_set", "colour"),
        ("expect_column_values_to_be_in_set", "label"),
        ("expect_column_values_to_be_in_type_list", "children"),
        ("expect_column_values_to_be_unique", "key"),
        ("expect_column_value_lengths_to_be_between", "key"),
    } <= kinds


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (pl.col("height") + 500, "expect_column_values_to_be_between"),
        (pl.lit(None, pl.Float64).alias("height"), "expect_column_values_to_not_be_null"),
        (pl.lit(None, pl.Float64).alias("income"), "expect_column_values_to_not_be_null"),
        (pl.lit("mauve").alias("colour"), "expect_column_values_to_be_in_set"),
        (pl.lit(7).alias("label"), "expect_column_values_to_be_in_set"),
        (pl.lit("a").alias("children"), "expect_column_values_to_be_in_type_list"),
        (pl.lit("row-0001").alias("key"), "expect_column_values_to_be_unique"),
        (pl.col("seen") + pl.duration(days=900), "expect_column_values_to_be_between"),
    ],
)
def test_the_proposed_suite_says_no(tmp_path: Path, data: Path, change: pl.Expr, broken: str) -> None:
    assert profiled(tmp_path, data, "--label=label") == 0
    suite = load_suite(tmp_path, "suite.json")
    changed = table().with_columns(change).lazy()
    wanted = [entry for entry in suite.entries if entry.type == broken]
    results = run_suite(Suite(file="suite.json", entries=tuple(wanted)), changed)
    assert any(not result.held for result in results)


def test_the_profile_stands_in_for_the_data(tmp_path: Path, data: Path) -> None:
    assert profiled(tmp_path, data, "--label=label") == 0
    reference = read_profile(tmp_path / "profile.json")
    rules = Drift.model_validate({"reference": "profile.json"})
    features = [name for name in table().columns if name != "label"]
    same = find_drift(reference, table().lazy(), rules, features=features, label="label")
    assert all(check.passed for check in same.checks)
    moved = find_drift(reference, table(shift=20).lazy(), rules, features=features, label="label")
    assert [check.name for check in moved.checks if not check.passed] == ["drift: height", "drift: share of columns"]


def test_a_csv_file_will_do_and_the_same_data_gives_the_same_bytes(tmp_path: Path) -> None:
    table().write_csv(tmp_path / "training.csv")
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert profiled(tmp_path / name, tmp_path / "training.csv", "--columns", "height", "colour") == 0
        found.append([(tmp_path / name / file).read_bytes() for file in ("suite.json", "profile.json")])
    assert found[0] == found[1]
    assert set(json.loads(found[0][1])["columns"]) == {"height", "colour"}


def test_a_pattern_names_several_files(tmp_path: Path) -> None:
    for part, rows in enumerate(table().iter_slices(ROWS // 2)):
        rows.write_parquet(tmp_path / f"part-{part}.parquet")
    assert profiled(tmp_path, tmp_path / "part-*.parquet") == 0
    assert read_profile(tmp_path / "profile.json").rows == ROWS


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--label=labl"], "did you mean label"),
        (["--columns", "heigth"], "did you mean height"),
        (["--margin=-1"], "no share"),
        (["--maximum-rows=3"], "too few"),
    ],
)
def test_what_is_wrong_is_bad_input(
    tmp_path: Path, data: Path, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert profiled(tmp_path, data, *flags) == 2
    assert said in capsys.readouterr().out
    assert not (tmp_path / "suite.json").exists()


@pytest.mark.parametrize("frame", [table().clear(), table().with_columns(height=None)], ids=["no rows", "no values"])
def test_data_that_says_nothing_is_bad_input(tmp_path: Path, frame: pl.DataFrame) -> None:
    frame.write_parquet(tmp_path / "training.parquet")
    assert profiled(tmp_path, tmp_path / "training.parquet") == 2
    assert not (tmp_path / "profile.json").exists()


def test_twenty_columns_of_numbers_stay_below_half_a_megabyte(tmp_path: Path) -> None:
    rows = pl.int_range(5_000, eager=True)
    frame = pl.DataFrame({f"c{index:02}": (rows * 0.7319).sin() * 1e6 / (index + 3) for index in range(20)})
    frame.write_parquet(tmp_path / "training.parquet")
    assert profiled(tmp_path, tmp_path / "training.parquet") == 0
    assert (tmp_path / "profile.json").stat().st_size <= 500_000


Document = dict[str, Any]


def set_to(column: str, field: str, value: Any) -> Any:
    def change(document: Document) -> None:
        document["columns"][column][field] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda document: document.update(version="hallmark.dev/profile/v2"), "version"),
        (lambda document: document.update(extra=1), "extra"),
        (lambda document: document.update(columns={}), "columns"),
        (set_to("height", "counts", "AAAA"), "columns.height.counts"),
        (set_to("height", "values", "%%"), "columns.height.values"),
        (set_to("height", "count", 7), "columns.height.counts"),
        (set_to("colour", "other", 7), "columns.colour.categories"),
        (set_to("colour", "categories", [["red", 200], ["red", 200]]), "columns.colour.categories"),
        (set_to("colour", "categories", None), "columns.colour.categories"),
        (set_to("height", "kind", "shape"), "columns.height.kind"),
        (set_to("height", "missing", -1), "columns.height.missing"),
        (set_to("height", "missng", 1), "columns.height.missng"),
    ],
)
def test_a_damaged_profile_is_bad_input_with_its_place(tmp_path: Path, data: Path, change: Any, said: str) -> None:
    assert profiled(tmp_path, data) == 0
    document = json.loads((tmp_path / "profile.json").read_text())
    change(document)
    (tmp_path / "profile.json").write_text(json.dumps(document))
    with pytest.raises(BadInputError) as caught:
        read_profile(tmp_path / "profile.json")
    assert "profile.json" in caught.value.message
    assert said in caught.value.message


def test_a_profile_that_is_no_json_or_not_there_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text("{")
    for name, said in (("profile.json", "JSON"), ("other.json", "No such file")):
        with pytest.raises(BadInputError, match=said):
            read_profile(tmp_path / name)
