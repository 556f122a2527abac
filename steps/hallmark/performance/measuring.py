"""Measures models in rounds: a fresh process for each model, asked in turn with the others and with a fixed small work.

The clock is the step's, memory is what the kernel says, and every answer is compared with the prediction that the model
gave for that row: one that is fast because it answers anything is found out. One that kept its earlier answers would
not be; it takes code of its own to do that, which only a type that the policy trusts could bring.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hallmark.documents.rules_performance import MINIMUM_SAMPLES, Performance
from hallmark.model_files.answers import UnfitAnswerError, decode
from hallmark.model_files.session import ModelFile, ModelProcess, Session, as_question
from hallmark.performance.document import Measured, ModelPerformance, Noise
from hallmark.performance.judgement import undecided

if TYPE_CHECKING:
    import polars as pl

    from hallmark.performance.statistics import Statistic

MEBIBYTE = 1 << 20
RELATIVE_TOLERANCE = 1e-6
"""Between numbers that one model gives for the same row alone and in a batch: sums are not added in one order."""
_CPU_STAT = Path("/sys/fs/cgroup/cpu.stat")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The rows that models are asked about while they are measured."""

    rows: pl.DataFrame
    """At least one row, with the features of all models; each is sent its own, in its order."""
    predictions: Mapping[str, pl.Series]
    """For each model what it said about these rows before."""


@dataclass
class _Log:
    """What was measured of one model; times in seconds, one list a round."""

    singles: list[list[float]] = field(default_factory=list)
    batches: list[list[float]] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    models_memory: list[int] = field(default_factory=list)
    answers: int = 0
    mismatches: int = 0


