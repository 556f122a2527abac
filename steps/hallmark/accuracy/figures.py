"""What the page draws of predictions: counts, shares and curves, never a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from hallmark.accuracy.bootstrap import Array
from hallmark.accuracy.classes import BINS, Answers, Ranking, top
from hallmark.accuracy.numbers import Numbers

POINTS = 200
CURVES = 10
"""Classes of which a ROC curve is drawn: those with the most rows."""
_BARS = 20
_DRAWN_CLASSES = 50
_OTHER = "(no known class)"
_GROUPS, _GROUP_ROWS = 12, 10
"""Groups of rows with like true numbers, at most, and the fewest rows of one."""
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def of_classes(answers: Answers) -> dict[str, Any]:
    """`confusion_matrix` {labels, counts} (rows are the true classes); where there are probabilities also `roc`
    [{class, area, points}], `calibration` {error, bins} and `scores` {edges, right, wrong}.
    """
    matrix = confusion_matrix(answers)
    found: dict[str, Any] = {"confusion_matrix": matrix} if matrix else {}
    if answers.probabilities is not None:
        found["roc"] = _roc(answers, answers.probabilities)
        found |= _of_likeliest(answers, answers.probabilities)
    return found


def of_numbers(sample: Numbers) -> dict[str, Any]:
    """`residuals` {edges, counts, quantiles}: of what is predicted less what is true, in the label's unit. With enough
    rows also `predicted` [{rows, true, predicted, low, high}]: means of rows with like true numbers, and the middle
    90 % of what was predicted for them.

    The outermost bars hold whatever lies beyond the 1 % and the 99 % quantile, so that no single row can be read off.
    """
    return {"residuals": _residuals(sample), **_predicted(sample)}


def _predicted(sample: Numbers) -> dict[str, Any]:
    groups = min(_GROUPS, sample.rows // _GROUP_ROWS)
    if groups < 2:
        return {}
    found = []
    for rows in np.array_split(np.argsort(sample.truth, kind="stable"), groups):
        low, high = np.quantile(sample.predicted[rows], (0.05, 0.95))
        means = {
            "true": sample.truth[rows].mean(),
            "predicted": sample.predicted[rows].mean(),
            "low": low,
            "high": high,
        }
        found.append({"rows": len(rows), **{name: float(f"{value:.4g}") for name, value in means.items()}})
    return {"predicted": found}


def _residuals(sample: Numbers) -> dict[str, Any]:
    errors = sample.errors
    told = {f"p{100 * share:02.0f}": float(f"{np.quantile(errors, share):.4g}") for share in _QUANTILES}
    low, high = told["p01"], told["p99"]
    edges = np.linspace(low, high, _BARS + 1) if low < high else np.array([low, low])
    bars, _ = np.histogram(np.clip(errors, edges[0], edges[-1]), edges)
    return {
        "edges": [float(f"{edge:.6g}") for edge in edges],
        "counts": [int(count) for count in bars],
        "quantiles": told,
    }


def confusion_matrix(answers: Answers) -> dict[str, Any] | None:
    """`{labels, counts}`: `counts[i][j]` rows of class i were predicted as class j; None for too many classes to draw.

    The classes are those of the labels. Whatever else a model answers is counted under one name of ours, so that it
    cannot fill the report.
    """
    known = np.unique(answers.truth)
    if len(known) > _DRAWN_CLASSES:
        return None
    size = len(known) + 1
    place = np.full(len(answers.classes) + 1, len(known))
    place[known] = np.arange(len(known))
    cells = np.bincount(place[answers.truth] * size + place[answers.predicted], minlength=size * size)
    counts = cells.reshape(size, size)
    labels = [answers.classes[index] for index in known]
    if counts[:, -1].any():
        return {"labels": [*labels, _OTHER], "counts": counts.tolist()}
    return {"labels": labels, "counts": counts[:-1, :-1].tolist()}


def _roc(answers: Answers, probabilities: Array) -> list[dict[str, Any]]:
    """Of two classes one curve: of the positive one, or else of the second."""
    chosen = answers.ranked[-1:] if answers.binary else answers.ranked
    rows = np.bincount(answers.truth, minlength=len(answers.classes))
    found = []
    for index in sorted(chosen, key=lambda index: -rows[index])[:CURVES]:
        if 0 < rows[index] < answers.rows:
            ranking = Ranking(answers.truth == index, probabilities[:, index])
            area, _ = ranking(np.ones((1, answers.rows)))
            found.append({"class": answers.classes[index], "area": float(area[0]), "points": ranking.curve(POINTS)})
    return found


def _of_likeliest(answers: Answers, probabilities: Array) -> dict[str, Any]:
    likeliest, confidence, bins = top(probabilities)
    right = likeliest == answers.truth
    rows = np.bincount(bins, minlength=BINS)
    sums = (np.bincount(bins, weights=of, minlength=BINS) for of in (confidence, right.astype(np.float64)))
    mean, hits = (of / np.maximum(rows, 1) for of in sums)
    edges = np.linspace(0, 1, _BARS + 1)
    return {
        "calibration": {
            "error": float((np.abs(mean - hits) * rows).sum() / answers.rows),
            "bins": [
                {
                    "low": index / BINS,
                    "high": (index + 1) / BINS,
                    "rows": int(rows[index]),
                    "confidence": float(mean[index]),
                    "accuracy": float(hits[index]),
                }
                for index in range(BINS)
                if rows[index]
            ],
        },
        "scores": {
            "edges": [round(float(edge), 6) for edge in edges],
            "right": np.histogram(confidence[right], edges)[0].tolist(),
            "wrong": np.histogram(confidence[~right], edges)[0].tolist(),
        },
    }
