"""Who is in the data and how the label falls to them: groups that are missing or too small, and rates far apart.

What it compares are shares of the data as it is. Whether a difference is unfair, and whether the model makes it
larger, are questions that no table answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from hallmark.documents.rules_quality import Groups
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.gate_report import Check
from hallmark.judgement import wilson_interval
from hallmark.labels import canonical
from hallmark.quality.labels import Task
from hallmark.quality.tables import Table, shown

MAXIMUM_GROUPS = 200
MAXIMUM_CLASSES = 1000
MISSING = "(missing)"
_ROWS, _LABEL, _SUM, _KNOWN = "\0rows", "\0label", "\0sum", "\0known"


@dataclass(frozen=True, kw_only=True)
class Group:
    name: str
    rows: int
    """All of the group's."""
    known: int
    """Those of them with a label."""
    rate: float | None
    """The share of the positive class, or the mean of a number as label; None without a row that has one."""
    low: float | None = None
    """Lower bound of the rate's 95 % interval."""
    high: float | None = None


def groups(table: Table, rules: Groups, *, label: str, task: Task, where: str) -> Findings:
    """Representation, and the label's rate or mean where a limit is set for it.

    Figures: `groups` [{dataset, columns, rows, minimum_rows, minimum_share, measure, positive, minimum_ratio,
    maximum_difference, ratio, difference, groups: [{name, rows, share, rate, low, high}]}].

    Args:
        where: the rule's place in the policy, for errors.

    Raises:
        BadInputError: an empty table, an unknown column or class, over 200 groups, or a limit that cannot be judged.
    """
    table.require([*rules.columns, label], f"{where}.columns")
    total = table.height()
    found = sorted(_counted(table, rules, label, task, where), key=lambda group: group.name)
    compared = rules.minimum_ratio is not None or rules.maximum_difference is not None
    rated = [group for group in found if group.rate is not None]
    if compared and len(rated) < 2:
        raise BadInputError(
            f"{where} compares groups, but the {table.name} data has {len(rated)} with a label",
            solution="name other columns, or take minimumRatio and maximumDifference away",
        )
    by = " and ".join(rules.columns)
    checks = [*_representation(table.name, by, found, total, rules)]
    if compared:
        checks += _rates(table.name, by, rated, rules, task)
    return Findings(checks=tuple(checks), figures={"groups": [_figure(table.name, found, total, rules, task)]})


def _counted(table: Table, rules: Groups, label: str, task: Task, where: str) -> Iterator[Group]:
    value = pl.col(label)
    if task == "regression":
        if not table.schema[label].is_numeric():
            raise BadInputError(
                f"the label {label} of the {table.name} data is of type {table.schema[label]}, not a number",
                solution="correct the label, or say `task: classification` in hallmark.yaml",
            )
        number = value.cast(pl.Float64)
        finite = pl.when(number.is_finite()).then(number)
        cells = _aggregate(table, rules, where, [finite.sum().alias(_SUM), finite.count().alias(_KNOWN)])
        for row in cells.rows(named=True):
            known = row[_KNOWN]
            rate = row[_SUM] / known if known else None
            yield Group(name=_name(row, rules), rows=row[_ROWS], known=known, rate=rate)
        return
    if rules.positive is None:
        if rules.minimum_ratio is not None or rules.maximum_difference is not None:
            raise BadInputError(
                f"{where} compares the label between groups, but names no class for it",
                solution=f"name it in {where}.positive",
            )
        cells = _aggregate(table, rules, where, [])
        for row in cells.rows(named=True):
            yield Group(name=_name(row, rules), rows=row[_ROWS], known=0, rate=None)
        return
    value = _without_nan(table, label)
    chosen = _class(table, label, rules.positive, where)
    hits, known_rows = value.is_in(chosen).sum(), value.count()
    for row in _aggregate(table, rules, where, [hits.alias(_SUM), known_rows.alias(_KNOWN)]).rows(named=True):
        known, positive = row[_KNOWN], row[_SUM]
        low, high = wilson_interval(positive, known) if known else (None, None)
        rate = positive / known if known else None
        yield Group(name=_name(row, rules), rows=row[_ROWS], known=known, rate=rate, low=low, high=high)


def _without_nan(table: Table, column: str) -> pl.Expr:
    value = pl.col(column)
    return pl.when(value.is_not_nan()).then(value) if table.schema[column].is_float() else value


def _class(table: Table, label: str, positive: str, where: str) -> list[Any]:
    """The label's values that are the class `positive`."""
    distinct = table.rows.select(_without_nan(table, label).drop_nulls().unique()).head(MAXIMUM_CLASSES + 1)
    values = distinct.collect(engine="streaming").to_series().to_list()
    try:
        names = canonical(values)
        wanted = canonical([positive])[0]
    except ValueError as error:
        raise BadInputError(
            f"the label {label} of the {table.name} data holds {error}", solution="use class names as labels"
        ) from error
    chosen = [value for value, name in zip(values, names, strict=True) if name == wanted]
    if not chosen:
        known = ", ".join(sorted(set(names))[:10])
        raise BadInputError(
            f"{where}.positive names the class {positive}, which the {table.name} data does not have",
            solution=f"name one of {known}",
        )
    return chosen