def measure_models(
    session: Session,
    models: Mapping[str, ModelFile],
    sample: Sample,
    rules: Performance,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Measured:
    """Measure every model in `rules.rounds` rounds, and in more while an interval straddles its limit.

    Args:
        models: by name; `candidate` is the one that limits are for.

    Raises:
        RefusedByModelError: a model cannot be loaded again, or does not answer.
    """
    questions = {name: _Questions(sample, model, rules, sample.predictions[name]) for name, model in models.items()}
    logs = {name: _Log() for name in models}
    reference: list[list[float]] = []
    throttled, started = _throttled(), clock()
    while True:
        _round(session, models, questions, rules, logs, reference, turn=len(reference))
        if len(reference) < rules.rounds:
            continue
        found = Measured(
            rounds=len(reference),
            batch_rows=rules.batch.rows,
            threads=rules.threads,
            start_seconds=session.start_seconds,
            noise=_noise(reference, throttled),
            models={name: _performance(logs[name], models[name], rules) for name in models},
        )
        late = clock() - started >= rules.seconds
        if late or len(reference) >= rules.maximum_rounds or not undecided(found.models["candidate"], rules):
            return found


class _Questions:
    """Rows one by one and a batch, ready to be sent, and what has to come back."""

    def __init__(self, sample: Sample, model: ModelFile, rules: Performance, told: pl.Series) -> None:
        rows, height = sample.rows.select(model.columns), sample.rows.height
        self.singles = [as_question(rows[row : row + 1]) for row in range(height)]
        places = [place % height for place in range(rules.batch.rows)]
        self.batch = as_question(rows[places])
        self.expected = told.to_list()
        self.expected_batch = [self.expected[place] for place in places]


def _round(
    session: Session,
    models: Mapping[str, ModelFile],
    questions: Mapping[str, _Questions],
    rules: Performance,
    logs: dict[str, _Log],
    reference: list[list[float]],
    *,
    turn: int,
) -> None:
    """A process for each model and one without any, asked in turn, so that what disturbs one disturbs all."""
    with contextlib.ExitStack() as stack:
        bystander = stack.enter_context(session.process())
        processes: dict[str, ModelProcess] = {}
        for name, model in models.items():
            process = processes[name] = stack.enter_context(session.process())
            before, _ = process.memory()
            started = time.perf_counter()
            process.load(model)
            logs[name].loads.append(time.perf_counter() - started)
            logs[name].models_memory.append(before)
        for _ in range(rules.warm_up):
            bystander.reference()
            for name, process in processes.items():
                process.timed(questions[name].singles[0], rows=1)
        for name, process in processes.items():
            process.timed(questions[name].batch, rows=rules.batch.rows)
        times: dict[str, list[float]] = {name: [] for name in models}
        calm = []
        # Each round goes on where the last one ended, and begins with another model.
        order = _rotated(list(processes), turn)
        for request in range(rules.requests):
            calm.append(bystander.reference())
            for name in order:
                place = (turn * rules.requests + request) % len(questions[name].singles)
                seconds, data = processes[name].timed(questions[name].singles[place], rows=1)
                times[name].append(seconds)
                expected = [questions[name].expected[place]]
                _compare(logs[name], data, expected, models[name].task)
        batches: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(rules.batches):
            for name in order:
                seconds, data = processes[name].timed(questions[name].batch, rows=rules.batch.rows)
                batches[name].append(seconds)
                _compare(logs[name], data, questions[name].expected_batch, models[name].task)
        for name, process in processes.items():
            _, most = process.memory()
            logs[name].memory.append(most)
            logs[name].models_memory[-1] = max(0, most - logs[name].models_memory[-1])
            logs[name].singles.append(times[name])
            logs[name].batches.append(batches[name])
        reference.append(calm)


def _rotated(names: list[str], turn: int) -> list[str]:
    start = turn % len(names)
    return names[start:] + names[:start]


def _compare(log: _Log, data: bytearray, expected: Sequence[Any], task: str) -> None:
    """Count the answers that are not the predictions."""
    log.answers += len(expected)
    try:
        told = decode(data, rows=len(expected), task=task).predictions.to_list()
    except UnfitAnswerError:
        log.mismatches += len(expected)
        return
    log.mismatches += sum(not same_answer(one, other) for one, other in zip(told, expected, strict=True))


def same_answer(one: Any, other: Any) -> bool:
    """Whether two predictions of one model for one row are the same, but for the order in which sums are added."""
    if isinstance(one, float) and isinstance(other, float | int):
        return abs(one - other) <= RELATIVE_TOLERANCE * max(abs(one), abs(other))
    return bool(one == other)


def _performance(log: _Log, model: ModelFile, rules: Performance) -> ModelPerformance:
    # NumPy comes with it, which this process loads while the server of the models loads its own libraries.
    from hallmark.performance.statistics import exactly, histogram, mean, measure, percentile

    statistics: dict[str, Statistic] = {
        "mean": mean,
        "p50": percentile(0.5),
        "p95": percentile(0.95),
        "p99": percentile(0.99),
    }
    measures = {}
    for prefix, rounds in (("latency", log.singles), ("batch.latency", log.batches)):
        samples = sum(map(len, rounds))
        for name, statistic in statistics.items():
            if samples >= MINIMUM_SAMPLES.get(name, 1):
                measures[f"{prefix}.{name}"] = measure(_milliseconds(rounds), statistic, "ms")
    rows = rules.batch.rows
    measures["batch.throughput"] = measure(log.batches, lambda seconds: rows / seconds.mean(axis=-1), "rows/s")
    measures["memory"] = measure([[size / MEBIBYTE] for size in log.memory], _most, "MiB")
    measures["memory.model"] = measure([[size / MEBIBYTE] for size in log.models_memory], _most, "MiB")
    measures["loadSeconds"] = measure([[seconds] for seconds in log.loads], mean, "s")
    measures["size"] = exactly(model.path.stat().st_size / MEBIBYTE, "MiB")
    return ModelPerformance(
        measures=measures,
        histogram=histogram([value for taken in _milliseconds(log.singles) for value in taken]),
        answers=log.answers,
        mismatches=log.mismatches,
    )


def _most(values: Any) -> Any:
    return values.max(axis=-1)


def _milliseconds(rounds: list[list[float]]) -> list[list[float]]:
    return [[seconds * 1e3 for seconds in taken] for taken in rounds]


def _noise(reference: list[list[float]], throttled: float | None) -> Noise:
    import numpy as np

    values = np.array(reference) * 1e3
    median = float(np.median(values))
    low, high = np.quantile(values, [0.05, 0.95])
    medians = np.median(values, axis=1)
    now = _throttled()
    return Noise(
        median=median,
        spread=float(high - low) / median if median else 0.0,
        drift=float(medians.max() - medians.min()) / median if median else 0.0,
        throttled=max(0.0, now - throttled) if now is not None and throttled is not None else None,
    )


def _throttled() -> float | None:
    """Seconds for which this control group had to wait for its share of the processor (cgroup v2, cpu.stat)."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        told = dict(line.split() for line in _CPU_STAT.read_text().splitlines())
        return int(told["throttled_usec"]) / 1e6
    return None
