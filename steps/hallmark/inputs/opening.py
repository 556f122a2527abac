"""Opens an input: finds or fetches its files, computes their digest, tells the format by the bytes, reads it lazily.

What comes from elsewhere is hashed while it is written to the scratch folder, so that what was hashed is what is read.
Parquet and Arrow are read where they lie; CSV and JSON Lines are parsed once, into the scratch folder.
"""

from __future__ import annotations

import contextlib
import difflib
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl

from hallmark.documents.rules_inputs import InputRules
from hallmark.errors import BadInputError
from hallmark.files import sha256_bytes, sha256_file
from hallmark.inputs import local
from hallmark.inputs.errors import WrongDigestError, cannot_read, told
from hallmark.inputs.formats import SNIFFED_BYTES, Format, Packing, packing, sniff
from hallmark.inputs.text_types import AS_TEXT, typed
from hallmark.inputs.unpack import Budget, unpack

SCHEMES = ("s3", "http", "https", "postgresql", "postgres")


@dataclass(frozen=True, kw_only=True)
class Input:
    """An open input. `frame` is good as long as the context manager that gave it."""

    what: str
    """What it is to people, for errors: "the training data data/training.csv"."""
    location: str
    """As :func:`shown`."""
    format: str
    """`Parquet`, `CSV`, `JSON Lines`, `Arrow` or `SQL`."""
    files: tuple[str, ...]
    """Names of its files, sorted, relative to its folder; empty for SQL."""
    size: int
    """Bytes of the files as they were found; for SQL, of the rows in Arrow."""
    frame: pl.LazyFrame = field(repr=False)
    hashed: Future[str] = field(repr=False)

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of the bytes; see `InputRules.sha256` for several files and for SQL."""
        return self.hashed.result()

    @cached_property
    def schema(self) -> pl.Schema:
        """Names and types of the columns."""
        return self.frame.collect_schema()

    def rows(self) -> int:
        """The number of rows, counted when it is first asked for."""
        return self._rows

    @cached_property
    def _rows(self) -> int:
        return int(self.collect(self.frame.select(pl.len())).item())

    def collect(self, query: pl.LazyFrame) -> pl.DataFrame:
        """The result of a query on `frame`, computed in batches.

        Raises:
            BadInputError: the data turns out to be damaged.
            ToolFailedError: the disk is full.
        """
        with self.reading():
            return query.collect(engine="streaming")

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """For a block that reads `frame` by other ways: polars' errors become errors about this input."""
        return told(self.what)


@dataclass(frozen=True, kw_only=True)
class _Fetched:
    files: dict[str, Path]
    several: bool
    digests: dict[str, str]
    """Of what was hashed on its way; other files are hashed where they lie."""

    def digest(self) -> str:
        found = {name: self.digests.get(name) or sha256_file(path) for name, path in self.files.items()}
        if not self.several:
            return next(iter(found.values()))
        return sha256_bytes(
            "".join(f"{found[name][7:]}  {name}\n" for name in sorted(found)).encode("utf-8", "replace")
        )


@contextlib.contextmanager
def open_input(
    location: str,
    *,
    base: Path,
    what: str,
    scratch: Path,
    rules: InputRules | None = None,
    credential: Path | None = None,
) -> Iterator[Input]:
    """Open the input at `location`; what it needed in the scratch folder goes when the block ends.

    Args:
        location: a path, folder or pattern relative to `base`; `s3://bucket/key` or `s3://bucket/prefix/`; an
            `http(s)://` address; `postgresql://host:port/database` with `sql` in the rules.
        what: what it is, for errors.
        scratch: a folder for what is fetched, unpacked and parsed.
        credential: a folder with the files of a Secret: `access-key` and `secret-key` (S3, `session-token` too),
            `username` and `password` (PostgreSQL, HTTP, Git LFS), or `token` (HTTP).

    Raises:
        WrongDigestError: it is another input than `rules.sha256` names; nothing of it was parsed.
        BadInputError: it is missing, empty, damaged, too large, or may not be read.
        ToolFailedError: a service did not answer, or the disk is full.
    """
    rules = rules or InputRules()
    scheme = _scheme(location, what)
    budget = Budget(rules.maximum_bytes)
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="input-", dir=scratch)
    except OSError as error:
        raise cannot_read(f"the scratch folder for {what}", error) from error
    with folder as name, ThreadPoolExecutor(max_workers=1) as pool:
        own = Path(name)
        if scheme in ("postgresql", "postgres"):
            yield _database(location, own, credential, rules, budget, what)
            return
        fetched = _fetch(location, scheme, base, own, credential, rules, budget, what)
        # Hashing and the first look at the columns go on at the same time, unless the digest decides.
        hashed = pool.submit(fetched.digest)
        if rules.sha256 is not None and hashed.result() != rules.sha256:
            raise WrongDigestError(what, found=hashed.result(), expected=rules.sha256)
        size = sum(path.stat().st_size for path in fetched.files.values())
        kind, frame = _frames(fetched, own, rules, budget, what)
        yield Input(
            what=what,
            location=shown(location),
            format=kind.value,
            files=tuple(sorted(fetched.files)),
            size=size,
            frame=frame,
            hashed=hashed,
        )


def shown(location: str) -> str:
    """A location as it may stand in a report: without the query of a URL, which may hold a signature or a token.

    >>> shown("https://data.example.com/iris.csv?X-Amz-Signature=abc")
    'https://data.example.com/iris.csv'
    """
    if location.partition("://")[0] in ("http", "https", "postgresql", "postgres"):
        return location.partition("#")[0].partition("?")[0]
    return location


