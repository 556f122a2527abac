"""A reference profile: what drift needs of the training data, small enough to stand beside the policy.

A column with up to 1,024 different numbers is kept whole, as values and counts; of any other, 2,048 quantiles are
kept, evenly spaced by rank. The KS distance from those differs from that of the data by at most
1 / (2 * 2,047) = 0.000245 (`Distribution.of_quantiles` has the reason). Arrays are base64 of little-endian float64 and
int64, so that the file of 20 columns is below 0.5 MB and loses no digit. The same data gives the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from hallmark.documents.loading import Document
from hallmark.documents.mistakes import first_of
from hallmark.documents.rules_drift import Kind
from hallmark.drift.columns import Column, Family, describe
from hallmark.drift.distribution import DISTINCT, QUANTILES, Distribution, quantiles
from hallmark.drift.reading import Source, groups, sampling_error
from hallmark.errors import BadInputError
from hallmark.files import write_text

MAXIMUM_BYTES = 64 << 20
KEPT_CATEGORIES = 200
VERSION = "hallmark.dev/profile/v1"

Count = Annotated[int, Field(ge=0, lt=1 << 53)]


class ProfileColumn(Document):
    """One column: numbers as `values`, with `counts` where every one is kept; or categories."""

    family: Family
    kind: Kind
    count: Annotated[int, Field(ge=1, lt=1 << 53)]
    missing: Count
    distinct: Annotated[int, Field(ge=1, lt=1 << 53)]
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    standard_deviation: float | None = Field(default=None, ge=0)
    values: str | None = None
    counts: str | None = None
    categories: list[tuple[str, Annotated[int, Field(ge=1, lt=1 << 53)]]] | None = None
    """The most frequent ones."""
    other: Count = 0
    """Values of all further categories."""


class ProfileFile(Document):
    version: Literal["hallmark.dev/profile/v1"]
    rows: Count
    sampled_rows: Count
    """Rows that were looked at; fewer than `rows` where the data was too large."""
    columns: dict[str, ProfileColumn] = Field(min_length=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """A profile, read."""

    file: ProfileFile
    columns: Mapping[str, Column]

    @property
    def rows(self) -> int:
        return self.file.rows

    @property
    def error(self) -> float:
        """What drawing rows for it may have moved its shares by, in 99 % of draws."""
        return sampling_error(self.file.sampled_rows, self.file.rows)


def make_profile(source: Source, names: Sequence[str], *, label: str | None = None) -> Profile:
    """The profile of a data set's columns. Raises BadInputError for a column without values or distribution."""
    columns: dict[str, Any] = {}
    for group in groups(names, source.looked_at):
        for column in describe(source, dict.fromkeys(group), classes=[label] if label else ()):
            columns[column.name] = _to_file(column)
    document = {"version": VERSION, "rows": source.rows, "sampledRows": source.looked_at, "columns": columns}
    return _profile(ProfileFile.model_validate_json(json.dumps(document)), source.what)


def write_profile(profile: Profile, target: Path) -> None:
    """Write it as canonical JSON: sorted keys, one column a line."""
    whole = profile.file.model_dump(by_alias=True, exclude_none=True, mode="json")
    columns = whole.pop("columns")
    head = json.dumps(whole, sort_keys=True, ensure_ascii=False, allow_nan=False)[:-1]
    lines = ",\n".join(
        f" {json.dumps(name, ensure_ascii=False)}: "
        f"{json.dumps(column, sort_keys=True, ensure_ascii=False, allow_nan=False)}"
        for name, column in sorted(columns.items())
    )
    write_text(target, f'{head}, "columns": {{\n{lines}\n}}}}\n')


def read_profile(path: Path) -> Profile:
    """A profile's file.

    Raises:
        BadInputError: it is missing, too large, no JSON, or does not hold what a profile must; with the place.
    """
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise BadInputError(f"{path.name} is larger than {MAXIMUM_BYTES} bytes", solution="is it a profile?")
        file = ProfileFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadInputError(
            f"cannot read the profile {path.name}: {error.strerror}", solution="write one with `hallmark profile`"
        ) from error
    except ValidationError as error:
        raise _wrong(f"{path.name}: {first_of(error)}") from error
    return _profile(file, path.name)


def _profile(file: ProfileFile, name: str) -> Profile:
    return Profile(file=file, columns={column: _from_file(name, column, kept) for column, kept in file.columns.items()})


def _wrong(what: str) -> BadInputError:
    return BadInputError(
        what,
        solution="write the profile anew with `hallmark profile`; it is not edited by hand",
    )


def _to_file(column: Column) -> dict[str, Any]:
    """What the file holds of a reference column."""
    kept: dict[str, Any] = {
        "family": column.family, "kind": column.kind, "count": column.count, "missing": column.missing,
        "distinct": column.distinct, "mean": column.mean, "standardDeviation": column.spread,
    }  # fmt: skip
    whole = column.distribution
    if whole is None:
        names = list(column.categories.items())
        kept["categories"] = names[:KEPT_CATEGORIES]
        kept["other"] = sum(count for _, count in names[KEPT_CATEGORIES:])
        return kept
    kept["minimum"], kept["maximum"] = _finite(whole.values[0]), _finite(whole.values[-1])
    if len(whole.values) <= DISTINCT:
        kept["values"], kept["counts"] = _encoded(whole.values, "<f8"), _encoded(whole.counts, "<i8")
    else:
        kept["values"] = _encoded(quantiles(whole, QUANTILES), "<f8")
    return kept


def _from_file(file: str, name: str, column: ProfileColumn) -> Column:
    """The reference column; raises BadInputError for what cannot be the distribution of `count` values."""

    def require(holds: bool, field: str, reason: str) -> None:
        if not holds:
            raise _wrong(f"{file}: columns.{name}.{field}: {reason}")

    distribution = None
    if column.kind == "categorical":
        require(bool(column.categories), "categories", "is missing")
        categories = dict(column.categories or [])
        require(len(categories) == len(column.categories or []), "categories", "one of them stands twice")
        require(sum(categories.values()) + column.other == column.count, "categories", "do not add up to count")
    else:
        categories = {}
        values = _decoded(column.values or "", "<f8")
        require(len(values) >= 1, "values", "is no base64 of float64")
        require(not np.isnan(values).any(), "values", "NaN is none")
        if column.counts is not None:
            counts = _decoded(column.counts, "<i8")
            require(len(counts) == len(values), "counts", "is not as long as values")
            require(bool((np.diff(values) > 0).all()), "values", "do not rise")
            require(bool((counts > 0).all()) and int(counts.sum()) == column.count, "counts", "do not add up to count")
            distribution = Distribution.of_counts(values, counts)
        else:
            require(len(values) == QUANTILES, "values", f"are not {QUANTILES}")
            require(bool((values[1:] >= values[:-1]).all()), "values", "fall")
            distribution = Distribution.of_quantiles(values, column.count)
    return Column(
        name=name, family=column.family, kind=column.kind, count=column.count, missing=column.missing,
        distribution=distribution, mean=column.mean, spread=column.standard_deviation, categories=categories,
        distinct=column.distinct,
    )  # fmt: skip


def _encoded(values: npt.NDArray[Any], dtype: str) -> str:
    return base64.b64encode(values.astype(dtype).tobytes()).decode("ascii")


def _decoded(text: str, dtype: str) -> npt.NDArray[Any]:
    """The array; an empty one for what is none."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype=dtype).astype(dtype[1:])
    except (binascii.Error, ValueError):
        return np.empty(0)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
