"""`performance.json`: what predict-model measured, for the judge and the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from hallmark.documents.loading import Document
from hallmark.errors import BadInputError
from hallmark.files import write_text

PERFORMANCE_FILE = "performance.json"
MAXIMUM_BYTES = 4 << 20

Unit = Literal["ms", "s", "MiB", "rows/s"]


class Measure(Document):
    """A number with its 95 % interval; `low` and `high` equal it where it is not a matter of chance."""

    value: float = Field(ge=0)
    low: float = Field(ge=0)
    high: float = Field(ge=0)
    unit: Unit
    samples: int = Field(ge=1)


class Noise(Document):
    """What the machine did meanwhile, by a small work that is always the same, asked and answered in turn with the
    models' questions."""

    median: float = Field(ge=0, description="Milliseconds.")
    spread: float = Field(ge=0, description="Between the 5th and the 95th percentile, divided by the median.")
    drift: float = Field(ge=0, description="Between the fastest and the slowest round's median, divided by the median.")
    throttled: float | None = Field(
        default=None, ge=0, description="Seconds for which the control group had to wait; null: nobody counts them."
    )


class ModelPerformance(Document):
    """One model's figures."""

    measures: dict[str, Measure]
    """`latency.mean`, `latency.p50`, `.p95`, `.p99`, the same of `batch.latency`, `batch.throughput`, `memory`,
    `memory.model`, `size`, `loadSeconds`. A percentile of too few samples (`MINIMUM_SAMPLES`) is not there."""
    histogram: list[tuple[float, int]] = Field(
        description="Questions of one row: upper edge in milliseconds, and how many were as fast."
    )
    answers: int = Field(ge=1, description="Answers that were compared with the predictions.")
    mismatches: int = Field(ge=0, description="Of them, those that were others.")


class Measured(Document):
    """The whole of `performance.json`."""

    model_config = ConfigDict(populate_by_name=True)

    rounds: int = Field(ge=1)
    batch_rows: int = Field(ge=1)
    threads: int = Field(ge=1)
    start_seconds: float = Field(ge=0, description="Until the interpreter and the libraries were loaded.")
    noise: Noise
    models: dict[str, ModelPerformance] = Field(
        min_length=1, description="`candidate` and, if there is one, `champion`."
    )

    def write(self, folder: Path) -> Path:
        """Write it into `folder`, and return its path."""
        target = folder / PERFORMANCE_FILE
        write_text(target, json.dumps(self.model_dump(by_alias=True), indent=2, sort_keys=True) + "\n")
        return target


def read_performance(path: Path) -> Measured:
    """What was measured, from its file. Raises BadInputError where it is none."""
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise BadInputError(f"{path.name} is larger than {MAXIMUM_BYTES} bytes", solution="start a new run")
        return Measured.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadInputError(
            f"{path.name} is not what predict-model writes: {type(error).__name__}", solution="start a new run"
        ) from error
