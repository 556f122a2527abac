"""Against versitygw, an S3 server."""

from pathlib import Path

import polars as pl
import pytest

from hallmark.errors import BadInputError, ToolFailedError
from hallmark.files import sha256_bytes
from hallmark.inputs import retries
from services.processes import free_port
from services.s3 import S3Server

from .desk import Desk

CSV = b"a,b\n1,2\n3,4\n"


@pytest.fixture
def s3(bucket: S3Server) -> dict[str, str]:
    bucket.put("iris", "2026/d.csv", CSV)
    bucket.put("iris", "parts/day=1/d.csv", CSV)
    bucket.put("iris", "parts/day=2/d.csv", CSV)
    return {"endpoint": bucket.endpoint}


@pytest.fixture
def key(bucket: S3Server, tmp_path: Path) -> Path:
    return bucket.credential(tmp_path / "key")


def test_an_object_is_fetched_and_hashed(s3: dict[str, str], key: Path, desk: Desk) -> None:
    assert desk.read("s3://iris/2026/d.csv", key, s3=s3).rows() == [(1, 2), (3, 4)]
    assert desk.digest("s3://iris/2026/d.csv", key, s3=s3) == sha256_bytes(CSV)


def test_an_object_larger_than_a_chunk_is_whole(bucket: S3Server, s3: dict[str, str], key: Path, desk: Desk) -> None:
    frame = pl.DataFrame({"a": range(700_000)}).with_columns(b=pl.col("a").hash())
    frame.write_parquet(desk.base / "d.parquet")
    bucket.put("iris", "d.parquet", (desk.base / "d.parquet").read_bytes())
    assert desk.read("s3://iris/d.parquet", key, s3=s3).equals(frame)


def test_a_prefix_is_read_as_a_folder(s3: dict[str, str], key: Path, desk: Desk) -> None:
    frame = desk.read("s3://iris/parts/", key, s3=s3)
    assert frame.rows() == [(1, 2, 1), (3, 4, 1), (1, 2, 2), (3, 4, 2)]
    for name in ("day=1", "day=2"):
        desk.write(f"parts/{name}/d.csv", CSV)
    assert desk.digest("s3://iris/parts/", key, s3=s3) == desk.digest("parts")


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("s3://iris/2027/d.csv", "is missing"),
        ("s3://nothing/d.csv", "is missing"),
        ("s3://iris", "names no object"),
        ("s3://iris/", "names no object"),
        ("s3://iris/none/", "has no objects|is missing"),
    ],
)
def test_an_object_that_is_not_there_is_bad_input(
    location: str, message: str, s3: dict[str, str], key: Path, desk: Desk
) -> None:
    error = desk.refused(location, key, s3=s3)
    assert isinstance(error, BadInputError)
    assert any(part in error.message for part in message.split("|")), error.message


@pytest.mark.parametrize(("access", "secret"), [("validators", "an0ther"), ("nobody", "S3/secret+key")])
@pytest.mark.parametrize("location", ["s3://iris/2026/d.csv", "s3://iris/parts/"])
def test_a_wrong_credential_is_bad_input(
    access: str, secret: str, location: str, bucket: S3Server, s3: dict[str, str], desk: Desk, tmp_path: Path
) -> None:
    error = desk.refused(location, bucket.credential(tmp_path / "c", access, secret), s3=s3)
    assert isinstance(error, BadInputError)
    # versitygw answers an unknown access key with 404.
    assert "may not be read" in error.message or (access == "nobody" and "access key" in error.solution)
    assert secret not in f"{error.message} {error.solution}"


def test_without_a_credential_nothing_of_the_machines_own_is_used(
    s3: dict[str, str], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "validators")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S3/secret+key")
    assert "may not be read" in desk.refused("s3://iris/2026/d.csv", s3=s3).message


def test_an_incomplete_credential_is_bad_input(s3: dict[str, str], desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "access-key").write_text("validators")
    assert "has no secret-key" in desk.refused("s3://iris/2026/d.csv", tmp_path / "c", s3=s3).message


def test_a_server_that_is_not_there_is_a_tools_failure(key: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.01)
    error = desk.refused("s3://iris/d.csv", key, s3={"endpoint": f"http://127.0.0.1:{free_port()}"})
    assert isinstance(error, ToolFailedError)
    assert f"in {retries.ATTEMPTS} attempts" in error.message


def test_an_object_that_is_too_large_is_not_read_to_its_end(s3: dict[str, str], key: Path, desk: Desk) -> None:
    assert "larger than 5 bytes" in desk.refused("s3://iris/2026/d.csv", key, s3=s3, maximumBytes=5).message


def test_another_digest_is_refused(s3: dict[str, str], key: Path, desk: Desk) -> None:
    assert "another one" in desk.refused("s3://iris/2026/d.csv", key, s3=s3, sha256=sha256_bytes(b"")).message
