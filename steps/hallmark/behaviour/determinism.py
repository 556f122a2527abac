"""Whether two processes that loaded the same model answer the same rows alike."""

from __future__ import annotations

import numpy as np
import polars as pl

from hallmark.behaviour.answers import close
from hallmark.behaviour.outcomes import Task, answers_of, by_row, plain
from hallmark.datasets import PREDICTION, PROBABILITY_PREFIX, ROW
from hallmark.documents.rules_behaviour import Determinism
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.gate_report import Check


def compare_two(first: pl.DataFrame, second: pl.DataFrame, rules: Determinism, *, task: Task) -> Findings:
    """The rows that both answered, e.g. all of `first` and a part of them again.

    Figures: `processes` {rows, differ}.

    Args:
        first: {row, prediction, perhaps `probability:<class>`}.
        second: the same columns; its rows are among those of `first`.

    Raises:
        BadInputError: no rows, rows or columns that do not fit together, or what is no prediction of the task.
    """
    again = by_row(second, "the second process's predictions")
    if again.is_empty():
        raise BadInputError("the second process answered no rows", solution="let it predict some again")
    columns = sorted(name for name in first.columns if name.startswith(PROBABILITY_PREFIX))
    if columns != sorted(name for name in second.columns if name.startswith(PROBABILITY_PREFIX)):
        raise BadInputError("the two processes give probabilities of other classes", solution="start a new run")
    before = by_row(first, "the predictions")
    told, repeated = (
        plain(answers_of(frame, again[ROW], PREDICTION), task, "a prediction") for frame in (before, again)
    )
    if task == "classification":
        other = (told != repeated).to_numpy()
    else:
        other = ~close(told.to_numpy(), repeated.to_numpy(), rules.tolerance)
    for column in columns:
        one, two = (
            answers_of(frame, again[ROW], column).cast(pl.Float64).fill_null(float("nan")).to_numpy()
            for frame in (before, again)
        )
        other = other | ~close(one, two, rules.tolerance)
    differ = int(np.asarray(other).sum())
    check = Check(
        name="another process gives the same answers",
        passed=differ == 0,
        value=f"{differ} of {again.height} rows are answered otherwise",
        limit="none",
        detail="seed what is random in the model, and keep time, environment and process out of its answers",
    )
    return Findings(checks=(check,), figures={"processes": {"rows": again.height, "differ": differ}})
