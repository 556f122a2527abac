"""JSON Lines: looked through, then parsed once into a Parquet file in the scratch folder, as CSV is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from hallmark import unique_json
from hallmark.errors import BadInputError
from hallmark.inputs import text
from hallmark.inputs.delimited import MAXIMUM_COLUMNS, require_names
from hallmark.inputs.errors import disk_full, reason, told
from hallmark.inputs.formats import BOM

_READ_FIRST = 1_000
_READ_FOR_A_MISTAKE = 5_000_000
"""Lines among which the place of a mistake is looked for."""


def open_json_lines(path: Path, target: Path, *, what: str) -> pl.LazyFrame:
    """The objects of a JSON Lines file, parsed into the Parquet file `target`; a key that is missing is a null.

    Raises:
        BadInputError: with the line, where there is one: not JSON, not an object, a key twice; or as `text.scan` says.
        ToolFailedError: the disk is full.
    """
    with told(what):
        text.first_line(path, what)
        found = text.scan(path, what)
        _read(path, what, _READ_FIRST)
        plain = _without_bom(path, target) if found.bom else path
    try:
        frame = pl.scan_ndjson(plain, infer_schema_length=None)
        kinds = frame.collect_schema()
        if len(kinds) > MAXIMUM_COLUMNS:
            raise BadInputError(
                f"{what} has {len(kinds)} different keys, more than {MAXIMUM_COLUMNS}",
                solution="keep a table of so many columns as rows of name and value",
            )
        frame.sink_parquet(target, compression="uncompressed", statistics=False)
    except (PolarsError, OSError) as error:
        if "No space left" in str(error):
            raise disk_full(what) from error
        _read(path, what, _READ_FOR_A_MISTAKE)
        raise BadInputError(
            f"{what} cannot be parsed as JSON Lines: {reason(error)}", solution="write one object on each line"
        ) from error
    require_names(kinds.names(), what)
    return pl.scan_parquet(target, glob=False, hive_partitioning=False)


def _without_bom(path: Path, target: Path) -> Path:
    plain = target.with_suffix(".text")
    with path.open("rb") as source, plain.open("wb") as copy:
        source.seek(len(BOM))
        shutil.copyfileobj(source, copy, 1 << 20)
    return plain


def _read(path: Path, what: str, lines: int) -> None:
    """Read the first `lines` lines with Python's own parser, which tells a mistake's place, and keys that repeat."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number > lines:
                return
            content = line.removeprefix(BOM) if number == 1 else line
            if not content.strip():
                continue
            try:
                value = unique_json.loads(content)
            except (ValueError, RecursionError) as error:
                said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                raise BadInputError(
                    f"{what}: line {number} is not JSON: {said}", solution="write one object on each line"
                ) from error
            if not isinstance(value, dict):
                raise BadInputError(
                    f"{what}: line {number} is no JSON object", solution='write one object on each line: {"name": 1}'
                )
