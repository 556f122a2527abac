"""Opens an input: finds or fetches its files, computes their digest, tells the format by the bytes, reads it lazily.

What comes from elsewhere is hashed while it is written to the scratch folder, so that what was hashed is what is read.
Parquet and Arrow are read where they lie; CSV and JSON Lines are parsed once, into the scratch folder.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl

from hallmark.documents.rules_inputs import InputRules
from hallmark.errors import BadInputError
from hallmark.inputs.errors import WrongDigestError, cannot_read, told
from hallmark.inputs.fetching import Fetched, fetch, shown, start_of
from hallmark.inputs.formats import Format, Packing, packing, sniff
from hallmark.inputs.text_types import AS_TEXT, typed
from hallmark.inputs.unpack import Budget, unpack


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
    """Bytes of the files as they were found; for SQL, of the rows in an Arrow file."""
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
    budget = Budget(rules.maximum_bytes)
    with scratch_folder(scratch, what) as own:
        fetched = fetch(location, base=base, own=own, credential=credential, rules=rules, budget=budget, what=what)
        with opened(fetched, own, location=location, rules=rules, budget=budget, what=what) as found:
            yield found


@contextlib.contextmanager
def opened(
    fetched: Fetched, own: Path, *, location: str, rules: InputRules, budget: Budget, what: str
) -> Iterator[Input]:
    """Open files that are within reach; what is parsed goes below `own`. Raises as `open_input` does."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        # Hashing and the first look at the columns go on at the same time, unless the digest decides.
        hashed = pool.submit(fetched.digest)
        if rules.sha256 is not None and hashed.result() != rules.sha256:
            raise WrongDigestError(what, found=hashed.result(), expected=rules.sha256)
        kind, frame = _frames(fetched, own, rules, budget, what)
        yield Input(
            what=what,
            location=shown(location),
            format=kind,
            files=() if fetched.database else tuple(sorted(fetched.files)),
            size=sum(path.stat().st_size for path in fetched.files.values()),
            frame=frame,
            hashed=hashed,
        )


@contextlib.contextmanager
def scratch_folder(scratch: Path, what: str) -> Iterator[Path]:
    """A folder of its own in `scratch`, which goes when the block ends."""
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="input-", dir=scratch)
    except OSError as error:
        raise cannot_read(f"the scratch folder for {what}", error) from error
    with folder as name:
        yield Path(name)


def _frames(fetched: Fetched, own: Path, rules: InputRules, budget: Budget, what: str) -> tuple[str, pl.LazyFrame]:
    from hallmark.inputs.partitions import together

    if fetched.database:
        from hallmark.inputs import sql

        return "SQL", sql.rows(next(iter(fetched.files.values())), what)
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
    return kind.value, frame


def _frame(
    path: Path, name: str, target: Path, rules: InputRules, budget: Budget, what: str
) -> tuple[Format, pl.LazyFrame]:
    """One file's format and rows; `target` is a path in the scratch folder, to which suffixes are added."""
    start = start_of(path, what)
    packed = packing(start)
    if packed is not Packing.NONE:
        plain = target.with_suffix(".unpacked")
        unpack(path, packed, plain, budget, what)
        path, start = plain, start_of(plain, what)
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
