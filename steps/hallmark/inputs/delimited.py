"""CSV: looked through, then parsed once into a Parquet file in the scratch folder.

So each later pass reads only the columns that it needs, and what cannot be parsed is told here, not in the midst of a
gate. A column's type follows from all of its rows, as polars infers it: guessed from the first rows, and again from
all of them where one does not fit.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from hallmark.errors import BadInputError
from hallmark.inputs import text
from hallmark.inputs.errors import disk_full, reason, told

MAXIMUM_COLUMNS = 20_000
_GUESSED_ROWS = 10_000
_USUAL_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


def header_of(path: Path, delimiter: str, what: str) -> list[str]:
    """The names in a CSV file's first line; no more than that line is read.

    Raises:
        BadInputError: too long, too many, not UTF-8, no name or the same twice, or another delimiter's.
    """
    line = text.first_line(path, what)
    if line.count(delimiter.encode()) >= MAXIMUM_COLUMNS:
        raise BadInputError(
            f"{what}: line 1 has {line.count(delimiter.encode()) + 1} columns, more than {MAXIMUM_COLUMNS}",
            solution="check the file's format; a table of so many columns is better kept as rows of name and value",
        )
    try:
        found = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{what}: line 1 is not UTF-8", solution="write the file in UTF-8") from error
    if "\0" in found:
        raise BadInputError(f"{what}: line 1 has a NUL character", solution="is this really a CSV file?")
    try:
        names = next(csv.reader(io.StringIO(found, newline=""), delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise BadInputError(
            f"{what}: the header in line 1 has a quote that does not end there", solution="write each name on one line"
        ) from error
    _require_delimiter(names, delimiter, what)
    require_names(names, f"{what}: line 1")
    return names


def _require_delimiter(names: Sequence[str], delimiter: str, what: str) -> None:
    if len(names) != 1:
        return
    for other, called in _USUAL_DELIMITERS.items():
        if other != delimiter and other in names[0]:
            raise BadInputError(
                f"{what}: line 1 is one column with delimiter {delimiter!r}, though it has {called} in it",
                solution=f"set delimiter: {other!r} in its rules, or write the file with {delimiter!r}",
            )


def require_names(names: Sequence[str], where: str) -> None:
    """Every column has a name, and one of its own. Raises BadInputError."""
    for place, name in enumerate(names, start=1):
        if not name.strip():
            raise BadInputError(f"{where}: column {place} has no name", solution="give every column a name")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadInputError(f"{where} has two columns {twice[0]}", solution="give every column a name of its own")


def open_csv(path: Path, target: Path, *, delimiter: str, as_text: Collection[str], what: str) -> pl.LazyFrame:
    """The rows of a CSV file, parsed into the Parquet file `target`.

    Args:
        as_text: columns that stay text, whatever their values look like.

    Raises:
        BadInputError: as `header_of` and `text.scan` say, or there are no rows.
        ToolFailedError: the disk is full.
    """
    names = header_of(path, delimiter, what)
    with told(what):
        found = text.scan(path, what, delimiter=delimiter, columns=len(names))
    if found.records < 2:
        raise BadInputError(f"{what} has a header and no rows", solution="provide the data")
    try:
        frame = _parsed(path, target, delimiter, {name: pl.String() for name in names if name in as_text})
    except (PolarsError, OSError) as error:
        if "No space left" in str(error):
            raise disk_full(what) from error
        # Polars names no line: the rows are compared one by one.
        text.scan(path, what, delimiter=delimiter, columns=len(names), exact=True)
        raise BadInputError(
            f"{what} cannot be parsed as CSV: {reason(error)}", solution="write it as Parquet, or as plain CSV"
        ) from error
    rows = frame.select(pl.len()).collect().item()
    if rows != found.records - 1:
        raise BadInputError(
            f"{what} has {found.records - 1} rows, of which {rows} could be parsed: a quote stands inside a value",
            solution='write a double quote inside a value twice, and the value in quotes: "5"" pipe"',
        )
    return frame


def _parsed(path: Path, target: Path, delimiter: str, overrides: dict[str, pl.DataType]) -> pl.LazyFrame:
    guess = pl.read_csv(
        path, separator=delimiter, n_rows=_GUESSED_ROWS, infer_schema_length=_GUESSED_ROWS, schema_overrides=overrides
    )
    # What is empty so far would be taken for text.
    unknown = guess.height == _GUESSED_ROWS and guess.height in guess.null_count().row(0) if guess.width else False
    if not unknown:
        try:
            return _sunk(pl.scan_csv(path, separator=delimiter, glob=False, schema=guess.schema), target)
        except PolarsError as error:
            if "No space left" in str(error):
                raise
    everything = pl.scan_csv(
        path, separator=delimiter, glob=False, infer_schema_length=None, schema_overrides=overrides
    )
    return _sunk(everything, target)


def _sunk(frame: pl.LazyFrame, target: Path) -> pl.LazyFrame:
    """`frame` as a Parquet file, written in batches: no compression, since it lives as long as one gate."""
    frame.sink_parquet(target, compression="uncompressed", statistics=False)
    return pl.scan_parquet(target, glob=False, hive_partitioning=False)
