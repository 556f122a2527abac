"""Whether a model answers a row alone as it did among others.

Changed rows are asked about in one batch with the rows they were made of. A model that may look at its batch, as any
ONNX graph can, could give each of them the answer of the row it was made of, and so pass every test of its behaviour.
Which rows are asked again nobody can know beforehand; a sound model gives the same findings whichever they are.
"""

from __future__ import annotations

import random
from typing import Any

import polars as pl

from hallmark.datasets import PREDICTION, PROBABILITY_PREFIX, QUANTILE_PREFIX, ROW
from hallmark.gate_report import Check
from hallmark.model_files import answers
from hallmark.model_files.questions import Questions
from hallmark.model_files.session import ModelFile, ModelProcess, as_question
from hallmark.performance.measuring import same_answer

ROWS = 100
"""That are asked again. Where a tenth of all answers differs, that is missed once in 38,000 times."""
TOLERANCE = 1e-4
"""Between two probabilities of one row: those of single precision differ by the order of their sums."""


def alone_check(process: ModelProcess, model: ModelFile, questions: Questions, told: pl.DataFrame) -> Check:
    """Ask about some of the questions' rows one by one, and compare.

    Args:
        process: one that has loaded the model.
        told: {row, prediction, perhaps `probability:<class>` or `quantile:<level>`}, what it said before to all of
            them.

    Raises:
        RefusedByModelError, UnfitAnswerError: it does not answer, or gives no answer that is one.
    """
    rows = questions.rows.len()
    places = sorted(random.SystemRandom().sample(range(rows), min(rows, ROWS)))
    numbers = questions.rows[places]
    lazy = pl.scan_parquet(questions.file).select(model.columns).with_row_index("\0place")
    asked = lazy.filter(pl.col("\0place").is_in(places)).sort("\0place").collect(engine="streaming").drop("\0place")
    before = numbers.to_frame(ROW).join(told, on=ROW, how="left", maintain_order="left")
    differ = sum(
        not _same(_asked(process, asked[place : place + 1], model.task), earlier)
        for place, earlier in enumerate(before.iter_rows(named=True))
    )
    return Check(
        name="the same answers one by one as among others",
        passed=differ == 0,
        value=f"{differ} of {len(places)} differ" if differ else f"none of {len(places)} differs",
        limit="0 may differ",
        detail="an answer must not depend on the rows beside it" if differ else "",
    )


def _asked(process: ModelProcess, row: pl.DataFrame, task: str) -> answers.Answer:
    _, data = process.timed(as_question(row), rows=1)
    return answers.decode(data, rows=1, task=task)


def _same(answer: answers.Answer, before: dict[str, Any]) -> bool:
    earlier = {
        name.removeprefix(PROBABILITY_PREFIX): value
        for name, value in before.items()
        if name.startswith(PROBABILITY_PREFIX)
    }
    quantiles = [value for name, value in before.items() if name.startswith(QUANTILE_PREFIX)]
    return (
        same_answer(answer.predictions[0], before[PREDICTION])
        and len(answer.quantiles) == len(quantiles)
        and all(same_answer(float(now[0]), value) for now, value in zip(answer.quantiles, quantiles, strict=True))
        and earlier.keys() == answer.probabilities.keys()
        and all(abs(values[0] - earlier[name]) <= TOLERANCE for name, values in answer.probabilities.items())
    )
