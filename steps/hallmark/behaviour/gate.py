"""All parts of this package that judge, as the policy's `model.behaviour` asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from hallmark.behaviour.fairness import judge_fairness
from hallmark.behaviour.outcomes import Outcomes, Task, by_row, outcomes
from hallmark.behaviour.plan import planned
from hallmark.behaviour.probe_judgement import judge_probes
from hallmark.behaviour.slices import judge_slices
from hallmark.datasets import NUMBER, ROW
from hallmark.documents.rules_behaviour import Behaviour, Declared
from hallmark.documents.rules_quality import FailingRows
from hallmark.errors import BadInputError
from hallmark.findings import Findings, together


def judge_behaviour(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    predictions: pl.DataFrame,
    rules: Behaviour,
    *,
    task: Task,
    groups: pl.DataFrame | None = None,
    key: pl.DataFrame | None = None,
    own: Declared | None = None,
    offered: Sequence[str] = (),
    shown: FailingRows | None = None,
) -> Findings:
    """Slices, fairness and every test with changed rows. The parts say which figures they leave.

    Args:
        features: `row` and the features, as `features/features.parquet`.
        labels: {row, label, perhaps `number`: how people are told the row}.
        predictions: {row, prediction, perhaps `probability:<class>`} for these rows and those of `key`.
        groups: `row` and the columns that `rules.group_columns` gives, as `labels/groups.parquet`.
        key: {row, base, test}, as `labels/probes.parquet`; None where none was made.
        own: `behaviour` of hallmark.yaml.
        offered: the columns that the policy offers to any model.
        shown: what of the values of single rows may be told; default: nothing.

    Raises:
        BadInputError: what was asked for cannot be judged from this; each part says why.
    """
    found = outcomes(labels, predictions, task)
    table = features
    if groups is not None:
        beside = by_row(groups, "the groups")
        if not beside[ROW].equals(found.rows):
            raise BadInputError(
                f"the groups are not about the {found.height} labelled rows",
                solution="hand over the results of one run",
            )
        more = [name for name in groups.columns if name not in features.columns]
        if more:
            ordered = by_row(features, "the features")
            # Rows that are not the labels' are found out by whoever looks at the table.
            table = (
                ordered.with_columns(beside.select(more))
                if ordered[ROW].equals(beside[ROW])
                else ordered.join(beside.select(ROW, *more), on=ROW, how="left", maintain_order="left")
            )
    numbers = labels.select(ROW, NUMBER).cast({ROW: pl.Int64}) if NUMBER in labels.columns else None
    return together(_parts(table, features, found, predictions, rules, key, own, offered, numbers, shown))


def _parts(
    table: pl.DataFrame, features: pl.DataFrame, found: Outcomes, predictions: pl.DataFrame, rules: Behaviour,
    key: pl.DataFrame | None, own: Declared | None, offered: Sequence[str], numbers: pl.DataFrame | None,
    shown: FailingRows | None,
) -> Iterator[Findings]:  # fmt: skip
    absent = [name for name in rules.group_columns(offered) if name not in table.columns]
    if absent:
        raise BadInputError(
            f"model.behaviour looks at column {absent[0]}, which was not handed over",
            solution="let prepare-evaluation write the groups, in the same run and by the same policy",
        )
    if rules.slices is not None:
        yield judge_slices(table, found, rules.slices)
    for place, rule in enumerate(rules.fairness):
        yield judge_fairness(table, found, rule, where=f"model.behaviour.fairness.{place}")
    columns = [name for name in features.columns if name != ROW]
    if key is not None:
        yield judge_probes(
            key, predictions, found, rules, features=columns, own=own, offered=offered, table=features,
            numbers=numbers, shown=shown,
        )  # fmt: skip
    elif planned(rules, columns, own=own, offered=offered):
        raise BadInputError(
            "model.behaviour asks for tests with changed rows, but no such rows were made",
            solution="let prepare-evaluation make them, in the same run",
        )
