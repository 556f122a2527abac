"""What a column is compared as, and everything that is kept of it as a reference.

Numbers, dates and times (seconds) and lengths of texts (characters) become float64; booleans and texts with few
different values are categories. Null and NaN are missing values: they are counted, and are no part of a distribution.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from hallmark.documents.rules_drift import Kind
from hallmark.drift.distribution import Distribution, Floats
from hallmark.drift.reading import Source, whole
from hallmark.errors import BadInputError

Family = Literal["number", "boolean", "text", "time"]

CATEGORIES = 100
"""With more different values a text is free text, whose length is compared."""
_CLASSES = 20
"""Up to as many different numbers a label is one of classes."""
_KINDS: dict[Family, tuple[Kind, ...]] = {
    "number": ("numeric", "categorical"),
    "boolean": ("categorical",),
    "text": ("categorical", "text"),
    "time": ("time",),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """A column of the reference."""

    name: str
    family: Family
    kind: Kind
    count: int
    """Of values."""
    missing: int
    distribution: Distribution | None = None
    """Where it is no column of categories."""
    mean: float | None = None
    spread: float | None = None
    """The standard deviation; None, as the mean, where a value is infinite."""
    categories: Mapping[str, int]
    """With their counts, most frequent first."""
    distinct: int
    """How many different values there were; of texts, not of their lengths."""

    @property
    def missing_share(self) -> float:
        return self.missing / (self.missing + self.count)


def family(dtype: pl.DataType, name: str, what: str) -> Family:
    """What a column's values are. Raises BadInputError for lists, structures and bytes."""
    if dtype.is_numeric() or dtype in (pl.Duration, pl.Time):
        return "number"
    if dtype.is_temporal():
        return "time"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    if dtype == pl.Null:
        raise no_values(name, what)
    raise BadInputError(
        f"column {name} of {what} is of type {dtype}, which has no distribution",
        solution="leave it out of the columns that are compared",
    )


def no_values(name: str, what: str) -> BadInputError:
    return BadInputError(
        f"column {name} of {what} has no values, so that nothing can be said of its drift",
        solution="provide its values, or leave it out of the columns that are compared",
    )


def expression(name: str, dtype: pl.DataType, kind: Kind) -> pl.Expr:
    """The column as it is compared: float64, or text where it is one of categories."""
    column = pl.col(name)
    if kind == "categorical":
        if dtype.is_numeric():
            # A class is the same as integer and as float.
            number = column.cast(pl.Float64)
            return (
                pl.when(number == number.floor())
                .then(number.cast(pl.Int64, strict=False).cast(pl.String))
                .otherwise(number.fill_nan(None).cast(pl.String))
                .alias(name)
            )
        return column.cast(pl.String)
    if kind == "text":
        return column.cast(pl.String).str.len_chars().cast(pl.Float64)
    if kind == "time":
        return column.dt.timestamp("us") / 1e6
    if dtype == pl.Duration:
        return column.dt.total_microseconds() / 1e6
    if dtype == pl.Time:
        return column.cast(pl.Int64) / 1e9
    return column.cast(pl.Float64).fill_nan(None)


def describe(source: Source, wanted: Mapping[str, Kind | None], *, classes: Sequence[str] = ()) -> list[Column]:
    """The columns of a reference, in memory: the caller hands over as many as fit.

    Args:
        wanted: the kind of each column, None for what its type and content suggest.
        classes: columns in which a few numbers are classes: the label, the predictions.

    Raises:
        BadInputError: a column has no values, or is not of a kind that it can be compared as.
    """
    frame = whole(source, [pl.col(name) for name in wanted])
    with ThreadPoolExecutor(_workers()) as pool:
        return list(pool.map(lambda name: _column(source, frame[name], wanted[name], name in classes), wanted))


def _column(source: Source, values: pl.Series, kind: Kind | None, is_class: bool) -> Column:
    name, dtype = values.name, values.dtype
    of = family(dtype, name, source.what)
    require_kind(name, of, kind)
    kind = kind or _suggested(values, of, is_class)
    plain = values.to_frame().select(expression(name, dtype, kind)).to_series()
    found = plain.drop_nulls()
    if found.is_empty():
        raise no_values(name, source.what)
    count, missing = len(found), len(plain) - len(found)
    if kind == "categorical":
        counted = found.value_counts(name="\0count").sort(["\0count", name], descending=[True, False])
        categories = dict(zip(counted[name].to_list(), counted["\0count"].to_list(), strict=True))
        return Column(
            name=name, family=of, kind=kind, count=count, missing=missing, categories=categories,
            distinct=len(categories),
        )  # fmt: skip
    distribution = Distribution.of(found.to_numpy())
    mean, spread = moments(found.to_numpy())
    return Column(
        name=name, family=of, kind=kind, count=count, missing=missing, distribution=distribution, mean=mean,
        spread=spread, categories={},
        distinct=values.drop_nulls().n_unique() if kind == "text" else len(distribution.values),
    )  # fmt: skip


def require_kind(name: str, of: Family, kind: Kind | None) -> None:
    """Raises BadInputError for a kind that no column of that family can be compared as."""
    if kind is not None and kind not in _KINDS[of]:
        raise BadInputError(
            f"column {name} is a {of} and cannot be compared as {kind}",
            solution=f"in overrides.{name}, use {' or '.join(_KINDS[of])}",
        )


def _suggested(values: pl.Series, of: Family, is_class: bool) -> Kind:
    if of == "number" and is_class and values.n_unique() <= _CLASSES:
        return "categorical"
    if of == "text":
        distinct = values.n_unique()
        # Names and numbers of people are free text, also where there are only a few rows.
        return "categorical" if distinct <= CATEGORIES and 2 * distinct <= len(values) else "text"
    return _KINDS[of][0]


def moments(values: Floats) -> tuple[float | None, float | None]:
    """Mean and standard deviation; None for both where a value is infinite, or they are larger than any float."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, spread = float(values.mean()), float(values.std())
    return (mean, spread) if math.isfinite(mean) and math.isfinite(spread) else (None, None)


def _workers() -> int:
    return min(8, len(os.sched_getaffinity(0)))
