"""Decides whether a model is fast and small enough, by the intervals of what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hallmark.documents.rules_performance import MINIMUM_SAMPLES, Performance
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.gate_report import Check
from hallmark.performance.document import Measure, Measured, ModelPerformance

_TITLES = {
    "latency": "latency of one row",
    "batch.latency": "latency of a batch",
    "batch.throughput": "throughput",
    "memory": "memory",
    "size": "size of the model's file",
    "loadSeconds": "time to load",
}


@dataclass(frozen=True, kw_only=True)
class _Limit:
    """One limit of the policy, and what was measured for it."""

    key: str
    limit: float
    at_least: bool
    measured: Measure

    def keeps(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    @property
    def worse(self) -> float:
        return self.measured.low if self.at_least else self.measured.high

    @property
    def better(self) -> float:
        return self.measured.high if self.at_least else self.measured.low

    @property
    def straddles(self) -> bool:
        return self.keeps(self.better) and not self.keeps(self.worse)


def judge_performance(measured: Measured, rules: Performance) -> Findings:
    """Checks for every limit, and one that the answers were the predictions.

    `figures["performance"]` holds: `models` {name: {`measures` {key: {value, low, high, unit, samples}}, `histogram`
    [[upper edge in ms, count]]}}, `noise` {median (ms), spread, drift, throttled (s or null)}, `limits` [{name, value,
    low, high, unit, limit, atLeast, passed}], `rounds`, `batchRows`, `threads` and `startSeconds`.

    Raises:
        BadInputError: nothing was measured of the candidate, or not what the policy has a limit for, or otherwise
            (rounds, threads, rows of a batch) than it asks.
    """
    candidate = measured.models.get("candidate")
    if candidate is None:
        raise BadInputError("performance.json has nothing about the candidate", solution="start a new run")
    asked = {"threads": rules.threads, "batchRows": rules.batch.rows}
    found = {"threads": measured.threads, "batchRows": measured.batch_rows}
    if found != asked or measured.rounds < rules.rounds:
        raise BadInputError(
            f"performance.json was not measured as the policy asks: {found} in {measured.rounds} rounds,"
            f" asked were {asked} in {rules.rounds}",
            solution="let one run measure and judge",
        )
    checks = [_answers_check(name, model) for name, model in measured.models.items()]
    limits = list(_limits(candidate, rules))
    checks += [_check(limit, measured, rules) for limit in limits]
    dumped = measured.model_dump(by_alias=True, mode="json")
    figures = {
        **{name: dumped[name] for name in ("rounds", "batchRows", "threads", "startSeconds", "noise")},
        "models": {
            name: {part: model[part] for part in ("measures", "histogram")} for name, model in dumped["models"].items()
        },
        "limits": [
            {
                "name": limit.key,
                **limit.measured.model_dump(include={"value", "low", "high", "unit"}),
                "limit": limit.limit,
                "atLeast": limit.at_least,
                "passed": check.passed,
            }
            for limit, check in zip(limits, checks[len(measured.models) :], strict=True)
        ],
    }
    return Findings(checks=tuple(checks), figures={"performance": figures})


def undecided(model: ModelPerformance, rules: Performance) -> bool:
    """Whether more rounds could change the decision: an interval straddles its limit, and the interval decides."""
    return rules.decide != "estimate" and any(limit.straddles for limit in _limits(model, rules))


def _answers_check(name: str, model: ModelPerformance) -> Check:
    return Check(
        name=f"the {name}'s answers while it was measured are its predictions",
        passed=model.answers > 0 and model.mismatches == 0,
        value=f"{model.mismatches} of {model.answers} are others",
        limit="0",
    )


def _limits(model: ModelPerformance, rules: Performance) -> Iterator[_Limit]:
    """Every limit that the policy sets. Raises BadInputError where nothing was measured for one."""
    at_most: dict[str, float] = {}
    for prefix, latency in (("latency", rules.latency), ("batch.latency", rules.batch.latency)):
        at_most |= {f"{prefix}.{name}": limit.maximum for name, limit in latency.limits.items()}
    for key, single in (("memory", rules.memory), ("size", rules.size), ("loadSeconds", rules.load_seconds)):
        if single is not None:
            at_most[key] = single.maximum
    for key, maximum in at_most.items():
        yield _Limit(key=key, limit=maximum, at_least=False, measured=_measured(model, key))
    if rules.batch.throughput is not None:
        key, minimum = "batch.throughput", rules.batch.throughput.minimum
        yield _Limit(key=key, limit=minimum, at_least=True, measured=_measured(model, key))


def _measured(model: ModelPerformance, key: str) -> Measure:
    found = model.measures.get(key)
    needed = MINIMUM_SAMPLES.get(key.rpartition(".")[2], 1)
    if found is None or found.samples < needed or not found.low <= found.value <= found.high:
        raise BadInputError(
            f"performance.json has no {key} of at least {needed} samples, and the policy has a limit for it",
            solution="let one run measure and judge",
        )
    return found


def _check(limit: _Limit, measured: Measured, rules: Performance) -> Check:
    decides = {"bound": limit.worse, "estimate": limit.measured.value, "evidence": limit.better}[rules.decide]
    passed = limit.keeps(decides)
    unit = limit.measured.unit
    doubt = f"; the interval straddles the limit after {measured.rounds} rounds" if limit.straddles else ""
    if doubt and not passed and measured.noise.spread > _BUSY:
        doubt += " on a busy machine: run again on a quiet one, or have more rounds measured"
    title, _, statistic = limit.key.rpartition(".")
    name = f"{_TITLES[title]}, {statistic}" if title in ("latency", "batch.latency") else _TITLES[limit.key]
    return Check(
        name=name,
        passed=passed,
        value=f"{_shown(limit.measured.value)} {unit}"
        f" (95 % interval {_shown(limit.measured.low)} to {_shown(limit.measured.high)}){doubt}",
        limit=f"{'at least' if limit.at_least else 'at most'} {limit.limit:g} {unit}, decided by the {rules.decide}",
        detail="" if passed else _noise(measured),
    )


_BUSY = 1.0
"""Spread of the reference work from which the machine is called busy."""


def _noise(measured: Measured) -> str:
    noise = measured.noise
    waited = f", throttled for {noise.throttled:.2f} s" if noise.throttled else ""
    return (
        f"the machine's noise: the same small work took {noise.median:.3f} ms, spread {noise.spread:.0%} of that,"
        f" {noise.drift:.0%} between rounds{waited}"
    )


def _shown(value: float) -> str:
    return f"{value:.4g}"
