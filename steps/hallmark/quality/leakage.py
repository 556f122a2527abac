"""Features that give the answer away: the label under another name, or a column that alone predicts it too well.

A high score is a hint. A feature that may be that good is put on the policy's list by someone who looked at it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hallmark.documents.rules_quality import Leakage
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.gate_report import Check
from hallmark.quality import predictive
from hallmark.quality.labels import Task, class_names, numeric
from hallmark.quality.tables import Table, chosen, random_rows

MAXIMUM_CLASSES = 100
_COPY = 1 - 1e-9
"""Correlation from which on a number is the label in other units; rounding leaves 1e-16."""
_GLANCE = 10_000
"""Rows that mostly show already that a feature has more values than the label has classes."""
_WHERE = "data.quality.leakage"


def leakage(table: Table, rules: Leakage, *, features: Sequence[str], label: str, task: Task) -> Findings:
    """Two checks for the whole table, naming the features that fail.

    Figures: `leakage` [{feature, measure, score, maximum, allowed, copy, strongest, strongest_score}], the highest
    score first; `measure` is `AUC` or `R²`, `strongest` the class that the feature tells apart best.

    Raises:
        BadInputError: no rows, an unknown column, a label with fewer than two values or more than 100 classes, or too
            few rows to learn anything.
    """
    table.require([*features, label], "hallmark.yaml")
    table.require(rules.allow, f"{_WHERE}.allow")
    figures = sorted(
        _scored(table, rules, features, label, task), key=lambda figure: (-figure["score"], figure["feature"])
    )
    judged = [figure for figure in figures if not figure["allowed"]]
    copies = [figure for figure in judged if figure["copy"]]
    strong = [figure for figure in judged if figure["score"] > rules.maximum_score]
    best = figures[0]
    measure = best["measure"]
    checks = (
        Check(
            name=f"{table.name} data: no feature is the label under another name",
            passed=not copies,
            value=", ".join(figure["feature"] for figure in copies) or f"none of {len(figures)}",
            limit="none",
            detail="take it out of data.features: it will not be known when the model is asked",
        ),
        Check(
            name=f"{table.name} data: no feature alone predicts the label",
            passed=not strong,
            value=", ".join(f"{figure['feature']}: {measure} {figure['score']:.6g}" for figure in strong)
            or f"highest {measure} {best['score']:.4g} ({best['feature']})",
            limit=f"{measure} at most {rules.maximum_score:g}",
            detail="find out whether it is known before the answer is; if so, list it in data.quality.leakage.allow",
        ),
    )
    return Findings(checks=checks, figures={"leakage": figures})


def _scored(table: Table, rules: Leakage, features: Sequence[str], label: str, task: Task) -> Iterator[dict[str, Any]]:
    wanted = random_rows(table.height(), rules.maximum_rows) & _known(table, label)
    answers = _column(table, label, wanted)
    if answers.n_unique() < 2:
        raise BadInputError(
            f"the label {label} of the {table.name} data has fewer than two values, so nothing can predict it",
            solution="provide data with more than one answer",
        )
    names: list[str] = []
    if task == "classification":
        names, classes = class_names(answers, table.name, label, maximum=MAXIMUM_CLASSES)
        judge = _judge_of_classes(classes)
    else:
        judge = _judge_of_numbers(numeric(answers, table.name, label))
    for feature in features:
        values = _column(table, feature, wanted)
        score, copy = judge(values, _bins(values, table.name))
        if score is None:
            raise BadInputError(
                f"the {table.name} data has too few rows to tell whether a feature gives the label away",
                solution="provide at least two rows of each class, better 50",
            )
        yield {
            "feature": feature,
            "measure": "AUC" if task == "classification" else "R²",
            "score": score.value,
            "maximum": rules.maximum_score,
            "allowed": feature in rules.allow,
            "copy": copy,
            "strongest": None if score.strongest is None else names[score.strongest],
            "strongest_score": score.strongest_value,
        }


_Judge = Callable[[pl.Series, predictive.Codes], tuple[predictive.Score | None, bool]]
"""From a feature's values and their bins to its score, and whether it is the label under another name."""


def _judge_of_classes(classes: predictive.Codes) -> _Judge:
    second = predictive.halves(len(classes))
    return lambda values, bins: (predictive.auc_of_bins(bins, classes, second), _renamed(values, classes))


def _judge_of_numbers(label: NDArray[np.float64]) -> _Judge:
    second = predictive.halves(len(label))
    return lambda values, bins: (predictive.r_squared_of_bins(bins, label, second), _linear_copy(values, label))


def _known(table: Table, label: str) -> pl.Series:
    value = pl.col(label)
    known = value.is_not_null() & ~value.is_nan() if table.schema[label].is_float() else value.is_not_null()
    return table.rows.select(known).collect(engine="streaming").to_series()


def _column(table: Table, column: str, wanted: pl.Series) -> pl.Series:
    """One column's values in the wanted rows: never more than a column is in memory."""
    return chosen(table, [pl.col(column)], wanted).to_series()


def _bins(values: pl.Series, table: str) -> predictive.Codes:
    """A bin for each value; missing ones have their own."""
    if values.dtype.is_numeric():
        return predictive.number_bins(np.asarray(values.cast(pl.Float64).fill_null(float("nan")).to_numpy()))
    if values.dtype.is_temporal():
        return _bins(values.to_physical(), table)
    if values.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Null):
        codes = values.cast(pl.String).cast(pl.Categorical).to_physical().cast(pl.Int64) + 1
        return predictive.category_bins(np.asarray(codes.fill_null(0).to_numpy(), dtype=np.int64))
    raise BadInputError(
        f"column {values.name} of the {table} data is of type {values.dtype}",
        solution="use numbers, texts and booleans as features",
    )


def _renamed(values: pl.Series, classes: predictive.Codes) -> bool:
    """Whether each value stands for one class and each class for one value."""
    width = int(classes.max()) + 1
    if values.head(_GLANCE).n_unique() > width or values.n_unique() != width:
        return False
    return pl.DataFrame([values.alias("value"), pl.Series("class", classes)]).n_unique() == width


def _linear_copy(values: pl.Series, target: NDArray[np.float64]) -> bool:
    if not values.dtype.is_numeric():
        return False
    numbers = values.cast(pl.Float64).to_numpy()
    known = np.isfinite(numbers) & np.isfinite(target)
    if known.sum() < 3 or not np.ptp(numbers[known]) or not np.ptp(target[known]):
        return False
    return abs(float(np.corrcoef(numbers[known], target[known])[0, 1])) >= _COPY
