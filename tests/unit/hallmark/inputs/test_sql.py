"""Against a real PostgreSQL."""

import datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from hallmark.errors import BadInputError, HallmarkError, ToolFailedError
from hallmark.inputs import retries
from services.postgres import Postgres
from services.processes import free_port

from .desk import Desk


@pytest.fixture(scope="session")
def tables(database: Postgres) -> Postgres:
    database.run(
        'CREATE TABLE flowers (id int, width numeric(6,2), name text, "when" timestamptz, day date, ok boolean);'
        "INSERT INTO flowers VALUES (2, 1.50, 'b', '2026-01-31 12:00+02', '2026-01-31', true),"
        " (1, NULL, 'a \"quoted\" ,', NULL, NULL, false);"
        "CREATE TABLE empty (a int); CREATE TABLE hidden (a int);"
        "CREATE ROLE reader LOGIN PASSWORD 'reads'; GRANT SELECT ON flowers TO reader;"
        "CREATE ROLE late LOGIN PASSWORD 'reads' VALID UNTIL '2020-01-01';"
    )
    return database


@pytest.fixture
def login(database: Postgres, tmp_path: Path) -> Path:
    return database.credential(tmp_path / "login")


def refused(desk: Desk, tables: Postgres, login: Path, query: str, **given: object) -> HallmarkError:
    return desk.refused(tables.location, login, sql={"query": query}, **given)


def test_a_table_is_read_with_its_types(tables: Postgres, login: Path, desk: Desk) -> None:
    frame = desk.read(tables.location, login, sql={"table": "public.flowers", "orderBy": ["id"]})
    assert frame.schema == {
        "id": pl.Int32, "width": pl.Decimal(38, 2), "name": pl.String, "when": pl.Datetime("us", "UTC"),
        "day": pl.Date, "ok": pl.Boolean,
    }  # fmt: skip
    noon = datetime.datetime(2026, 1, 31, 10, tzinfo=datetime.UTC)
    assert frame.rows() == [
        (1, None, 'a "quoted" ,', None, None, False),
        (2, Decimal("1.50"), "b", noon, datetime.date(2026, 1, 31), True),
    ]


def test_a_query_is_read_in_batches_that_are_larger_than_one(tables: Postgres, login: Path, desk: Desk) -> None:
    frame = desk.read(tables.location, login, sql={"query": "SELECT i, i::text t FROM generate_series(1, 2000000) i;"})
    assert (frame.height, frame["i"].cast(int).sum()) == (2_000_000, 2_000_001_000_000)


def test_the_digest_is_over_the_rows_and_their_order(tables: Postgres, login: Path, desk: Desk) -> None:
    def digest(query: str) -> str:
        return desk.digest(tables.location, login, sql={"query": query})

    one = digest("SELECT id, name FROM flowers ORDER BY id")
    assert one == digest("SELECT id, name FROM (SELECT * FROM flowers) f ORDER BY id")
    others = {
        digest("SELECT id, name FROM flowers ORDER BY id DESC"),
        digest("SELECT id, name AS other FROM flowers ORDER BY id"),
        digest("SELECT id::bigint, name FROM flowers ORDER BY id"),
        digest("SELECT id, nullif(name, 'b') AS name FROM flowers ORDER BY id"),
        digest("SELECT id, replace(name, 'b', '') AS name FROM flowers ORDER BY id"),
    }
    assert len(others - {one}) == 5