def _scheme(location: str, what: str) -> str:
    """The location's scheme, empty for a path. Raises BadInputError for another one, or one with a password."""
    scheme, separator, _ = location.partition("://")
    if not separator:
        return ""
    if scheme not in SCHEMES:
        near = difflib.get_close_matches(scheme, SCHEMES, n=1)
        raise BadInputError(
            f"{what}: {scheme[:20]}:// is no kind of location",
            solution=f"did you mean {near[0]}://?" if near else f"known here: paths and {', '.join(SCHEMES)}",
        )
    try:
        parts = urlsplit(location)
        has_user = "@" in parts.netloc
        _ = parts.port
    except ValueError as error:
        raise BadInputError(f"{what}: its location is no URL", solution="correct it") from error
    if has_user:
        raise BadInputError(
            f"{what}: its location holds a user or a password",
            solution="take it out, change the password, and give a Secret with `username` and `password` instead",
        )
    return scheme


def _fetch(
    location: str,
    scheme: str,
    base: Path,
    own: Path,
    credential: Path | None,
    rules: InputRules,
    budget: Budget,
    what: str,
) -> _Fetched:
    deadline = time.monotonic() + rules.timeout
    if scheme == "s3":
        from hallmark.inputs import s3

        server = s3.connect(rules.s3, credential)
        files, digests = s3.fetch(location, own, server=server, budget=budget, deadline=deadline, what=what)
        return _Fetched(files=files, several=location.endswith("/"), digests=digests)
    if scheme in ("http", "https"):
        from hallmark.inputs import http

        name = Path(urlsplit(location).path).name or "data"
        target = own / "fetched"
        digest = http.fetch(location, target, credential=credential, budget=budget, deadline=deadline, what=what)
        return _Fetched(files={name: target}, several=False, digests={name: digest})
    found = local.find(base, location, what)
    if any(_may_be_pointer(path, what) for path in found.files.values()):
        from hallmark.inputs import lfs

        resolved = lfs.resolve(found.files, own, credential=credential, budget=budget, seconds=rules.timeout, what=what)
        return _Fetched(files=resolved, several=found.several, digests={})
    return _Fetched(files=found.files, several=found.several, digests={})


def _database(location: str, own: Path, credential: Path | None, rules: InputRules, budget: Budget, what: str) -> Input:
    from hallmark.inputs import sql
    from hallmark.inputs.retries import attempted

    query = sql.statement(rules.sql, pinned=rules.sha256 is not None, what=what)

    def once() -> tuple[pl.LazyFrame, str]:
        budget.used = 0
        return sql.fetch(
            location, query, own / "rows.arrow", credential=credential, seconds=rules.timeout, budget=budget, what=what
        )

    frame, digest = attempted(once, what=what, deadline=time.monotonic() + rules.timeout)
    if rules.sha256 is not None and digest != rules.sha256:
        raise WrongDigestError(what, found=digest, expected=rules.sha256)
    hashed: Future[str] = Future()
    hashed.set_result(digest)
    return Input(
        what=what, location=shown(location), format="SQL", files=(), size=budget.used, frame=frame, hashed=hashed
    )


def _frames(fetched: _Fetched, own: Path, rules: InputRules, budget: Budget, what: str) -> tuple[Format, pl.LazyFrame]:
    from hallmark.inputs.partitions import together

    frames: dict[str, pl.LazyFrame] = {}
    kinds: dict[Format, str] = {}
    for number, name in enumerate(sorted(fetched.files)):
        where = f"{what}: {name}" if fetched.several else what
        kind, frames[name] = _frame(fetched.files[name], name, own / f"table-{number}", rules, budget, where)
        kinds.setdefault(kind, name)
        if len(kinds) > 1:
            (one, first), (other, second) = kinds.items()
            raise BadInputError(
                f"{what}: {first} is {one.value} and {second} is {other.value}", solution="write all files alike"
            )
    frame = next(iter(frames.values()))
    if fetched.several:
        with told(what):
            frame = together(frames, what)
    kind = next(iter(kinds))
    if kind in (Format.CSV, Format.JSON_LINES):
        with told(what):
            frame = typed(frame, rules.table_schema)
    return kind, frame


def _frame(
    path: Path, name: str, target: Path, rules: InputRules, budget: Budget, what: str
) -> tuple[Format, pl.LazyFrame]:
    """One file's format and rows; `target` is a path in the scratch folder, to which suffixes are added."""
    start = _start(path, what)
    packed = packing(start)
    if packed is not Packing.NONE:
        plain = target.with_suffix(".unpacked")
        unpack(path, packed, plain, budget, what)
        path, start = plain, _start(plain, what)
        name = name.removesuffix(Path(name).suffix)
    kind = sniff(start, name, what)
    if packed is not Packing.NONE and kind in (Format.PARQUET, Format.ARROW):
        raise BadInputError(f"{what} is {kind.value} that was packed once more", solution="do not pack it")
    parsed = target.with_suffix(".parquet")
    if kind is Format.PARQUET:
        from hallmark.inputs.columnar import open_parquet

        return kind, open_parquet(path, what)
    if kind is Format.ARROW:
        from hallmark.inputs.columnar import open_arrow

        return kind, open_arrow(path, what)
    if kind is Format.JSON_LINES:
        from hallmark.inputs.json_lines import open_json_lines

        return kind, open_json_lines(path, parsed, what=what)
    from hallmark.inputs.delimited import open_csv

    columns = rules.table_schema.columns if rules.table_schema else []
    as_text = {column.name for column in columns if column.type in AS_TEXT}
    return kind, open_csv(path, parsed, delimiter=rules.delimiter, as_text=as_text, what=what)


def _may_be_pointer(path: Path, what: str) -> bool:
    return _start(path, what).startswith(b"version https://git-lfs")


def _start(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(SNIFFED_BYTES)
    except OSError as error:
        raise cannot_read(what, error) from error
