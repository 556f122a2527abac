"""`image` of the policy: what an image may be built on, and how the container has to behave when it is called."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hallmark.documents.loading import Document
from hallmark.documents.tighter import Earlier, Fewer, FewerOfAll, Fixed, Higher, Lower, StaysOn
from hallmark.image_reference import BY_DIGEST
from hallmark.platforms import NAME

Base = Annotated[str, Field(pattern=BY_DIGEST)]
"""An image by digest; without a repository that digest wherever it is kept."""

Platform = Annotated[str, Field(pattern=NAME)]
"""Of a machine, such as `linux/arm64`."""

MINIMUM_REQUESTS = 200
"""That a 95th percentile needs so that ten of them are slower."""


class Load(Document):
    """Requests of one row each, several at the same time."""

    requests: Higher[int] = Field(default=200, ge=1, le=10_000, description="Requests in all.")
    concurrency: Fixed[int] = Field(default=4, ge=1, le=64, description="Requests at the same time.")
    p95: Annotated[Lower[float | None], Field(gt=0)] = Field(
        default=None, description="Milliseconds within which 95 % of them have to be answered; default: any."
    )

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.p95 is not None and self.requests < MINIMUM_REQUESTS:
            raise ValueError(f"load.p95 needs {MINIMUM_REQUESTS} requests or more")
        return self


class ImageRules(Document):
    """What an image is built on, and what test-image asks of the container."""

    bases: FewerOfAll[list[Base]] = Field(
        default=[],
        min_length=1,
        description="Base images that an image may be built on: `repository@sha256:...`, or `sha256:...` alone for "
        "that digest wherever it is kept, of one image or of a list of them; left out: whatever a run is started with.",
    )
    untested_platforms: Fewer[list[Platform]] = Field(
        default=[],
        description="Platforms that an image may be released for although it did not run there, where it ran on "
        "another one: test-image calls the container on the machine that it runs on.",
    )
    ready_within: Lower[float] = Field(default=60, gt=0, description="Seconds until the container must be ready.")
    rows: Higher[int] = Field(default=100, ge=1, description="Independent rows that are sent to the container.")
    maximum_mismatches: Lower[int] = Field(default=0, ge=0, description="Answers that may differ from the model's own.")
    tolerance: Lower[float] = Field(
        default=1e-6, ge=0, lt=1, description="Of a regression: relative difference up to which answers are the same."
    )
    wrong_input: StaysOn[bool] = Field(
        default=True, description="Whether wrong input has to be answered as the caller's fault (4xx)."
    )
    metrics: Earlier[Literal["required", "optional"]] = Field(
        default="optional", description="Whether the container has to offer metrics in Prometheus' text format."
    )
    memory: Annotated[Lower[float | None], Field(gt=0)] = Field(
        default=None,
        description="MiB that the container's process may say it has after the load (process_resident_memory_bytes of "
        "its metrics); default: any.",
    )
    load: Load = Field(default=Load(), description="A short load after the rows.")