def test_a_pinned_digest_needs_an_order(tables: Postgres, login: Path, desk: Desk) -> None:
    error = refused(desk, tables, login, "SELECT id FROM flowers", sha256="sha256:" + "0" * 64)
    assert "no order of its rows" in error.message
    error = refused(desk, tables, login, "SELECT id FROM flowers ORDER BY id", sha256="sha256:" + "0" * 64)
    assert "is another one" in error.message


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM empty", "has no rows"),
        ("SELECT * FROM flower", 'relation "flower" does not exist'),
        ("SELECT nme FROM flowers", 'column "nme" does not exist'),
        ("SELEC 1", "syntax error"),
        ("SELECT 1; SELECT 2", "multiple commands"),
        ("DROP TABLE flowers", "writes"),
        ("WITH gone AS (DELETE FROM flowers RETURNING *) SELECT * FROM gone", "writes"),
        ("SELECT 1 AS a, 2 AS a", "has two columns a"),
        ("SELECT ARRAY[1, 2] AS list", "the column list is of PostgreSQL's type"),
        ("SELECT 'NaN'::numeric AS a", "no decimals of up to 38 digits"),
        ("SELECT 1 / (i - 5) AS a FROM generate_series(1, 10) i", "division by zero"),
    ],
)
def test_a_query_that_gives_no_table_is_bad_input(
    query: str, message: str, tables: Postgres, login: Path, desk: Desk
) -> None:
    error = refused(desk, tables, login, query)
    assert isinstance(error, BadInputError), error.message
    assert message in error.message


def test_an_error_in_the_midst_of_the_rows_does_not_quote_a_value(tables: Postgres, login: Path, desk: Desk) -> None:
    error = refused(desk, tables, login, "SELECT name::int AS n FROM flowers")
    assert "quoted" not in error.message


@pytest.mark.parametrize(("user", "password"), [("postgres", "wrong"), ("late", "reads"), ("nobody", "reads")])
def test_a_wrong_or_expired_credential_is_bad_input(
    user: str, password: str, tables: Postgres, desk: Desk, tmp_path: Path
) -> None:
    login = tables.credential(tmp_path / "c", user, password)
    error = refused(desk, tables, login, "SELECT 1 AS a")
    assert isinstance(error, BadInputError)
    assert "did not accept the credential" in error.message
    assert password not in error.message.replace("may not be read", "")


def test_a_user_reads_only_what_was_granted(tables: Postgres, desk: Desk, tmp_path: Path) -> None:
    login = tables.credential(tmp_path / "c", "reader", "reads")
    assert desk.read(tables.location, login, sql={"table": "flowers"}).height == 2
    error = desk.refused(tables.location, login, sql={"table": "hidden"})
    assert "permission denied" in error.message


def test_a_database_that_is_not_there_is_bad_input(tables: Postgres, login: Path, desk: Desk) -> None:
    error = desk.refused(f"{tables.location}s", login, sql={"query": "SELECT 1 AS a"})
    assert "is missing" in error.message


def test_a_server_that_is_not_there_is_a_tools_failure(login: Path, desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.01)
    error = desk.refused(f"postgresql://127.0.0.1:{free_port()}/db", login, sql={"query": "SELECT 1 AS a"})
    assert isinstance(error, ToolFailedError)


def test_a_query_that_takes_too_long_is_ended_by_the_server(tables: Postgres, login: Path, desk: Desk) -> None:
    error = refused(desk, tables, login, "SELECT i FROM generate_series(1, 3) i, pg_sleep(5)", timeout=1)
    assert isinstance(error, ToolFailedError)
    assert "did not finish in time" in error.message


def test_rows_that_are_too_many_are_not_read_to_their_end(tables: Postgres, login: Path, desk: Desk) -> None:
    error = refused(desk, tables, login, "SELECT i FROM generate_series(1, 5000000) i", maximumBytes=1_000_000)
    assert "larger than 1000000 bytes" in error.message


@pytest.mark.parametrize(
    ("tail", "message"),
    [("?passfile=/etc/passwd", "passfile is no setting"), ("?host=other", "host is no setting")],
)
def test_a_location_may_not_name_files_or_other_hosts(tail: str, message: str, tables: Postgres, desk: Desk) -> None:
    assert message in desk.refused(tables.location + tail, sql={"query": "SELECT 1 AS a"}).message


def test_a_database_without_a_query_is_bad_input(tables: Postgres, desk: Desk) -> None:
    assert "without a query" in desk.refused(tables.location).message
