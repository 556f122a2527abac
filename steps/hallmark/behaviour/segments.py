"""Each row's segment in a column, as a small number with a name: a value, or a range of numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from hallmark.errors import BadInputError

MISSING = "(missing)"
OTHER = 0
"""The code of values that are too rare to be looked at: no segment."""
MAXIMUM_GROUPS = 200
_FIRST = 1000
_SAMPLE = 200_000
"""Rows that quantiles are taken from, evenly spread: a range's share of the rows is then good to about 0.2 %."""

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Segments:
    """A column's segments: `codes` is 0 (none) or a place in `names` plus 1, for every row."""

    column: str
    codes: Codes
    names: tuple[str, ...]


def segments(values: pl.Series, *, bins: int, maximum_values: int) -> Segments:
    """A column cut into its most frequent values, or if it holds more numbers than that into ranges.

    Null and NaN are a segment of their own. Ranges are named by their edges, with six digits.

    Raises:
        BadInputError: a type that makes no segments.
    """
    name, dtype = values.name, values.dtype
    if dtype.is_nested() or dtype == pl.Binary:
        raise BadInputError(
            f"column {name} is of type {dtype}, which makes no segments", solution="name columns of texts or numbers"
        )
    if dtype.is_numeric():
        values = values.cast(pl.Float64).fill_nan(None)
        # Counting all distinct values takes long, and is seldom needed.
        if values.head(_FIRST).n_unique() > bins + 1 or values.n_unique() > bins:
            return _ranges(values, bins)
    known = values.drop_nulls().value_counts(name="rows").sort("rows", name, descending=[True, False])
    frequent = known[name].head(maximum_values)
    names = [f"{value:g}" if isinstance(value, float) else str(value) for value in frequent.to_list()]
    codes = values.replace_strict(frequent, range(1, len(names) + 1), default=OTHER, return_dtype=pl.UInt8)
    return _with_missing(name, values.is_null(), codes.to_numpy(), names)


def _ranges(values: pl.Series, bins: int) -> Segments:
    known = values.drop_nulls()
    sample = np.sort(known.gather_every(-(-known.len() // _SAMPLE)).to_numpy())
    # A quantile that is a value of the data: equal values are never cut apart.
    places = (np.arange(1, bins) * len(sample)) // bins
    edges = np.unique(sample[places])
    edges = edges[edges > sample[0]]
    if not len(edges):
        edges = np.unique(sample[sample > sample[0]])[:1]
    texts = [f"{edge:.6g}" for edge in edges]
    names = [f"under {texts[0]}", *(f"{a}..{b}" for a, b in itertools.pairwise(texts)), f"{texts[-1]} and over"]
    codes = np.searchsorted(edges, values.fill_null(edges[0]).to_numpy(), side="right") + 1
    return _with_missing(values.name, values.is_null(), codes.astype(np.uint8), names)


def _with_missing(column: str, missing: pl.Series, codes: Codes, names: Sequence[str]) -> Segments:
    if not missing.any():
        return Segments(column=column, codes=codes, names=tuple(names))
    return Segments(
        column=column,
        codes=np.where(missing.to_numpy(), len(names) + 1, codes).astype(np.uint8),
        names=(*names, MISSING),
    )


def group_names(frame: pl.DataFrame, columns: Sequence[str], edges: dict[str, list[float]], where: str) -> pl.Series:
    """Each row's group as text, `female / 25..45`: the columns' values, numbers cut at `edges`.

    Raises:
        BadInputError: a type that makes no groups, edges for what is no number, or over 200 groups.
    """
    keys = [_key(frame[column], edges.get(column), where) for column in columns]
    names = pl.select(pl.concat_str(keys, separator=" / ")).to_series()
    if names.n_unique() > MAXIMUM_GROUPS:
        raise BadInputError(
            f"{where} makes {names.n_unique()} groups; at most {MAXIMUM_GROUPS} are compared",
            solution=f"name columns with few values, or cut numbers into ranges with {where}.edges",
        )
    return names


def _key(values: pl.Series, edges: list[float] | None, where: str) -> pl.Series:
    dtype = values.dtype
    if edges is None:
        if dtype.is_nested() or dtype == pl.Binary:
            raise BadInputError(
                f"{where} groups by column {values.name}, which is of type {dtype}",
                solution="name columns of texts or numbers",
            )
        known = values.fill_nan(None) if dtype.is_float() else values
        return known.cast(pl.String).fill_null(MISSING)
    if not dtype.is_numeric():
        raise BadInputError(
            f"{where}.edges cuts column {values.name}, which is of type {dtype}", solution="give edges for numbers only"
        )
    numbers = values.cast(pl.Float64).fill_nan(None)
    names = [f"under {edges[0]:g}", *(f"{low:g}..{high:g}" for low, high in itertools.pairwise(edges))]
    names.append(f"{edges[-1]:g} and over")
    codes = np.searchsorted(np.array(edges), numbers.fill_null(0).to_numpy(), side="right")
    found = pl.Series(names)[pl.Series(codes, dtype=pl.UInt32)]
    return found.zip_with(numbers.is_not_null(), pl.Series([MISSING], dtype=pl.String))
