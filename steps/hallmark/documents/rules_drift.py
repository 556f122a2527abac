"""`data.drift` of the policy: how far the data may have moved from the reference."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hallmark.documents.loading import Document
from hallmark.documents.paths import RepositoryPath
from hallmark.documents.tighter import Fixed, Free, Higher, Lower, StaysOn

Statistic = Literal["ks", "js", "psi", "chi2", "wasserstein"]
Decide = Literal["statistic", "p-value", "both"]
Correction = Literal["holm", "bonferroni", "bh", "none"]
Kind = Literal["numeric", "categorical", "time", "text"]

Limit = Annotated[float, Field(gt=0, description="The statistic may be as large as this.")]


class ColumnDrift(Document):
    """What differs for one column."""

    kind: Kind | None = Field(default=None, description="text: its length is compared; default: by type and content.")
    statistic: Statistic | None = None
    limit: Limit | None = None


class Sampling(Document):
    maximum_rows: Higher[int] = Field(
        default=2_000_000, ge=1_000, description="Of a larger data set as many rows are looked at, drawn by chance."
    )
    seed: Free[int] = Field(default=0, ge=0, lt=2**32)


class Drift(Document):
    reference: Fixed[RepositoryPath] = Field(
        default="training",
        description="`training` for the training data, or a profile of `hallmark profile`, beside this policy.",
    )
    columns: Fixed[list[str] | None] = Field(
        default=None, min_length=1, description="The columns that are compared; default: the features."
    )
    label: StaysOn[bool] = Field(default=True, description="Whether the label's distribution is compared.")
    prediction: StaysOn[bool] = Field(default=False, description="Whether the predictions' distribution is compared.")
    overrides: Fixed[dict[str, ColumnDrift]] = Field(default_factory=dict, description="What differs, by column.")
    statistic: Fixed[Statistic | None] = Field(
        default=None, description="Default: ks for numbers, dates and text lengths, js for categories and booleans."
    )
    limit: Lower[Limit] = 0.05
    decide: Fixed[Decide] = Field(
        default="both", description="A column has drifted if the statistic is above its limit, p below its, or both."
    )
    significance: Higher[float] = Field(default=0.05, gt=0, lt=1, description="Limit of the adjusted p-value.")
    correction: Fixed[Correction] = Field(default="holm", description="Adjusts the p-values to the number of columns.")
    bins: Fixed[int] = Field(default=10, ge=2, le=200, description="Of numbers for js, psi and chi2, equally full.")
    maximum_share_of_columns: Lower[float] = Field(
        default=0, ge=0, lt=1, description="Of the compared features; 0: none may drift."
    )
    maximum_missing_change: Lower[float] = Field(
        default=0.05, ge=0, lt=1, description="By how much a column's share of missing values may differ."
    )
    minimum_rows: Higher[int] = Field(
        default=30, ge=2, description="With fewer, on either side, nothing could be found."
    )
    sampling: Sampling = Sampling()
