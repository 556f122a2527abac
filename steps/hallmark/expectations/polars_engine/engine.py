"""Plans a whole suite and computes it in one streaming pass over the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

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


@dataclass(frozen=True, kw_only=True)
class Answers:
    """By the place of the entries, from 0."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    declined: dict[int, str] = field(default_factory=dict)
    """Why polars does not answer for an entry."""
    seen: dict[int, int] = field(default_factory=dict)
    """The fewest values that one of the entry's columns holds, where its row condition does as far as polars
    understands it. For every entry that is about columns."""


def evaluate(
    entries: Sequence[Entry], data: pl.LazyFrame, schema: Mapping[str, pl.DataType], *, answer: bool = True
) -> Answers:
    """Evaluate what polars can, all of it in one pass.

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
                plans[place] = Plan(values=plan.values, conclude=plan.conclude, unless=(*plan.unless, *unless))
                asked |= {f"{place} {name}": value for name, value in plan.values.items()}
                asked |= {f"{place} unless {number}": value for number, value in enumerate(plans[place].unless)}
        except Unsupported as reason:
            declined[place] = str(reason)
        columns = [name for name in entry.columns if name in schema]
        if columns and entry.type not in TRUE_OF_NOTHING:
            counts = [Column(name=name, dtype=schema[name], where=where).values.count() for name in columns]
            asked[f"{place} seen"] = pl.min_horizontal(counts) if len(counts) > 1 else counts[0]
    found = data.select(**asked).collect(engine="streaming").row(0, named=True) if asked else {}
    outcomes: dict[int, Outcome] = {}
    for place, plan in plans.items():
        if any(found[f"{place} unless {number}"] for number in range(len(plan.unless))):
            declined[place] = "the data holds integers beyond what a float64 holds, or booleans with gaps"
        else:
            outcomes[place] = plan.conclude({name: found[f"{place} {name}"] for name in plan.values})
    seen = {place: int(found[f"{place} seen"]) for place in range(len(entries)) if f"{place} seen" in found}
    return Answers(outcomes=outcomes, declined=declined, seen=seen)


def _plan(entry: Entry, schema: Mapping[str, pl.DataType], where: pl.Expr | None) -> Plan:
    planner = PLANNERS.get(entry.type)
    if planner is None:
        raise Unsupported("polars does not evaluate this type")
    return planner(Arguments(entry=entry, schema=schema, where=where))
