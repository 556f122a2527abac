"""What is wrong with a file is told with its name and, in text, its line; never with a value."""

import gzip
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hallmark.errors import BadInputError, ToolFailedError
from hallmark.inputs.opening import open_input

from .desk import Desk


def parquet(rows: int = 1000) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame({"a": list(range(rows))}).write_parquet(buffer)
    return buffer.getvalue()


def damaged(content: bytes, start: int, length: int) -> bytes:
    return content[:start] + b"\xff" * length + content[start + length :]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.csv", b"", "is empty"),
        ("d.csv", b" \n\n", "is empty"),
        ("d.csv", b"\xef\xbb\xbf", "is empty"),
        ("d.csv", b"a,b\n", "has a header and no rows"),
        ("d.csv", b"a,b", "has a header and no rows"),
        ("d.csv", b"a;b;c\n1;2;3\n", "line 1 is one column with delimiter ','"),
        ("d.csv", b"a\tb\n1\t2\n", "though it has a tab in it"),
        ("d.csv", b"a,a\n1,2\n", "line 1 has two columns a"),
        ("d.csv", b"a,,c\n1,2,3\n", "line 1: column 2 has no name"),
        ("d.csv", b"a,b\n1,2\n3,\xff\xfe\n", "line 3 is not UTF-8"),
        ("d.csv", b"a,\xff\n1,2\n", "line 1 is not UTF-8"),
        ("d.csv", b"a,b\n1,\x00\n", "line 2 has a NUL character"),
        ("d.csv", b"a,\x00\n1,2\n", "line 1 has a NUL character"),
        ("d.csv", b"a,b,c\n1,2,3\n1,2\n", "line 3 has 2 fields, the header has 3"),
        ("d.csv", b"a,b,c\n1,2,3\n1,2,3,4\n", "line 3 has 4 fields, the header has 3"),
        ("d.csv", b"a,b,c\n1,2\n1,2,3,4\n", "line 2 has 2 fields, the header has 3"),
        ("d.csv", b'a,b,c\n1,"x\ny",3\n1,2\n', "line 4 has 2 fields, the header has 3"),
        ("d.csv", b"a,b\n1,2\n\n3,4\n", "line 3 is blank"),
        ("d.csv", b"a,b\r\n1,2\r\n\r\n", "line 3 is blank"),
        ("d.csv", b"a,b\r\n1,2\r\n3,4\n5,6\r\n", "line 3 ends another way"),
        ("d.csv", b"a,b\n1,2\n3,4\r\n5,6\n", "line 3 ends another way"),
        ("d.csv", b"a,b\n1,2\n3,4\r5,6\n", "line 3 ends another way"),
        ("d.csv", b"a,b\n1,2\n3,4\r", "line 3 ends another way"),
        ("d.csv", b'a,b\r\n1,"x"\r\n3,"4"\n5,6\r\n', "line 3 ends another way"),
        ("d.csv", b'a,b\n1,2\n3,"x\n5,6\n', "a quote is opened in line 3 and never closed"),
        ("d.csv", b'a,b\n1,5" pipe\n2,3\n3,6" pipe\n', "line 2 has a quote inside a value"),
        ("d.csv", b'a,b\n1,"x" y\n', "line 2 has a quote inside a value"),
        ("d.csv", b'a,b\n1,x"y"\n', "line 2 has a quote inside a value"),
        ("d.csv", b'a,"b\n1,2\n', "the header in line 1 has a quote"),
        ("d.csv", b"\xff\xfea\x00,\x00b\x00", "is text in UTF-16"),
        ("d.csv", b"PK\x03\x04 and so on", "is a ZIP archive"),
        ("d.csv", b"\x80\x04\x95", "is a pickle"),
        ("d.csv", b"<!DOCTYPE html><p>Log in", "is an HTML page"),
        ("d.csv.gz", gzip.compress(b"a,b\n1,2\n" * 999)[:-30], "packed by gzip and damaged or cut off"),
        ("d.csv.gz", gzip.compress(b""), "is empty"),
        ("d.csv.zst", bytes(pa.compress(os.urandom(9999), codec="zstd", asbytes=True))[:-300], "packed by zstd"),
        ("d.parquet.gz", gzip.compress(parquet()), "is Parquet that was packed once more"),
        ("d.parquet", b"a,b\n1,2\n", "is not Parquet: it does not begin with PAR1"),
        ("d.parquet", parquet()[:-20], "is cut off: a Parquet file ends with PAR1"),
        ("d.parquet", parquet()[:10], "is cut off"),
        ("d.parquet", b"PAR1" + bytes(50) + b"PAR1", "is damaged: its footer"),
        ("d.parquet", damaged(parquet(), len(parquet()) - 100, 60), "d.parquet|the data"),
        ("d.parquet", damaged(parquet(), 40, 20), "the data cannot be read"),
        ("d.parquet", parquet(0), "has columns and no rows"),
        ("d.arrow", b"a,b\n1,2\n", "is not Arrow"),
        ("d.arrow", b"ARROW1\0\0 and no end", "is cut off"),
        ("d.jsonl", b'{"a":1}\n{"a":2\n', "line 2 is not JSON"),
        ("d.jsonl", b'{"a":1}\n[1]\n', "line 2 is no JSON object"),
        ("d.jsonl", b'{"a":1}\n{"a":1,"a":2}\n', "line 2 is not JSON: the key 'a' stands twice in one object"),
        ("d.jsonl", b'{"a":1}\n' * 2000 + b'{"a":}\n', "line 2001 is not JSON"),
        ("d.jsonl", b'{"a":"\xff"}\n', "line 1 is not UTF-8"),
        ("d.json", b'[{"a":1}]', "is a JSON array"),
    ],
)
def test_a_wrong_file_is_bad_input(name: str, content: bytes, message: str, desk: Desk) -> None:
    desk.write(name, content)
    error = desk.refused(name)
    assert isinstance(error, BadInputError)
    assert error.solution
    with pytest.raises(BadInputError, match=message):
        raise error


