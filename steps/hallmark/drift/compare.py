"""Compares the reference's columns with the current data, which is read once, in batches of rows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from hallmark.documents.rules_drift import ColumnDrift, Drift, Statistic
from hallmark.drift import kolmogorov
from hallmark.drift import statistics as of
from hallmark.drift.columns import Column, expression, no_values
from hallmark.drift.distribution import Distribution, Floats, Tally
from hallmark.drift.reading import Source, batches
from hallmark.errors import BadInputError

SHOWN = 12
"""Categories that a figure names, the most frequent ones of the reference."""
_ANONYMOUS = 5
"""A category of fewer values, in both, is not named: it may be a person's."""
_OTHER = "other"


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """What came out for one column; no value of the data but names of frequent categories."""

    name: str
    kind: str
    statistic: Statistic
    value: float
    limit: float
    p: float
    """By chance alone the statistic would be as large with this probability, were this the only column."""
    statistics: Mapping[str, float]
    """All that were computed."""
    missing: tuple[float, float]
    """The shares of missing values: reference, current."""
    missing_p: float
    rows: tuple[int, int]
    error: float
    """How far the KS distance may be from that of all rows: a profile's bound, and sampling's in 99 % of draws."""
    drawing: Mapping[str, Any]

    def figure(self) -> dict[str, Any]:
        """The part of the report's figure that does not depend on the other columns."""
        return {
            "column": self.name,
            "kind": self.kind,
            "statistic": self.statistic,
            "value": self.value,
            "limit": self.limit,
            "p": self.p,
            "statistics": dict(self.statistics),
            "missing": {"reference": self.missing[0], "current": self.missing[1]},
            "rows": {"reference": self.rows[0], "current": self.rows[1]},
            "error": self.error,
            **self.drawing,
        }


@dataclass(kw_only=True, eq=False)
class _Current:
    """What is counted of a current column, batch by batch."""

    reference: Column
    keep: bool
    """Whether its values are needed afterwards: the Wasserstein distance is no function of counts."""
    tally: Tally | None = None
    missing: int = 0
    categories: Counter[str] = field(default_factory=Counter)
    other: int = 0
    kept: list[Floats] = field(default_factory=list)

    def add(self, batch: pl.Series) -> None:
        values = batch.drop_nulls()
        self.missing += len(batch) - len(values)
        if self.tally is None:
            counted = values.value_counts(name="\0count")
            for name, count in zip(counted[self.reference.name], counted["\0count"], strict=True):
                if name in self.reference.categories:
                    self.categories[name] += count
                else:
                    self.other += count
            return
        numbers = values.to_numpy(writable=True)
        self.tally.add(numbers)
        if self.keep:
            self.kept.append(numbers)

    @property
    def count(self) -> int:
        return self.tally.count if self.tally else self.categories.total() + self.other


def columns(references: Sequence[Column], now: Source, rules: Drift, *, error: float) -> list[Compared]:
    """The columns in the order of `references`.

    Args:
        error: what sampling may have moved the reference's distribution by.

    Raises:
        BadInputError: a current column has no values, or the rules ask for a statistic that its kind does not have.
    """
    chosen = [_chosen(reference, rules) for reference in references]
    current = [
        _Current(
            reference=reference,
            keep=statistic == "wasserstein",
            tally=Tally(reference=reference.distribution) if reference.distribution else None,
        )
        for reference, (statistic, _) in zip(references, chosen, strict=True)
    ]
    expressions = [expression(entry.name, now.schema[entry.name], entry.kind) for entry in references]
    with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0)))) as pool:
        for batch in batches(now, expressions):
            # The slowest part, sorting, leaves Python's lock alone.
            list(pool.map(lambda entry, batch=batch: entry.add(batch[entry.reference.name]), current))
        for entry in current:
            if not entry.count:
                raise no_values(entry.reference.name, now.what)
        return list(
            pool.map(lambda entry, how: _compared(entry, how[0], how[1], rules, error + now.error), current, chosen)
        )


def _chosen(reference: Column, rules: Drift) -> tuple[Statistic, float]:
    """The column's statistic and its limit."""
    override = rules.overrides.get(reference.name, ColumnDrift())
    categorical = reference.kind == "categorical"
    asked = override.statistic or rules.statistic
    if override.statistic in ("ks", "wasserstein") and categorical:
        raise BadInputError(
            f"drift.overrides.{reference.name}.statistic is {asked}, but categories have no order",
            solution="use js, psi or chi2",
        )
    fitting = None if categorical and asked in ("ks", "wasserstein") else asked
    return fitting or ("js" if categorical else "ks"), override.limit or rules.limit


def _compared(entry: _Current, statistic: Statistic, limit: float, rules: Drift, sampling: float) -> Compared:
    reference, count = entry.reference, entry.count
    expected, found = _bins(entry, rules.bins)
    square, bins_p = of.chi_square(expected, found)
    statistics: dict[str, float] = {
        "js": of.jensen_shannon(expected, found),
        "psi": of.population_stability(expected, found),
        "chi2": of.effect(square, reference.count, count),
    }
    p = bins_p
    if entry.tally is not None:
        statistics["ks"] = entry.tally.distance()
        if statistic == "wasserstein":
            statistics["wasserstein"] = _area(entry, entry.tally.reference)
        if statistic in ("ks", "wasserstein"):
            p = kolmogorov.p_value(statistics["ks"], reference.count, count)
    missing = np.array([reference.missing, reference.count]), np.array([entry.missing, count])
    return Compared(
        name=reference.name,
        kind=reference.kind,
        statistic=statistic,
        value=statistics[statistic],
        limit=limit,
        p=p,
        statistics=statistics,
        missing=(reference.missing_share, entry.missing / (entry.missing + count)),
        missing_p=of.chi_square(*missing)[1],
        rows=(reference.count + reference.missing, count + entry.missing),
        error=sampling + (reference.distribution.error if reference.distribution else 0.0),
        drawing={"histogram": entry.tally.histogram()} if entry.tally else {"categories": _categories(entry)},
    )


def _bins(entry: _Current, number: int) -> tuple[Floats, Floats]:
    if entry.tally is not None:
        return entry.tally.bins(number)
    known = entry.reference.categories
    rest = entry.reference.count - sum(known.values())
    return (
        np.array([*known.values(), rest], dtype=np.float64),
        np.array([*(entry.categories[name] for name in known), entry.other], dtype=np.float64),
    )


def _area(entry: _Current, distribution: Distribution) -> float:
    """The Wasserstein distance in standard deviations of the reference; of a constant one, in the values' own unit."""
    ordered = np.sort(np.concatenate(entry.kept))
    ends = np.concatenate([distribution.values[[0, -1]], ordered[[0, -1]]])
    if not np.isfinite(ends).all() or entry.reference.spread is None:
        raise BadInputError(
            f"column {entry.reference.name} has infinite values, whose Wasserstein distance is infinite too",
            solution=f"set drift.overrides.{entry.reference.name}.statistic to ks",
        )
    return distribution.area_to(ordered) / (entry.reference.spread or 1.0)


def _categories(entry: _Current) -> dict[str, list[Any]]:
    """Shares of the most frequent categories, for drawing: {names, reference, current}, the last one of all others."""
    known = entry.reference.categories
    names = [name for name in known if max(known[name], entry.categories[name]) >= _ANONYMOUS][:SHOWN]
    before = [known[name] / entry.reference.count for name in names]
    now = [entry.categories[name] / entry.count for name in names]
    return {
        "names": [*names, _OTHER],
        "reference": [*before, max(0.0, 1 - sum(before))],
        "current": [*now, max(0.0, 1 - sum(now))],
    }
