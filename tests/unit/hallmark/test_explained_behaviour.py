"""The words for behaviour and speed, on checks that the judges themselves make."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from hallmark.behaviour.fairness import judge_fairness
from hallmark.behaviour.outcomes import outcomes
from hallmark.behaviour.slices import judge_slices
from hallmark.documents.loading import parse
from hallmark.documents.rules_behaviour import Fairness, Slices
from hallmark.documents.rules_performance import Performance
from hallmark.explanation import Reason, explain
from hallmark.findings import Findings
from hallmark.gate_report import Check, GateReport
from hallmark.performance.document import Measure, Measured, ModelPerformance, Noise
from hallmark.performance.judgement import judge_performance
from hallmark.reporting.run import Gate, Run


def reasons(found: Findings) -> tuple[Reason, ...]:
    report = GateReport(
        command="verify-model", status="refused", summary="no", solution="s", checks=found.checks,
        figures=found.figures, exit_code=1,
    )  # fmt: skip
    return explain(Run(name="", gates=(Gate(task="t", command="verify-model", task_status="", report=report),))).reasons


def people(*groups: tuple[str, int, int, int, int]) -> pl.DataFrame:
    """Of each sex the counts of (label, answer): (y, y), (y, n), (n, y), (n, n)."""
    pairs = [("y", "y"), ("y", "n"), ("n", "y"), ("n", "n")]
    rows = [(sex, *pair) for sex, *counts in groups for pair, times in zip(pairs, counts, strict=True)
            for _ in range(times)]  # fmt: skip
    return pl.DataFrame(rows, schema=["sex", "label", "prediction"], orient="row").with_row_index("row")


# Women: 100 rows, 70 right; men: 200 rows, 170 right.
PEOPLE = people(("f", 30, 20, 10, 40), ("m", 90, 10, 20, 80))


def fairness(data: pl.DataFrame = PEOPLE, **rules: Any) -> Reason:
    found = outcomes(data.select("row", "label"), data.select("row", "prediction"), "classification")
    chosen = Fairness.model_validate({"columns": ["sex"], "positive": "y", **rules}, by_name=True)
    (reason,) = reasons(judge_fairness(data.drop("label", "prediction"), found, chosen, where="here"))
    return reason


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("maximum_accuracy_difference", 0.1, "about 5 more of the 100 rows of f would have to be right"),
        (
            "maximum_demographic_parity_difference",
            0.1,
            "about 5 more of the 100 rows of f would have to be answered “y”",
        ),
        ("maximum_equalized_odds_difference", 0.1, "about 10 more of the 50 rows of “y” of f would have to be right"),
        ("minimum_demographic_parity_ratio", 0.9, "about 10 more of the 100 rows of f would have to be answered “y”"),
    ],
)
def test_two_groups_that_differ_are_named_with_the_rows_that_lack(limit: str, value: float, words: str) -> None:
    reason = fairness(**{limit: value}, decide="estimate")
    assert " for f (100 rows) and " in reason.what
    assert " for m (200 rows), a " in reason.what
    assert words in reason.change
    assert "narrows" not in reason.change


def test_a_rate_that_should_be_low_is_brought_down_in_the_highest_group() -> None:
    data = people(("f", 45, 5, 20, 30), ("m", 90, 10, 10, 90))
    reason = fairness(data, maximum_equalized_odds_difference=0.2, decide="estimate")
    assert "about 5 more of the 50 rows of another class than “y” of f would have to be right" in reason.change


def test_more_rows_help_only_groups_whose_value_keeps_the_limit() -> None:
    assert "narrows the interval" in fairness(maximum_accuracy_difference=0.2, decide="bound").change
    assert "narrows the interval" not in fairness(maximum_accuracy_difference=0.1, decide="bound").change


def test_every_refusing_slice_is_told_with_its_rows_and_value() -> None:
    kinds = np.repeat(["a", "b", "c"], 100)
    wrong = np.concatenate([np.arange(100) < count for count in (40, 50, 0)])
    rows = np.arange(300)
    labels = pl.DataFrame({"row": rows, "label": ["x"] * 300})
    answers = pl.DataFrame({"row": rows, "prediction": np.where(wrong, "y", "x")})
    found = judge_slices(
        pl.DataFrame({"row": rows, "kind": kinds}), outcomes(labels, answers, "classification"),
        Slices.model_validate({"minimum": 0.8}, by_name=True),
    )  # fmt: skip
    (reason,) = reasons(found)
    assert "2 of 3 slices are refused" in reason.what
    assert "kind = a: 0.6 on 100 rows, 20 more to be right" in reason.what
    assert "kind = b: 0.5 on 100 rows, 30 more to be right" in reason.what
    assert reason.change.startswith("about 30 of the 100 rows of kind = b more would have to be right")


def latency(low: float, value: float, high: float) -> Reason:
    measures = {"latency.mean": Measure(value=value, low=low, high=high, unit="ms", samples=200)}
    model = ModelPerformance(measures=measures, histogram=[(1.0, 200)], answers=9, mismatches=0)
    measured = Measured(start_seconds=1.0, noise=Noise(median=0.1, spread=0.2, drift=0.1), rounds=5, batch_rows=1000,
                        threads=1, models={"candidate": model})  # fmt: skip
    (reason,) = reasons(judge_performance(measured, parse("{}", Performance, name="policy.yaml")))
    return reason


def test_latency_is_told_by_value_interval_and_limit() -> None:
    reason = latency(18, 20, 22)
    assert reason.what.startswith(
        "latency of one row, mean is 20 ms, its 95 % interval 18 to 22 ms; asked for: at most 15 ms"
    )
    assert reason.change.startswith("it would have to be 7 ms lower: ")
    assert latency(13, 14, 16).change.startswith("the value itself keeps the limit: ")


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (
            Check(name="robust to noise: accuracy lost", passed=False, detail="d", limit="at most 0.1",
                  value="0.2 (95 % interval up to 0.3; 60 rows)"),
            "about 6 more of the 60 changed rows would have to be right: d",
        ),
        (
            Check(name="robust to swap: share of answers changed", passed=False, detail="d",
                  value="0.08 (95 % interval up to 0.2; 60 rows)", limit="at most 0.1 by the interval's upper end"),
            "about 6 fewer of the 60 changed rows may get another answer, or more rows be judged, which narrows the"
            " interval: d",
        ),
        (
            Check(name="hallmark.yaml invariance: sex", passed=False, detail="d", limit="at least 0.9",
                  value="the answer stays for 80 of 100 rows (0.8; 95 % interval 0.7 to 0.9)"),
            "it would have to hold for about 10 of these 100 rows more (d)",
        ),
        (Check(name="groups compared by sex", passed=False, value="1 of 2", detail="provide rows"), "provide rows"),
    ],
)  # fmt: skip
def test_changed_rows_are_told_by_how_many_lack(check: Check, words: str) -> None:
    (reason,) = reasons(Findings(checks=(check,)))
    assert reason.change == words
