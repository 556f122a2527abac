"""Reads a SELECT or a table of PostgreSQL: in record batches, in one read-only statement, to an Arrow file in scratch.

The driver is ADBC's (libpq and binary COPY underneath), so that no row passes through Python; its DB-API is left
alone because it imports pandas. The digest is over the rows in canonical form, not over a file: a first line with the
columns' names and PostgreSQL's types as JSON, then each row as CSV with every text in quotes, in the order in which the
statement gives them. So it is the same for every version of every library, and stable only where rows are sorted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import polars as pl

from hallmark.documents.rules_inputs import Sql
from hallmark.errors import BadInputError, HallmarkError, ToolFailedError
from hallmark.inputs import credentials
from hallmark.inputs.delimited import require_names
from hallmark.inputs.errors import RetriableError, cannot_read, told
from hallmark.inputs.text_types import as_decimal
from hallmark.inputs.unpack import Budget
from hallmark.redaction import printable, redacted

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

CONNECT_SECONDS = 10
_ALLOWED = {"sslmode", "sslrootcert", "target_session_attrs"}
"""Of libpq's settings; the others could name a password, a file of the machine or another host."""
_SCALE_BITS = 0x7FF
_NUMERIC = "numeric"
_KEPT = b"hallmark.columns"
"""Key in the Arrow file's metadata: what the database said of the columns, as JSON."""
_ORDERED = re.compile(r"\border\s+by\b", re.IGNORECASE)


def statement(rules: Sql | None, *, pinned: bool, what: str) -> str:
    """The SELECT that is sent.

    Args:
        pinned: whether the rules name a digest, which needs rows in a fixed order.

    Raises:
        BadInputError: the rules name nothing to read, or no order where one is needed.
    """
    if rules is None:
        raise BadInputError(f"{what} is a database without a query", solution="set sql.query or sql.table in its rules")
    if pinned and not (rules.order_by or (rules.query and _ORDERED.search(rules.query))):
        raise BadInputError(
            f"{what} has a sha256 in its rules, but no order of its rows, so that its digest changes by chance",
            solution="add ORDER BY to sql.query, or sql.orderBy with columns that tell rows apart",
        )
    if rules.query:
        return rules.query.strip().rstrip(";")
    table = ".".join(_quoted(part) for part in (rules.table or "").split("."))
    order = f" ORDER BY {', '.join(map(_quoted, rules.order_by))}" if rules.order_by else ""
    return f"SELECT * FROM {table}{order}"  # noqa: S608  # nosec B608: every name is quoted


def fetch(
    location: str, query: str, target: Path, *, credential: Path | None, seconds: int, budget: Budget, what: str
) -> None:
    """Write the query's rows to the Arrow file `target`, which `rows` reads.

    Args:
        location: `postgresql://host[:port]/database`, without a user.
        seconds: after which the server ends the statement.

    Raises:
        BadInputError: the query is wrong, writes, gives no rows or a type that has no column's type; not allowed.
        ToolFailedError: the server did not finish in time, or the disk is full.
        RetriableError: the server does not answer.
    """
    import adbc_driver_manager as adbc
    import adbc_driver_postgresql  # type: ignore[import-untyped]
    import pyarrow as pa

    address = _address(location, credential, seconds, what)
    try:
        with (
            closing(adbc_driver_postgresql.connect(address)) as database,
            closing(adbc.AdbcConnection(database)) as connection,
            closing(adbc.AdbcStatement(connection)) as prepared,
        ):
            prepared.set_sql_query(query)
            stream, _ = prepared.execute_query()
            reader = pa.RecordBatchReader.from_stream(stream)
            _write(reader, target, budget, what)
    except adbc.Error as error:
        raise _explained(str(error), error.sqlstate or "", what) from error
    except OSError as error:
        # So the driver tells what goes wrong in the midst of the rows.
        if error.errno is not None:
            raise cannot_read(what, error) from error
        raise _explained(str(error), "", what) from error


def rows(file: Path, what: str) -> pl.LazyFrame:
    """What `fetch` wrote, with NUMERIC as decimals. Raises BadInputError where it is something else."""
    with told(what):
        frame = pl.scan_ipc(file, glob=False, hive_partitioning=False)
        scales = {column.name: column.scale for column in _columns(file) if column.type == _NUMERIC}
        return frame.with_columns(as_decimal(frame, column, scale, what) for column, scale in scales.items())


def digest(file: Path) -> str:
    """SHA-256 of the rows in canonical form: the columns with PostgreSQL's types as JSON, then the values as CSV."""
    import pyarrow as pa

    names = [[column.name, column.type] for column in _columns(file)]
    hashed = hashlib.sha256(json.dumps(names, ensure_ascii=False).encode() + b"\n")
    with pa.OSFile(str(file), "rb") as opened, pa.ipc.open_file(opened) as reader:
        for number in range(reader.num_record_batches):
            frame = pl.DataFrame(pl.from_arrow(reader.get_batch(number)))
            hashed.update(frame.write_csv(include_header=False, quote_style="non_numeric").encode())
    return f"sha256:{hashed.hexdigest()}"


