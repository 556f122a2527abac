"""Reads an expectation suite's file without great-expectations, which drops what it does not know and goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from hallmark import unique_json
from hallmark.errors import BadInputError
from hallmark.files import inside
from hallmark.nearest import did_you_mean

MAXIMUM_BYTES = 4 << 20
SUITE_KEYS = ("name", "id", "expectations", "meta", "notes")
ENTRY_KEYS = (
    "type", "kwargs", "id", "meta", "notes", "description", "severity", "rendered_content", "expectation_context",
)  # fmt: skip
OLD_KEYS = {"expectation_suite_name": "name", "expectation_type": "type"}
"""Of great-expectations 0.x, and what they are called since 1.0."""

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One expectation of a suite."""

    where: str
    """`<file>: expectation <number from 1>`, for errors."""
    type: str
    kwargs: dict[str, Any]
    severity: Severity

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks into; a table's expected columns are none of them."""
        if self.type.startswith("expect_table_"):
            return ()
        single = [self.kwargs.get(key) for key in ("column", "column_A", "column_B")]
        several = self.kwargs.get("column_list")
        names = [*single, *(several if isinstance(several, list) else [])]
        return tuple(name for name in names if isinstance(name, str))


@dataclass(frozen=True, kw_only=True)
class Suite:
    file: str
    entries: tuple[Entry, ...]


def load_suite(folder: Path, file: str) -> Suite:
    """The suite in `folder/file`, as great-expectations 1.x writes it.

    Raises:
        BadInputError: the file is missing, no JSON, of the shape of great-expectations 0.x, without an expectation,
            or has a key that would be ignored; file, entry and the nearest known key are named.
    """
    path = inside(folder, file)
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise BadInputError(f"{file} is larger than {MAXIMUM_BYTES} bytes", solution="is this really a suite?")
        document = unique_json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(
            f"cannot read the expectation suite {file}: {error.strerror}", solution="put it beside policy.yaml"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{file} is not JSON: {error}", solution="mend the JSON at that place") from error
    _require_keys(file, document, SUITE_KEYS)
    entries = document.get("expectations")
    if not isinstance(entries, list) or not entries:
        raise BadInputError(
            f"{file} has no expectations, so every data would pass", solution="add one, or name no suite in the policy"
        )
    return Suite(
        file=file,
        entries=tuple(_entry(f"{file}: expectation {number}", entry) for number, entry in enumerate(entries, start=1)),
    )


def _entry(where: str, entry: object) -> Entry:
    _require_keys(where, entry, ENTRY_KEYS)
    fields = cast("dict[str, Any]", entry)
    kind, kwargs, severity = fields.get("type"), fields.get("kwargs", {}), fields.get("severity", "critical")
    if not isinstance(kind, str) or not isinstance(kwargs, dict):
        raise BadInputError(
            f"{where} needs a type and kwargs", solution='write {"type": "expect_...", "kwargs": {...}}'
        )
    if severity not in SEVERITIES:
        raise BadInputError(f"{where}: severity {severity!r}", solution=f"use one of {', '.join(SEVERITIES)}")
    return Entry(where=where, type=kind, kwargs=kwargs, severity=severity)


def _require_keys(where: str, value: object, known: Iterable[str]) -> None:
    if not isinstance(value, dict):
        raise BadInputError(f"{where} is no JSON object", solution="see great-expectations' documentation of suites")
    known = tuple(known)
    for key in value:
        if key in OLD_KEYS:
            raise BadInputError(
                f"{where} is of great-expectations 0.x: it has {key}",
                solution=f"rename {key} to {OLD_KEYS[key]}, as since 1.0, and check the kwargs of each expectation",
            )
        if key not in known:
            raise BadInputError(
                f"{where}: unknown key {key}", solution=did_you_mean(key, known, f"known here: {', '.join(known)}")
            )
