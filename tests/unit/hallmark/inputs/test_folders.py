import datetime
from pathlib import Path

import polars as pl
import pytest

from hallmark.files import sha256_bytes
from hallmark.inputs import local

from .desk import Desk


def put(desk: Desk, name: str, **columns: list[object]) -> None:
    path = desk.base / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(columns)
    frame.write_parquet(path) if name.endswith(".parquet") else frame.write_csv(path)


@pytest.mark.parametrize("location", ["d", "d/", "d/*.csv", "d/*", "**/*.csv", "d/[ab].csv"])
def test_files_of_a_folder_or_a_pattern_are_read_in_the_order_of_their_names(location: str, desk: Desk) -> None:
    put(desk, "d/b.csv", x=[3])
    put(desk, "d/a.csv", x=[1, 2])
    assert desk.read(location)["x"].to_list() == [1, 2, 3]


def test_the_digest_of_several_files_is_over_their_sorted_names_and_digests(desk: Desk) -> None:
    put(desk, "d/b.csv", x=[3])
    put(desk, "d/p=1/a.csv", x=[1])
    put(desk, "e/a.csv", x=[1])
    put(desk, "e/b.csv", x=[3])
    lines = "".join(
        f"{sha256_bytes((desk.base / 'e' / name).read_bytes())[7:]}  {name}\n" for name in ("a.csv", "b.csv")
    )
    assert desk.digest("e") == desk.digest("e/*.csv") == sha256_bytes(lines.encode())


def test_hive_folders_become_columns(desk: Desk) -> None:
    put(desk, "d/year=2025/day=2025-01-31/land=a%20b/1.parquet", x=[1])
    put(desk, "d/year=2026/day=2026-01-31/land=__HIVE_DEFAULT_PARTITION__/1.parquet", x=[2])
    frame = desk.read("d")
    assert frame.schema == {"x": pl.Int64, "year": pl.Int64, "day": pl.Date, "land": pl.String}
    assert frame.rows() == [
        (1, 2025, datetime.date(2025, 1, 31), "a b"),
        (2, 2026, datetime.date(2026, 1, 31), None),
    ]


def test_a_key_with_a_leading_zero_stays_text(desk: Desk) -> None:
    put(desk, "d/shop=007/1.csv", x=[1])
    assert desk.read("d")["shop"].to_list() == ["007"]


def test_integers_of_one_csv_file_are_floats_if_another_has_floats(desk: Desk) -> None:
    put(desk, "d/a.csv", x=[1], y=[None])
    put(desk, "d/b.csv", x=[0.5], y=[True])
    assert desk.read("d").rows() == [(1.0, None), (0.5, True)]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.csv": {"x": [1]}, "b.csv": {"x": ["t"]}}, "the column x is Int64 in a.csv and String in b.csv"),
        ({"a.parquet": {"x": [1]}, "b.parquet": {"x": [True]}}, "the column x is Int64 in a.parquet and Boolean in b"),
        ({"a.csv": {"x": [1], "y": [1]}, "b.csv": {"x": [1], "yy": [1]}}, "b.csv has no column y, which a.csv has"),
        ({"a.csv": {"x": [1]}, "b.csv": {"x": [1], "y": [1]}}, "b.csv has a column y, which a.csv does not have"),
        ({"a.csv": {"x": [1]}, "b.parquet": {"x": [1]}}, "a.csv is CSV and b.parquet is Parquet"),
        ({"a.csv": {"x": [1]}, "p=1/b.csv": {"x": [1]}}, "lies in folders with the keys p"),
        ({"x=1/a.csv": {"x": [1]}}, "x is a column and a folder's key too"),
        ({"a.csv": {"x": [1]}, "README.md": {"x": [1]}}, "README.md does not look like data"),
        ({"_SUCCESS": {"x": [1]}, ".hidden.csv": {"x": [1]}}, "a folder without data files"),
    ],
)
def test_a_folder_of_unlike_files_is_bad_input(files: dict[str, dict[str, list[object]]], message: str, desk: Desk):
    for name, columns in files.items():
        put(desk, f"d/{name}", **columns)
    assert message in desk.refused("d").message


def test_a_renamed_column_is_guessed(desk: Desk) -> None:
    put(desk, "d/a.csv", price=[1])
    put(desk, "d/b.csv", prices=[1])
    assert "did you mean price by prices?" in desk.refused("d").solution


def test_one_damaged_file_of_a_folder_is_named(desk: Desk) -> None:
    put(desk, "d/a.csv", x=[1], y=[2])
    desk.write("d/b.csv", b"x,y\n1\n")
    assert desk.refused("d").message == "the data: b.csv: line 2 has 1 fields, the header has 2"


@pytest.mark.parametrize("location", ["../out.csv", "d/../../out.csv", "/etc/passwd", "d/link.csv", "d", "d/*.csv"])
def test_nothing_outside_the_folder_is_read(location: str, desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_bytes(b"a,b\n1,2\n")
    (desk.base / "d").mkdir()
    (desk.base / "d" / "link.csv").symlink_to(tmp_path / "out.csv")
    message = desk.refused(location).message
    assert "leads out of" in message or "is no path inside its folder" in message


def test_a_link_inside_the_folder_is_followed_as_a_mounted_secret_needs_it(desk: Desk) -> None:
    put(desk, "..data/a.csv", x=[1])
    (desk.base / "a.csv").symlink_to("..data/a.csv")
    assert desk.read("a.csv")["x"].to_list() == [1]


def test_a_linked_folder_among_the_data_is_not_left_out_silently(desk: Desk) -> None:
    put(desk, "d/a.csv", x=[1])
    put(desk, "e/b.csv", x=[1])
    (desk.base / "d" / "e").symlink_to("../e")
    assert "e is a link to a folder" in desk.refused("d").message


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("", "has an empty location"),
        ("nothing.csv", "the data is missing"),
        ("*.csv", "no file fits"),
        ("a**/x", "no file fits|no pattern"),
        ("s4://bucket/key", "is no kind of location"),
        ("http://me:secret@127.0.0.1/d.csv", "holds a user or a password"),
        ("postgresql://me:secret@127.0.0.1/db", "holds a user or a password"),
        ("http://[", "is no URL"),
    ],
)
def test_a_location_that_leads_nowhere_is_bad_input(location: str, message: str, desk: Desk) -> None:
    error = desk.refused(location)
    assert any(part in error.message for part in message.split("|"))
    assert "secret" not in error.message


def test_a_folder_of_too_many_files_is_bad_input(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "MAXIMUM_FILES", 1)
    put(desk, "d/a.csv", x=[1])
    put(desk, "d/b.csv", x=[1])
    assert "more than 1 files" in desk.refused("d").message