def _address(location: str, credential: Path | None, seconds: int, what: str) -> str:
    """libpq's URI; the user and the password come in here, in memory only."""
    parts = urlsplit(location)
    settings = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in settings:
        if name not in _ALLOWED:
            raise BadInputError(
                f"{what}: {name} is no setting for its location", solution=f"known here: {', '.join(sorted(_ALLOWED))}"
            )
    if not parts.hostname or not parts.path.strip("/"):
        raise BadInputError(
            f"{what}: the location names no host or no database", solution="write postgresql://host:5432/database"
        )
    found = credentials.read(credential, ("username", "password"))
    user = f"{quote(found['username'], safe='')}:{quote(found['password'], safe='')}@" if found else ""
    settings |= {
        "connect_timeout": str(CONNECT_SECONDS),
        "application_name": "hallmark",
        "options": f"-c default_transaction_read_only=on -c statement_timeout={seconds * 1000} -c TimeZone=UTC",
    }
    return f"postgresql://{user}{parts.netloc}{parts.path}?{urlencode(settings, quote_via=quote)}"


@dataclass(frozen=True, kw_only=True)
class _Column:
    name: str
    type: str
    """PostgreSQL's."""
    scale: int | None
    """Of NUMERIC: digits after the point, where the table declares them."""


def _declared(schema: pa.Schema, what: str) -> list[_Column]:
    """The query's columns. Raises BadInputError: a column's type has no counterpart here."""
    import pyarrow as pa

    require_names(schema.names, f"{what}: the query's result")
    columns = []
    for field in schema:
        metadata = field.metadata or {}
        called = metadata.get(b"POSTGRESQL:type", b"").decode(errors="replace")
        kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
        if called != _NUMERIC and not any(test(kind) for test in _known_types()):
            called = called or str(field.type)
            raise BadInputError(
                f"{what}: the column {field.name} is of PostgreSQL's type {called}, which has no counterpart here",
                solution=f"cast it in sql.query, e.g. {field.name}::text",
            )
        modifier = int(metadata.get(b"POSTGRESQL:typmod", b"-1")) - 4
        scale = modifier & _SCALE_BITS if called == _NUMERIC and modifier >= 0 else None
        columns.append(_Column(name=field.name, type=called, scale=scale))
    return columns


def _columns(file: Path) -> list[_Column]:
    """What `fetch` put beside the rows."""
    import pyarrow as pa

    with pa.OSFile(str(file), "rb") as opened, pa.ipc.open_file(opened) as reader:
        kept = (reader.schema.metadata or {}).get(_KEPT, b"[]")
    return [_Column(**column) for column in json.loads(kept)]


def _known_types() -> tuple[Any, ...]:
    from pyarrow import types

    return (
        types.is_integer, types.is_floating, types.is_boolean, types.is_string, types.is_large_string, types.is_date,
        types.is_timestamp, types.is_time,
    )  # fmt: skip


def _write(reader: pa.RecordBatchReader, target: Path, budget: Budget, what: str) -> None:
    import pyarrow as pa

    kept = json.dumps([asdict(column) for column in _declared(reader.schema, what)])
    fields = [pa.field(field.name, _storage(field.type)) for field in reader.schema]
    plain = pa.schema(fields, metadata={_KEPT: kept})
    count = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(target), "wb") as file, pa.ipc.new_file(file, plain) as writer:
        for batch in _batches(reader, plain):
            budget.take(batch.nbytes, what)
            writer.write_batch(batch)
            count += batch.num_rows
    if not count:
        raise BadInputError(f"{what} has no rows: the query gives none", solution="correct the query, or the data")


def _batches(reader: pa.RecordBatchReader, plain: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for batch in reader:
        columns = [column.storage if isinstance(column, pa.ExtensionArray) else column for column in batch.columns]
        yield pa.RecordBatch.from_arrays(columns, schema=plain)


def _storage(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _explained(text: str, state: str, what: str) -> HallmarkError | RetriableError:
    """What libpq says in one sentence; SQLSTATE: https://www.postgresql.org/docs/15/errcodes-appendix.html."""
    said = text.partition("ERROR:")[2] or text.partition("FATAL:")[2] or text
    first = printable(said.strip().partition("\n")[0])[:200]
    if "authentication failed" in text or "no password supplied" in text or "no pg_hba.conf entry" in text:
        return BadInputError(
            f"{what} may not be read: the database did not accept the credential",
            solution="check the credential: it may be missing, wrong or expired",
        )
    if state == "42501" or "permission denied" in text:
        return BadInputError(
            f"{what} may not be read: {first}", solution="have SELECT granted to the credential's user"
        )
    if state == "25006" or "read-only transaction" in text:
        return BadInputError(f"{what}: the query writes, and is not allowed to", solution="write a plain SELECT")
    if "statement timeout" in text:
        return ToolFailedError(
            f"{what}: the database did not finish in time", solution="mend the query, or raise timeout in its rules"
        )
    if "Failed to connect" in text:
        if "does not exist" in text:
            return BadInputError(f"{what} is missing: {first}", solution="correct its location")
        return RetriableError("the database does not answer")
    if state[:2] in ("57", "53", "08"):
        return RetriableError(f"the database answered SQLSTATE {state}")
    if state.startswith(("42", "26", "22", "3")):
        return BadInputError(f"{what}: the database does not understand the query: {first}", solution="correct it")
    # In the midst of the rows; such an error likes to quote a value.
    return BadInputError(f"{what}: the query failed: {redacted(first, limit=200)}", solution="correct the query")
