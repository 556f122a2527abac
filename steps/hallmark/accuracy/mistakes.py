"""The worst mistakes by the number of their row, for whoever has the data to look them up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hallmark.accuracy.classes import Answers
from hallmark.accuracy.numbers import Numbers
from hallmark.findings import Findings

LISTED = 20
_OTHER = "(no known class)"


def worst_mistakes(sample: Answers | Numbers, rows: NDArray[np.int64], *, show_values: bool = False) -> Findings:
    """The `LISTED` rows that were answered worst: of classes those in which the model was surest of a wrong one, of
    numbers those with the largest error.

    Figures: `mistakes` {total, rows: [{row, true, predicted, probability}]}; of numbers {row}, and with `show_values`
    also true, predicted and error. There is no probability where the model gives none, and no figure without mistakes.

    Args:
        rows: the number of each row of `sample`, as people are to be told it.
        show_values: whether the policy lets values of single rows be shown; names of classes are none.
    """
    listed = _of_classes(sample, rows) if isinstance(sample, Answers) else _of_numbers(sample, rows, show_values)
    if not listed["rows"]:
        return Findings()
    return Findings(figures={"mistakes": listed})


def _of_classes(answers: Answers, rows: NDArray[np.int64]) -> dict[str, Any]:
    wrong = np.flatnonzero(answers.truth != answers.predicted)
    names = [*answers.classes, _OTHER]
    sure = np.zeros(len(wrong))
    if answers.probabilities is not None:
        # What is no class has no probability.
        padded = np.column_stack([answers.probabilities[wrong], np.zeros(len(wrong))])
        sure = padded[np.arange(len(wrong)), answers.predicted[wrong]]
    order = np.lexsort((rows[wrong], -sure))[:LISTED]
    told = [
        {
            "row": int(rows[wrong[place]]),
            "true": names[answers.truth[wrong[place]]],
            "predicted": names[answers.predicted[wrong[place]]],
            **({"probability": float(f"{sure[place]:.4g}")} if answers.probabilities is not None else {}),
        }
        for place in order.tolist()
    ]
    return {"total": len(wrong), "rows": told}


def _of_numbers(sample: Numbers, rows: NDArray[np.int64], show_values: bool) -> dict[str, Any]:
    size = np.abs(sample.errors)
    order = [place for place in np.lexsort((rows, -size))[:LISTED].tolist() if size[place] > 0]
    told: list[dict[str, Any]] = []
    for place in order:
        values = {
            "true": float(sample.truth[place]),
            "predicted": float(sample.predicted[place]),
            "error": float(sample.errors[place]),
        }
        told.append({"row": int(rows[place]), **(values if show_values else {})})
    return {"total": int((size > 0).sum()), "rows": told}