def test_no_error_quotes_a_value(desk: Desk) -> None:
    for content in (b'name,b\n"Jane Doe,1\n', b"name,b\nJane Doe\n", b'{"name":"Jane Doe"\n', b"a,b\nJane\xff,1\n"):
        desk.write("d", content)
        error = desk.refused("d")
        assert "Jane" not in f"{error.message} {error.solution}"


def test_the_right_delimiter_is_proposed(desk: Desk) -> None:
    desk.write("d.csv", b"a;b\n1;2\n")
    assert "';'" in desk.refused("d.csv").solution


def test_a_header_of_ten_million_columns_is_refused_before_it_is_parsed(desk: Desk) -> None:
    desk.write("d.csv", b",".join(b"c%d" % number for number in range(10_000_000)) + b"\n")
    start = time.monotonic()
    assert "line 1 is longer than" in desk.refused("d.csv").message
    assert time.monotonic() - start < 2


def test_too_many_columns_on_a_short_line_are_refused(desk: Desk) -> None:
    desk.write("d.csv", b"," * 30_000 + b"\n")
    assert "30001 columns" in desk.refused("d.csv").message


def test_a_parquet_file_of_too_many_columns_is_refused(desk: Desk) -> None:
    pq.write_table(pa.table({f"c{number}": [1] for number in range(20_001)}), desk.base / "d.parquet")
    assert "20001 columns" in desk.refused("d.parquet").message


def test_a_parquet_footer_that_is_too_large_is_not_parsed(desk: Desk) -> None:
    path = desk.base / "d.parquet"
    with path.open("wb") as file:
        file.write(b"PAR1")
        file.truncate(80 << 20)
        file.seek(0, 2)
        file.write((70 << 20).to_bytes(4, "little") + b"PAR1")
    assert "has a footer of" in desk.refused("d.parquet").message


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_a_bomb_is_stopped_at_the_limit(packed: str, desk: Desk) -> None:
    content = b"a,b\n" + b"1,2\n" * 5_000_000
    made = gzip.compress(content, 9) if packed == "gzip" else bytes(pa.compress(content, codec="zstd", asbytes=True))
    assert len(made) < 100_000
    desk.write("d.csv", made)
    error = desk.refused("d.csv", maximumBytes=2 << 20)
    assert "larger than 2097152 bytes once it is fetched and unpacked" in error.message


def test_an_endless_line_is_bad_input(desk: Desk) -> None:
    desk.write("d.csv", b"a,b\n1," + b"x" * (40 << 20))
    assert "line of more than" in desk.refused("d.csv").message


def test_a_quote_that_never_ends_is_told_early_in_a_large_file(desk: Desk) -> None:
    desk.write("d.csv", b'a,b\n1,"x\n' + b"1,2\n" * (12 << 20))
    assert "a quote is opened in line 2" in desk.refused("d.csv").message


def test_a_full_disk_is_no_fault_of_the_data(desk: Desk) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(desk.scratch)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        for content in (
            gzip.compress(b"a,b\n" + b"1,2\n" * 1_000_000),
            b"a\n" + b"\n".join(b"%d" % number for number in range(300_000)),
        ):
            desk.write("d.csv", content)
            error = desk.refused("d.csv")
            assert isinstance(error, ToolFailedError), error.message
            assert "no space is left" in error.message
    finally:
        subprocess.run(["umount", str(desk.scratch)], check=True)


def test_a_damaged_page_found_later_is_an_error_about_the_input(desk: Desk) -> None:
    desk.write("d.parquet", damaged(parquet(), 40, 20))
    with (
        open_input("d.parquet", base=desk.base, what="the training data d.parquet", scratch=desk.scratch) as opened,
        pytest.raises(BadInputError, match=r"the training data d\.parquet cannot be read"),
        opened.reading(),
    ):
        opened.frame.sum().collect()


UNREADABLE = """
import sys
from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.inputs.opening import open_input

try:
    with open_input("d.csv", base=Path(sys.argv[1]), what="the data", scratch=Path(sys.argv[2])):
        sys.exit("it was read")
except BadInputError as error:
    print(error.message)
"""


def test_a_file_that_may_not_be_read_is_bad_input(desk: Desk) -> None:
    desk.write("d.csv", b"a,b\n1,2\n").chmod(0)
    # Root may read everything, unless it gives that up.
    argv = [sys.executable, "-c", UNREADABLE, str(desk.base), str(desk.scratch)]
    if os.geteuid() == 0:
        argv = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *argv]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Permission denied" in done.stdout


def test_nothing_is_left_in_the_scratch_folder(desk: Desk, tmp_path: Path) -> None:
    desk.write("d.csv.gz", gzip.compress(b"a,b\n1,2\n"))
    desk.read("d.csv.gz")
    assert not list(desk.scratch.iterdir())
