"""What intervals cost: 8 metrics of 100,000 rows in 2,000 resamples, against a scikit-learn call for each resample.

Both draw the same rows, and a few resamples are compared value by value. scikit-learn's time is that of `--sample`
resamples times what is missing, for all of them take many minutes. `--large` adds the judge's whole work on 10,000,000
rows, which has to stay below 4 GiB.

    python bench/bootstrap.py --large
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from typing import Any

import numpy as np

from hallmark.accuracy import bootstrap
from hallmark.accuracy.bootstrap import REPLICATES, counts
from hallmark.accuracy.classes import Answers, answers
from hallmark.accuracy.judge import judge_classes
from hallmark.documents.rules_model import ShareAtLeast

GOAL = 20.0
LARGE_MEMORY = 4096
"""MiB."""
METRICS = ("accuracy", "balanced_accuracy", "f1", "precision", "recall", "roc_auc", "log_loss", "brier")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=10, help="resamples that scikit-learn is timed on")
    parser.add_argument("--large", action="store_true", help="10,000,000 rows too")
    options = parser.parse_args()
    met = _compared(options.rows, options.sample)
    if options.large:
        start = time.perf_counter()
        judged = judge_classes(_sample(10_000_000), {"accuracy": ShareAtLeast.model_construct(minimum=0.5)})
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        assert len(judged.metrics) == 10
        print(f"10,000,000 rows, 10 metrics: {time.perf_counter() - start:.1f} s, peak {peak:.0f} MiB")
        met = met and peak < LARGE_MEMORY
    return 0 if met else 1


def _compared(rows: int, sample: int) -> bool:
    found = _sample(rows)
    bootstrap.MAXIMUM_CELLS = max(bootstrap.MAXIMUM_CELLS, 2 * rows)
    start = time.perf_counter()
    replicates = bootstrap.replicate(found)
    ours = time.perf_counter() - start
    truth, told = found.truth, found.predicted
    assert found.probabilities is not None
    score = found.probabilities[:, 1]
    blocks = counts(rows)
    drawn = np.concatenate([next(blocks) for _ in range(sample)])[:sample]
    start = time.perf_counter()
    again = [_scikit(truth, told, score, np.repeat(np.arange(rows), row.astype(int))) for row in drawn]
    theirs = (time.perf_counter() - start) / len(again) * REPLICATES
    for name in METRICS:
        difference = max(abs(replicates[name][index] - values[name]) for index, values in enumerate(again))
        assert difference < 1e-9, (name, difference)
    ratio = theirs / ours
    print(f"| {rows} rows, {REPLICATES} resamples | s | |\n|---|---|---|")
    print(f"| hallmark, {len(replicates)} metrics | {ours:.1f} | 1 |")
    print(f"| scikit-learn, {len(METRICS)} metrics | {theirs:.0f} (of {sample} resamples) | {ratio:.0f} x |")
    return ratio >= GOAL


def _sample(rows: int) -> Answers:
    import polars as pl

    random = np.random.default_rng(1)
    truth = random.integers(0, 2, rows)
    score = 1 / (1 + np.exp(-random.normal(2 * truth - 1, 1)))
    names = pl.Series(["no", "yes"])
    return answers(names[truth], names[(score > 0.5).astype(int)], {"no": 1 - score, "yes": score})


def _scikit(truth: Any, told: Any, score: Any, rows: Any) -> dict[str, float]:
    from sklearn import metrics as sk

    true, predicted, likely = truth[rows], told[rows], score[rows]
    table = np.column_stack([1 - likely, likely])
    return {
        "accuracy": sk.accuracy_score(true, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(true, predicted),
        "f1": sk.f1_score(true, predicted, average="macro"),
        "precision": sk.precision_score(true, predicted, average="macro"),
        "recall": sk.recall_score(true, predicted, average="macro"),
        "roc_auc": sk.roc_auc_score(true, likely),
        "log_loss": sk.log_loss(true, table),
        "brier": sk.brier_score_loss(true, likely),
    }


if __name__ == "__main__":
    sys.exit(main())
