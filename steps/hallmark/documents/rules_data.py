"""`data` of the policy: what the gates of the training and the independent data ask for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hallmark.documents.loading import Document
from hallmark.documents.model import RepositoryPath
from hallmark.documents.rules_drift import Drift
from hallmark.documents.rules_quality import Quality

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class IndependentData(Document):
    path: RepositoryPath = Field(description="Parquet or CSV, inside the validators' data folder.")
    sha256: Digest = Field(description="Of that file; another file of the same name is refused.")
    label: str = Field(min_length=1, description="The column that is judged; it is never handed to the model.")
    features: list[str] = Field(min_length=1, description="The columns that a model may ask for.")
    suite: RepositoryPath | None = Field(default=None, description="Expectation suite, beside this policy.")


class Data(Document):
    training_suite: RepositoryPath | None = Field(
        default=None, description="great-expectations 1.x suite for the training data, beside this policy."
    )
    independent: IndependentData
    engine: Literal["auto", "polars", "gx"] = Field(
        default="auto",
        description="Who evaluates the suites: polars and where it would differ great-expectations, or one of the two.",
    )
    maximum_overlap: float = Field(
        default=0,
        ge=0,
        lt=1,
        description="Largest share of independent rows whose features the training data holds too.",
    )
    quality: Quality = Field(
        default_factory=Quality, description="Leakage, groups, duplicates, empty and constant columns, classes."
    )
    drift: Drift | None = Field(
        default=None, description="How far the independent data may be from the reference; nothing is compared without."
    )
