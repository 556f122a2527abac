"""How good predictions are, held against the policy's limits: classes by accuracy, numbers by their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hallmark.documents.policy import AtLeast, Regression
from hallmark.errors import BadInputError
from hallmark.gate_report import Check
from hallmark.judgement import confusion_matrix, wilson_interval
from hallmark.regression import numbers, scores
from hallmark.verdict import Metric


@dataclass(frozen=True, kw_only=True)
class Judged:
    """How good the predictions are."""

    checks: list[Check]
    """One for each limit, at least one."""
    metrics: dict[str, Metric]
    figures: dict[str, Any]
    said: str
    """In one sentence, if they are good enough."""
    accuracy: str
    """As a result of the task: empty where there are no classes."""


def judge_classes(truth: Sequence[str], predicted: Sequence[str], minimum: float) -> Judged:
    """The share of the rows whose class was told."""
    rows, correct = len(truth), sum(true == told for true, told in zip(truth, predicted, strict=True))
    low, high = wilson_interval(correct, rows)
    value = correct / rows
    check = Check(
        name="accuracy",
        passed=value >= minimum,
        value=f"{value:.6g} ({correct} of {rows}; 95 % interval {low:.4f} to {high:.4f})",
        limit=f"at least {minimum:g}",
    )
    matrix = confusion_matrix(truth, predicted)
    return Judged(
        checks=[check],
        metrics={"accuracy": Metric(value=value, minimum=minimum, low=low, high=high)},
        figures={
            "accuracy": {"value": value, "low": low, "high": high, "minimum": minimum},
            **({"confusion_matrix": matrix} if matrix else {}),
        },
        said=f"accuracy {value:.6g} on {rows} rows that the maker never had; at least {minimum:g} is asked",
        accuracy=f"{value:.6g}",
    )


def judge_numbers(truth: Sequence[str], predicted: Sequence[str], rules: Regression) -> Judged:
    """How far the predicted numbers are from the true ones; only what the policy limits can refuse.

    Raises:
        BadInputError: a label or a prediction that is no finite number, or labels that are all the same.
    """
    try:
        true, told = numbers(truth), numbers(predicted)
    except ValueError as error:
        raise BadInputError(
            "a label or a prediction is no finite number, which a regression needs",
            solution="correct data.independent.label in the policy, or let hallmark.yaml say `task: classification`",
        ) from error
    if true.min() == true.max():
        raise BadInputError(
            "the independent labels are all the same number, so nothing can be said of predictions",
            solution="provide independent data whose label varies",
        )
    metrics, checks = {}, []
    for name, score in scores(true, told).items():
        limit = rules.limits.get(name)
        minimum = limit.minimum if isinstance(limit, AtLeast) else None
        maximum = None if limit is None or isinstance(limit, AtLeast) else limit.maximum
        metric = Metric(value=score.value, minimum=minimum, maximum=maximum, low=score.low, high=score.high)
        metrics[name] = metric
        if limit is not None:
            checks.append(
                Check(
                    name=name,
                    passed=metric.held,
                    value=f"{metric.value:.6g} (95 % interval {metric.low:.4g} to {metric.high:.4g})",
                    limit=f"at most {maximum:g}" if minimum is None else f"at least {minimum:g}",
                )
            )
    asked = ", ".join(f"{check.name} {metrics[check.name].value:.6g} ({check.limit})" for check in checks)
    return Judged(
        checks=checks,
        metrics=metrics,
        figures={"metrics": [{"name": name, **metric.model_dump()} for name, metric in metrics.items()]},
        said=f"{asked} on {len(truth)} rows that the maker never had",
        accuracy="",
    )
