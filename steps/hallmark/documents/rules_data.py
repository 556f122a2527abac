"""`data` of the policy: what the gates of the training and the independent data ask for."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from hallmark.documents.loading import Document
from hallmark.documents.paths import RepositoryPath, relative
from hallmark.documents.rules_drift import Drift
from hallmark.documents.rules_inputs import SCHEMES, Digest, InputRules, TableRules, is_database, is_remote
from hallmark.documents.rules_quality import Quality
from hallmark.documents.tighter import Fewer, Fixed, Lower


def _location(value: str) -> str:
    if not is_remote(value):
        return relative(value)
    if value.partition("://")[0] not in SCHEMES:
        raise ValueError(f"must be a path, or begin with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
    return value


class IndependentData(InputRules):
    path: Fixed[Annotated[str, AfterValidator(_location)]] = Field(
        description="A file, a folder or a pattern such as parts/*.parquet inside the validators' data folder; or "
        "s3://bucket/key, s3://bucket/prefix/, https://..., postgresql://host:port/database, which are fetched."
    )
    sha256: Fixed[Digest] = Field(
        description="Of the file's bytes; of several files, of the sorted lines `<hex>  <relative name>`; of SQL, of "
        "the rows in canonical form. Other data in its place is refused."
    )
    label: Fixed[str] = Field(min_length=1, description="The column that is judged; it is never handed to the model.")
    features: Fewer[list[str]] = Field(min_length=1, description="The columns that a model may ask for.")
    suite: Fixed[RepositoryPath | None] = Field(default=None, description="Expectation suite, beside this policy.")

    @model_validator(mode="after")
    def _sql_is_of_databases(self) -> Self:
        if (self.sql is not None) != is_database(self.path):
            raise ValueError("sql goes with a path that begins with postgresql://, and such a path with sql")
        return self


class Data(Document):
    training_suite: Fixed[RepositoryPath | None] = Field(
        default=None, description="great-expectations 1.x suite for the training data, beside this policy."
    )
    training: TableRules = Field(
        default=TableRules(), description="Rows, columns and size of the data that hallmark.yaml names as training."
    )
    independent: IndependentData
    engine: Fixed[Literal["auto", "polars", "gx"]] = Field(
        default="auto",
        description="Who evaluates the suites: polars and where it would differ great-expectations, or one of the two.",
    )
    maximum_overlap: Lower[float] = Field(
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
