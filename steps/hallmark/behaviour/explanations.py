"""Shapley values of single rows, from the answers to the rows that `hallmark.behaviour.mixtures` made.

Their sum is the answer to the row less the mean answer to the background rows. An error is the standard error over
pairs of walks; where pairs draw rows without putting them back it is, if anything, too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from hallmark.behaviour.answers import Answered, with_nan
from hallmark.behaviour.mixtures import BACKGROUND, FEATURE, STEP, WALK
from hallmark.behaviour.outcomes import Floats, Outcomes, answers_of
from hallmark.behaviour.probes import BASE
from hallmark.datasets import NUMBER, PREDICTION, PROBABILITY_PREFIX, ROW
from hallmark.documents.rules_quality import FailingRows
from hallmark.errors import BadInputError
from hallmark.findings import Findings

LISTED = 12
"""Features of an example that are told, those that moved its answer most; what the others did is told as one."""
SHOWN_CHARACTERS = 40


def judge_explanations(
    answer: Answered,
    key: pl.DataFrame,
    predictions: pl.DataFrame,
    found: Outcomes,
    features: Sequence[str],
    *,
    table: pl.DataFrame | None = None,
    numbers: pl.DataFrame | None = None,
    shown: FailingRows | None = None,
) -> Findings:
    """Why the examples got their answers. Nothing is refused.

    Figures: `explanations` {measure, pairs, examples: [{row, of, value, background, features: [{feature, value, error,
    shown}], others, others_features}]}. `measure` is what is shared out: the `probability` of the class `of` that the
    example was told, whether the `answer` is that class, or the number that is the `prediction`. `value` is that of the
    example, `background` the mean of the rows that it is compared with; `shown` is what the row holds, where the policy
    lets values be shown and the column is not personal, or else null.

    Args:
        answer: to the mixed rows.
        key: of these rows alone, in the same order.
        predictions: of all rows.
        table: `row` and the features, for what is shown.
        numbers: {row, number}: how people are told a row; default: its own number here.
        shown: the policy's word on values of single rows; default: none is shown.

    Raises:
        BadInputError: the key is none of whole walks, or a row has no answer.
    """
    width = len(features)
    order, walks = _orders(key, features)
    if answer.unanswered:
        raise BadInputError(
            f"the model gave no answer to {answer.unanswered} rows of the test {answer.trial.name!r}",
            solution="start a new run; if it stays so, the model cannot be explained",
        )
    first = key.gather_every(width - 1)
    starts = answers_of(_only(predictions, first[BACKGROUND]), first[BACKGROUND], PREDICTION)
    measure = "prediction" if found.task == "regression" else "probability" if answer.probabilities else "answer"
    examples = []
    places = answer.base.reshape(walks, width - 1)[:, 0]
    for example in dict.fromkeys(places.tolist()):
        mine = np.flatnonzero(places == example)
        told = found.predicted[int(example)]
        cells = (mine[:, None] * (width - 1) + np.arange(width - 1)).ravel()
        middle, end = _values(answer, cells, measure, told)
        start = _starts(predictions, first[mine][BACKGROUND], starts[mine], found, measure, told)
        path = np.column_stack([start, middle.reshape(len(mine), -1), np.full(len(mine), end)])
        parts = np.zeros((len(mine), width))
        np.put_along_axis(parts, order[mine], np.diff(path, axis=1), axis=1)
        pairs = (parts[0::2] + parts[1::2]) / 2
        errors = pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))
        row = int(found.rows[int(example)])
        examples.append(
            {
                "row": row if numbers is None else int(answers_of(numbers, pl.Series([row]), NUMBER)[0]),
                "of": "" if found.task == "regression" else str(told),
                "value": float(end),
                "background": float(start.mean()),
                **_listed(features, pairs.mean(axis=0), errors, _shown(table, row, features, shown)),
            }
        )
    pairs_each = walks // len(examples) // 2
    return Findings(figures={"explanations": {"measure": measure, "pairs": pairs_each, "examples": examples}})


def _orders(key: pl.DataFrame, features: Sequence[str]) -> tuple[Any, int]:
    """For each walk the places of the features in the order in which they became the example's."""
    width = len(features)
    wrong = BadInputError("the key of the explanations holds no whole walks", solution="start a new run")
    walks, rest = divmod(key.height, max(1, width - 1))
    if width < 2 or rest or walks < 4 or walks % 2 or any(key[name].null_count() for name in (WALK, STEP, BACKGROUND)):
        raise wrong
    steps = key[STEP].to_numpy().reshape(walks, width - 1)
    numbers = key[WALK].to_numpy().reshape(walks, width - 1)
    starts, bases = (key[name].to_numpy().reshape(walks, width - 1) for name in (BACKGROUND, BASE))
    whole = (steps == np.arange(1, width)).all() and (numbers == np.arange(walks)[:, None]).all()
    if (
        not whole
        or (starts != starts[:, :1]).any()
        or (bases != bases[:, :1]).any()
        or not key[FEATURE].is_in(list(features)).all()
    ):
        raise wrong
    known = key[FEATURE].replace_strict(list(features), range(width), return_dtype=pl.Int64).to_numpy()
    known = known.reshape(walks, width - 1)
    # The last one is whichever is left.
    order = np.column_stack([known, width * (width - 1) // 2 - known.sum(axis=1)])
    if (np.sort(order, axis=1) != np.arange(width)).any() or (order[0::2] != order[1::2, ::-1]).any():
        raise wrong
    return order, walks


def _values(answer: Answered, cells: Any, measure: str, told: Any) -> tuple[Floats, float]:
    """The measure of the mixed rows, and of the example itself."""
    if measure == "probability":
        if told not in answer.probabilities:
            raise BadInputError(
                f"the model tells {told!r}, of which it gives no probability", solution="start a new run"
            )
        before, after = answer.probabilities[told]
        return after[cells], float(before[cells[0]])
    if measure == "answer":
        return (answer.after[cells] == told).cast(pl.Float64).to_numpy(), 1.0
    return with_nan(answer.after[cells]), float(told)


def _starts(
    predictions: pl.DataFrame, rows: pl.Series, told_of: pl.Series, found: Outcomes, measure: str, told: Any
) -> Floats:
    if measure == "probability":
        return with_nan(answers_of(_only(predictions, rows), rows, f"{PROBABILITY_PREFIX}{told}"))
    if measure == "prediction":
        return with_nan(told_of)
    places = np.clip(found.rows.search_sorted(rows).to_numpy(), 0, found.height - 1)
    same: Floats = (found.predicted[places] == told).cast(pl.Float64).to_numpy()
    return same


def _only(predictions: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """Some thousands of perhaps millions."""
    return predictions.with_columns(pl.col(ROW).cast(pl.Int64)).filter(pl.col(ROW).is_in(rows.unique().implode()))


def _listed(features: Sequence[str], values: Floats, errors: Floats, shown: dict[str, str | None]) -> dict[str, Any]:
    order = sorted(range(len(features)), key=lambda place: (-abs(values[place]), features[place]))
    left = order[LISTED:]
    told = [
        {
            "feature": features[place],
            "value": float(values[place]),
            "error": float(errors[place]),
            "shown": shown.get(features[place]),
        }
        for place in order[:LISTED]
    ]
    return {"features": told, "others": float(values[left].sum()) if left else 0.0, "others_features": len(left)}


def _shown(
    table: pl.DataFrame | None, row: int, features: Sequence[str], rules: FailingRows | None
) -> dict[str, str | None]:
    if table is None or rules is None or not rules.show_values:
        return {}
    held = table.filter(pl.col(ROW) == row).row(0, named=True)
    return {name: str(held[name])[:SHOWN_CHARACTERS] for name in features if name not in rules.personal}