def _aggregate(table: Table, rules: Groups, where: str, expressions: list[pl.Expr]) -> pl.DataFrame:
    keys = [_key(table, column, rules, where) for column in rules.columns]
    found = table.rows.group_by(keys).agg(pl.len().alias(_ROWS), *expressions).collect(engine="streaming")
    if found.height > MAXIMUM_GROUPS:
        raise BadInputError(
            f"{where} makes {found.height} groups of the {table.name} data; at most {MAXIMUM_GROUPS} are looked at",
            solution=f"name columns with few values, or cut numbers into ranges with {where}.edges",
        )
    return found


def _key(table: Table, column: str, rules: Groups, where: str) -> pl.Expr:
    """A row's group in one column, as text."""
    value, dtype = pl.col(column), table.schema[column]
    edges = rules.edges.get(column)
    if edges is None:
        if dtype.is_nested() or dtype == pl.Binary:
            raise BadInputError(
                f"column {column} of the {table.name} data is of type {dtype}, which makes no groups",
                solution=f"name a column of texts or numbers in {where}.columns",
            )
        return _without_nan(table, column).cast(pl.String).fill_null(MISSING).alias(column)
    if not dtype.is_numeric():
        raise BadInputError(
            f"{where}.edges cuts column {column}, which is of type {dtype} in the {table.name} data",
            solution="give edges for numbers only",
        )
    number = value.cast(pl.Float64)
    names = [f"under {edges[0]:g}", *(f"{low:g}..{high:g}" for low, high in itertools.pairwise(edges))]
    key = pl.lit(f"{edges[-1]:g} and over")
    for name, edge in zip(reversed(names), reversed(edges), strict=True):
        key = pl.when(number < edge).then(pl.lit(name)).otherwise(key)
    return pl.when(number.is_null() | number.is_nan()).then(pl.lit(MISSING)).otherwise(key).alias(column)


def _name(row: dict[str, Any], rules: Groups) -> str:
    return " / ".join(str(row[column]) for column in rules.columns)


def _representation(dataset: str, by: str, found: list[Group], total: int, rules: Groups) -> Iterator[Check]:
    absent = [name for name in rules.expected if name not in {group.name for group in found}]
    if rules.expected:
        yield Check(
            name=f"{dataset} data: expected groups by {by}",
            passed=not absent,
            value=f"missing: {', '.join(absent)}" if absent else f"all {len(rules.expected)} are there",
            limit="none missing",
        )
    small = [group for group in found if group.rows < rules.minimum_rows or group.rows < rules.minimum_share * total]
    smallest = min(found, key=lambda group: group.rows)
    listed = small[:10] or [smallest]
    share = f" and {shown(rules.minimum_share)} of the rows" if rules.minimum_share else ""
    yield Check(
        name=f"{dataset} data: rows of each group by {by}",
        passed=not small,
        value=("" if small else "smallest ")
        + ", ".join(f"{group.name}: {group.rows} ({shown(group.rows / total)})" for group in listed)
        + (f" and {len(small) - 10} more" if len(small) > 10 else ""),
        limit=f"at least {rules.minimum_rows}{share}",
        detail="collect more of them; what is learned and measured on so few rows says little about them",
    )


def _rates(dataset: str, by: str, rated: list[Group], rules: Groups, task: Task) -> Iterator[Check]:
    low, high, ratio, difference = _spread(rated)
    what = f"rate of {rules.positive}" if task == "classification" else "mean of the label"
    found = f"{low.name} {low.rate:.4g}, {high.name} {high.rate:.4g}"
    if rules.minimum_ratio is not None:
        if ratio is None:
            raise BadInputError(
                f"the {what} by {by} is not positive everywhere in the {dataset} data, so it has no ratio",
                solution="set maximumDifference instead of minimumRatio",
            )
        yield Check(
            name=f"{dataset} data: {what} by {by}, lowest to highest",
            passed=ratio >= rules.minimum_ratio,
            value=f"{ratio:.4g} ({found})",
            limit=f"at least {rules.minimum_ratio:g}",
            detail="a model that learns this will repeat it: find out where it comes from",
        )
    if rules.maximum_difference is not None:
        yield Check(
            name=f"{dataset} data: {what} by {by}, difference",
            passed=difference <= rules.maximum_difference,
            value=f"{difference:.4g} ({found})",
            limit=f"at most {rules.maximum_difference:g}",
            detail="a model that learns this will repeat it: find out where it comes from",
        )


def _spread(rated: list[Group]) -> tuple[Group, Group, float | None, float]:
    """The groups with the lowest and the highest rate, their ratio (None where it has no meaning), their difference."""
    low, high = (choose(rated, key=lambda group: group.rate or 0.0) for choose in (min, max))
    bottom, top = low.rate or 0.0, high.rate or 0.0
    ratio = bottom / top if bottom >= 0 and top > 0 else None
    return low, high, ratio, top - bottom


def _figure(dataset: str, found: list[Group], total: int, rules: Groups, task: Task) -> dict[str, Any]:
    rated = [group for group in found if group.rate is not None]
    _, _, ratio, difference = _spread(rated) if rated else (None, None, None, None)
    return {
        "dataset": dataset,
        "columns": list(rules.columns),
        "rows": total,
        "minimum_rows": rules.minimum_rows,
        "minimum_share": rules.minimum_share,
        "measure": "rate" if task == "classification" else "mean",
        "positive": rules.positive,
        "minimum_ratio": rules.minimum_ratio,
        "maximum_difference": rules.maximum_difference,
        "ratio": ratio,
        "difference": difference,
        "groups": [
            {
                "name": group.name,
                "rows": group.rows,
                "share": group.rows / total,
                "rate": group.rate,
                "low": group.low,
                "high": group.high,
            }
            for group in found
        ],
    }
