"""All checks of this package on both data sets, as the policy's `data.quality` asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from hallmark.documents.rules_quality import Quality
from hallmark.findings import Findings, together
from hallmark.quality.contents import classes, columns, duplicates
from hallmark.quality.groups import groups
from hallmark.quality.labels import Task
from hallmark.quality.leakage import leakage
from hallmark.quality.overlap import overlap
from hallmark.quality.tables import Table


def check_quality(
    training: pl.LazyFrame,
    independent: pl.LazyFrame,
    rules: Quality,
    *,
    features: Sequence[str],
    label: str,
    task: Task = "classification",
) -> Findings:
    """Every check; never none. The parts say which figures they leave.

    Leakage is looked for in the training data only: the model learns from nothing else.

    Args:
        features: the columns that the model is given.

    Raises:
        BadInputError: empty data, an unknown column, class or group, or data that a check can say nothing about.
    """
    tables = {
        "training": Table(name="training", rows=training),
        "independent": Table(name="independent", rows=independent),
    }
    return together(_parts(tables, rules, features, label, task))


def _parts(
    tables: dict[str, Table], rules: Quality, features: Sequence[str], label: str, task: Task
) -> Iterator[Findings]:
    for table in tables.values():
        yield columns(table, rules.columns, features=features, label=label)
        yield duplicates(table, rules.duplicates, rows=rules.failing_rows)
        if task == "classification":
            yield classes(table, rules.classes, label=label)
    for place, comparison in enumerate(rules.overlaps):
        yield overlap(
            tables["training"],
            tables["independent"],
            comparison,
            features=features,
            where=f"data.quality.overlaps.{place}.columns",
            rows=rules.failing_rows,
        )
    yield leakage(tables["training"], rules.leakage, features=features, label=label, task=task)
    for place, rule in enumerate(rules.groups):
        for name in rule.data:
            yield groups(tables[name], rule, label=label, task=task, where=f"data.quality.groups.{place}")
