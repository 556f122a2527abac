"""Plans a whole suite and computes it in one streaming pass over the data."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from hallmark.expectations.conditions import condition_of
from hallmark.expectations.polars_engine import column_aggregate, column_map, several_columns, table
from hallmark.expectations.polars_engine.plan import Arguments, Column, Plan, Unsupported
from hallmark.expectations.results import TRUE_OF_NOTHING, Outcome
from hallmark.expectations.suite import Entry

PLANNERS: dict[str, Callable[[Arguments], Plan]] = {
    **column_map.PLANNERS,
    **column_aggregate.PLANNERS,
    **several_columns.PLANNERS,
    **table.PLANNERS,
}
"""The expectations that polars evaluates, by their type."""
_AT_ONCE = "POLARS_ROW_GROUP_PREFETCH_SIZE"
"""How many of a Parquet file's row groups polars reads ahead: one takes no longer and a third less memory than all."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """By the place of the entries, from 0."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    declined: dict[int, str] = field(default_factory=dict)
    """Why polars does not answer for an entry."""
    failing: dict[int, pl.Expr] = field(default_factory=dict)
    """For each row whether it is unexpected, of the entries that are about rows."""
    seen: dict[int, int] = field(default_factory=dict)
    """The fewest values that one of the entry's columns holds, where its row condition does as far as polars
    understands it. For every entry that is about columns."""


def evaluate(
    entries: Sequence[Entry], data: pl.LazyFrame, schema: Mapping[str, pl.DataType], *, answer: bool = True
) -> Answers:
    """Evaluate what polars can, all of it in one pass; in a second one what that asks for.

    Args:
        schema: the data's; every column of the entries is in it, but those of `expect_column_to_exist`.
        answer: False only counts what there is to see.

    Raises:
        PolarsError: the data cannot be read.
    """
    plans: dict[int, Plan] = {}
    declined: dict[int, str] = {}
    asked: dict[str, pl.Expr] = {}
    for place, entry in enumerate(entries):
        where: pl.Expr | None = None
        unless: tuple[pl.Expr, ...] = ()
        try:
            condition = condition_of(entry.kwargs, schema)
            if condition is not None:
                where, unless = condition.rows, condition.unless
            if answer:
                plan = _plan(entry, schema, where)
                plans[place] = dataclasses.replace(plan, unless=(*plan.unless, *unless))
        except Unsupported as reason:
            declined[place] = str(reason)
        columns = [name for name in entry.columns if name in schema]
        if columns and entry.type not in TRUE_OF_NOTHING:
            counts = [Column(name=name, dtype=schema[name], where=where).values.count() for name in columns]
            asked[f"{place} seen"] = pl.min_horizontal(counts) if len(counts) > 1 else counts[0]
    light = {place: plan for place, plan in plans.items() if not plan.heavy} if _reads_columns_alone(data) else plans
    heavy = {place: plan for place, plan in plans.items() if place not in light}
    failing = {place: plan.failing for place, plan in plans.items() if plan.failing is not None}
    found = _computed(data, _asked(heavy)) | _computed(data, asked | _asked(light))
    seen = {place: int(found[f"{place} seen"]) for place in range(len(entries)) if f"{place} seen" in found}
    outcomes: dict[int, Outcome] = {}
    while plans:
        further: dict[int, Plan] = {}
        for place, plan in plans.items():
            if any(found[f"{place} unless {number}"] for number in range(len(plan.unless))):
                declined[place] = "the data holds infinities, integers beyond a float64's, or booleans with gaps"
                continue
            concluded = plan.conclude({name: found[f"{place} {name}"] for name in plan.values})
            if isinstance(concluded, Plan):
                further[place] = concluded
            else:
                outcomes[place] = concluded
        plans = further
        found = _computed(data, _asked(plans))
    return Answers(outcomes=outcomes, declined=declined, failing=failing, seen=seen)


def _reads_columns_alone(data: pl.LazyFrame) -> bool:
    """Whether a pass over one column more reads just that: of Parquet it does, a CSV file is parsed as a whole.

    What takes a whole column into memory then has a pass of its own, and its memory is not added to the other's.
    """
    return "PARQUET SCAN" in data.explain(optimized=False).upper()


def _asked(plans: Mapping[int, Plan]) -> dict[str, pl.Expr]:
    values = {f"{place} {name}": value for place, plan in plans.items() for name, value in plan.values.items()}
    checks = {
        f"{place} unless {number}": value for place, plan in plans.items() for number, value in enumerate(plan.unless)
    }
    return values | checks


def _computed(data: pl.LazyFrame, asked: Mapping[str, pl.Expr]) -> dict[str, Any]:
    if not asked:
        return {}
    before = os.environ.get(_AT_ONCE)
    os.environ[_AT_ONCE] = before or "1"
    try:
        return data.select(**asked).collect(engine="streaming").row(0, named=True)
    finally:
        if before is None:
            del os.environ[_AT_ONCE]


def _plan(entry: Entry, schema: Mapping[str, pl.DataType], where: pl.Expr | None) -> Plan:
    planner = PLANNERS.get(entry.type)
    if planner is None:
        raise Unsupported("polars does not evaluate this type")
    return planner(Arguments(entry=entry, schema=schema, where=where))
