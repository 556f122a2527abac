"""`model.performance` of the policy: how fast and how large a model may be, measured from outside its process.

Times are of the machine that measures, in an isolated task on one thread; another machine has others.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hallmark.documents.loading import Document
from hallmark.documents.tighter import Earlier, Fixed, Free, Higher, Lower

Decide = Literal["bound", "estimate", "evidence"]


class PerformanceLimit(Document):
    maximum: Annotated[Lower[float], Field(gt=0)] = Field(description="Highest value that passes.")


class ThroughputLimit(Document):
    minimum: Annotated[Higher[float], Field(gt=0)] = Field(description="Lowest value that passes.")


class Latency(Document):
    """Milliseconds from a question's values to its answer."""

    mean: PerformanceLimit | None = None
    p50: PerformanceLimit | None = Field(default=None, description="Half of the questions are answered as fast.")
    p95: PerformanceLimit | None = None
    p99: PerformanceLimit | None = None

    @property
    def limits(self) -> dict[str, PerformanceLimit]:
        """The limits that are set, by statistic."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: limit for name, limit in found.items() if limit is not None}


class Batch(Document):
    """Many rows in one question."""

    rows: Fixed[int] = Field(default=1000, ge=2, le=100_000, description="In one batch; too few rows are repeated.")
    latency: Latency = Field(default=Latency(), description="Milliseconds of a whole batch.")
    throughput: ThroughputLimit | None = Field(default=None, description="Rows a second, in batches.")


class Performance(Document):
    """What is measured, and the limits that the model has to keep."""

    latency: Latency = Field(
        default=Latency(mean=PerformanceLimit(maximum=15)), description="Milliseconds of a question of one row."
    )
    batch: Batch = Batch()
    memory: PerformanceLimit | None = Field(
        default=None, description="MiB that the process with the model and its libraries has at most."
    )
    size: PerformanceLimit | None = Field(default=None, description="MiB of the model's file.")
    load_seconds: PerformanceLimit | None = Field(
        default=None, description="Seconds to load the model where the libraries are loaded already."
    )
    decide: Earlier[Decide] = Field(
        default="bound",
        description="bound: the worse end of the 95 % interval has to keep the limit; estimate: the measured value;"
        " evidence: only an interval that is wholly beyond the limit refuses.",
    )
    rounds: Higher[int] = Field(default=5, ge=3, le=100, description="Processes that are measured one after the other.")
    maximum_rounds: Free[int] = Field(
        default=15, ge=3, le=100, description="As many at most, while an interval straddles its limit."
    )
    requests: Higher[int] = Field(default=40, ge=5, le=10_000, description="Questions of one row in each round.")
    batches: Higher[int] = Field(default=5, ge=2, le=1_000, description="Batches in each round.")
    warm_up: Free[int] = Field(default=5, ge=1, le=1_000, description="Questions before that are not counted.")
    seconds: Free[float] = Field(default=60, gt=0, le=3600, description="After which no further round is begun.")
    threads: Fixed[int] = Field(default=1, ge=1, le=256, description="That numeric libraries may use.")

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.maximum_rounds < self.rounds:
            raise ValueError("maximumRounds is below rounds")
        for name, needed in MINIMUM_SAMPLES.items():
            for where, count, limits in (
                ("latency", self.rounds * self.requests, self.latency),
                ("batch.latency", self.rounds * self.batches, self.batch.latency),
            ):
                if getattr(limits, name) is not None and count < needed:
                    raise ValueError(f"{where}.{name} needs {needed} questions: raise rounds, requests or batches")
        return self


MINIMUM_SAMPLES = {"p95": 200, "p99": 1000}
"""Questions that a percentile needs so that ten of them are slower than it."""
