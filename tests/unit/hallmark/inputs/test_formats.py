import datetime
import gzip
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from hallmark.files import sha256_bytes
from hallmark.inputs.opening import WrongDigestError

from .desk import Desk

FRAME = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None], "c": [0.5, 1.5, 2.5]})
CSV = b"a,b,c\n1,x,0.5\n2,y,1.5\n3,,2.5\n"
JSON = b'{"a":1,"b":"x","c":0.5}\n{"a":2,"b":"y","c":1.5}\n{"a":3,"c":2.5}\n'


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


@pytest.mark.parametrize("name", ["data", "data.csv"])
def test_parquet_and_arrow_are_told_by_their_bytes(name: str, desk: Desk) -> None:
    FRAME.write_parquet(desk.base / name)
    assert desk.read(name).equals(FRAME)
    FRAME.write_ipc(desk.base / name)
    assert desk.read(name).equals(FRAME)


@pytest.mark.parametrize("content", [CSV, JSON, CSV.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + CSV])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_text_is_read_packed_or_not_with_a_byte_order_mark_or_not(content: bytes, pack, desk: Desk) -> None:
    desk.write("data.txt", pack(content))
    assert desk.read("data.txt").equals(FRAME)


def test_a_byte_order_mark_of_json_lines_is_stripped(desk: Desk) -> None:
    desk.write("data.jsonl", b"\xef\xbb\xbf" + JSON)
    assert desk.read("data.jsonl").equals(FRAME)


def test_the_rules_may_name_another_delimiter(desk: Desk) -> None:
    desk.write("data.csv", CSV.replace(b",", b";"))
    assert desk.read("data.csv", delimiter=";").equals(FRAME)


def test_quoted_values_may_hold_delimiters_quotes_and_line_breaks(desk: Desk) -> None:
    desk.write("data.csv", b'a,b\r\n1,"x, ""y""\n\r\nz"\r\n2,"w"\r\n')
    assert desk.read("data.csv").rows() == [(1, 'x, "y"\n\r\nz'), (2, "w")]


def test_a_quoted_value_may_stretch_over_blocks(desk: Desk) -> None:
    long = "x,\n" * 200_000
    desk.write("data.csv", f'a,b\n1,"{long}"\n2,"{long}"\n'.encode())
    assert desk.read("data.csv").rows() == [(1, long), (2, long)]


def test_the_last_row_needs_no_line_end(desk: Desk) -> None:
    desk.write("data.csv", CSV.rstrip(b"\n"))
    assert desk.read("data.csv").equals(FRAME)


@pytest.mark.parametrize(
    ("late", "dtype"), [(b"0.5", pl.Float64), (b"x", pl.String), (b"99999999999999999999", pl.Int128)]
)
def test_the_type_of_a_csv_column_follows_from_all_of_its_rows(late: bytes, dtype: object, desk: Desk) -> None:
    desk.write("data.csv", b"a\n" + b"1\n" * 20_000 + late + b"\n")
    assert desk.read("data.csv").schema == {"a": dtype}


def test_a_csv_column_that_is_empty_at_first_has_the_type_of_what_comes_later(desk: Desk) -> None:
    desk.write("data.csv", b"a,b\n" + b",1\n" * 20_000 + b"7,1\n")
    assert desk.read("data.csv").schema == {"a": pl.Int64, "b": pl.Int64}


def column(name: str, kind: str, **more: object) -> dict[str, object]:
    return {"name": name, "type": kind, **more}


def test_the_rules_give_text_its_types(desk: Desk) -> None:
    desk.write(
        "data.csv",
        b"zip,day,at,zoned,price,ok\n007,2026-01-31,2026-01-31T12:00:00,2026-01-31T12:00:00Z,0.10,True\n"
        b"042,,2026-02-01 13:00:00.5,2026-01-31T12:00:00+02:00,12,false\n",
    )
    kinds = ("string", "date", "datetime", "datetime", "decimal", "boolean")
    names = ("zip", "day", "at", "zoned", "price", "ok")
    frame = desk.read("data.csv", schema={"columns": [column(n, k) for n, k in zip(names, kinds, strict=True)]})
    assert frame.row(0) == (
        "007",
        datetime.date(2026, 1, 31),
        datetime.datetime(2026, 1, 31, 12),
        datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC),
        Decimal("0.10"),
        True,
    )
    assert frame["price"].dtype == pl.Decimal(38, 2)
    assert frame["at"][1] == datetime.datetime(2026, 2, 1, 13, 0, 0, 500_000)


@pytest.mark.parametrize("kind", ["date", "datetime", "decimal", "boolean"])
def test_a_column_with_a_value_that_does_not_fit_its_type_stays_text(kind: str, desk: Desk) -> None:
    desk.write("data.csv", b"a,b\nx,1\n,2\n")
    assert desk.read("data.csv", schema={"columns": [column("a", kind)]})["a"].to_list() == ["x", None]


def test_the_digest_is_that_of_the_bytes(desk: Desk) -> None:
    desk.write("data.csv.gz", gzip.compress(CSV))
    assert desk.digest("data.csv.gz") == sha256_bytes((desk.base / "data.csv.gz").read_bytes())


def test_another_digest_is_told_before_anything_is_parsed(desk: Desk) -> None:
    desk.write("data.parquet", b"PAR1 damaged")
    error = desk.refused("data.parquet", sha256=sha256_bytes(b"another"))
    assert isinstance(error, WrongDigestError)
    assert error.found == sha256_bytes(b"PAR1 damaged")
    assert error.exit_code == 2


def test_the_right_digest_is_accepted(desk: Desk) -> None:
    desk.write("data.csv", CSV)
    assert desk.read("data.csv", sha256=sha256_bytes(CSV)).equals(FRAME)


def test_the_frame_is_lazy_and_reads_only_what_is_asked_for(desk: Desk, tmp_path: Path) -> None:
    desk.write("data.csv", CSV)
    from hallmark.inputs.opening import open_input

    with open_input("data.csv", base=desk.base, what="the data", scratch=desk.scratch) as opened:
        assert isinstance(opened.frame, pl.LazyFrame)
        assert opened.collect(opened.frame.select(pl.col("a").sum())).item() == 6
        assert (opened.format, opened.files, opened.size) == ("CSV", ("data.csv",), len(CSV))
