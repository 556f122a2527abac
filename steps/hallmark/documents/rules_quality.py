"""`data.quality` of the policy: leakage, bias, and whether the tables are worth learning from and judging on.

Shares are from 0 to 1. A part that is left out runs with its defaults, except overlaps and groups: which columns those
are about only the validators know.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hallmark.documents.loading import Document
from hallmark.documents.tighter import Fewer, Fixed, Higher, Lower, More, StaysOff

Column = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
DatasetName = Literal["training", "independent"]


class Overlap(Document):
    """One comparison of the independent rows with the training rows."""

    columns: list[Column] = Field(
        default=[],
        description="Columns that make two rows the same: a key, or a part of the features. Empty: all features.",
    )
    significant_digits: int | None = Field(
        default=None, ge=1, le=15, description="Floating point numbers count as equal to so many digits; null: exactly."
    )
    maximum: Share = Field(default=0, description="Largest share of independent rows that the training data may hold.")


class Leakage(Document):
    maximum_score: Lower[Share] = Field(
        default=0.995,
        description="Highest score of a feature alone: the mean AUC of the classes, or R² for a number as label.",
    )
    allow: Fewer[list[Column]] = Field(default=[], description="Features that may predict the label alone.")
    maximum_rows: Higher[int] = Field(
        default=200_000,
        ge=100,
        description="Rows that are looked at, at random: a score of so many is good to 0.002.",
    )


class Groups(Document):
    """Who is in the data, and how the label falls to them."""

    columns: list[Column] = Field(min_length=1, description="More than one column: their intersections.")
    edges: dict[Column, list[float]] = Field(
        default_factory=dict, description="For a column of numbers: where one group ends and the next begins."
    )
    data: list[DatasetName] = Field(default=["training", "independent"], min_length=1)
    expected: list[Column] = Field(default=[], description="Groups that must be there, `female` or `female / 25..45`.")
    minimum_rows: int = Field(default=30, ge=1, description="Fewest rows of a group.")
    minimum_share: Share = Field(default=0, description="Smallest share of the rows that a group may have.")
    positive: str | None = Field(default=None, description="The class whose rate is compared between groups.")
    minimum_ratio: Share | None = Field(
        default=None, description="Lowest rate divided by the highest: 0.8 is the four-fifths rule."
    )
    maximum_difference: float | None = Field(
        default=None, ge=0, description="Highest rate (or mean of a number as label) less the lowest."
    )

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for column, edges in self.edges.items():
            if column not in self.columns:
                raise ValueError(f"edges name {column}, which is none of the columns")
            if not edges or sorted(set(edges)) != edges:
                raise ValueError(f"the edges of {column} have to ascend")
        return self


class Duplicates(Document):
    columns: Fixed[list[Column]] = Field(
        default=[], description="Columns that make two rows the same. Empty: all columns."
    )
    maximum: Lower[Share] = Field(default=0.1, description="Largest share of rows that repeat an earlier row.")


class Columns(Document):
    allow_constant: Fewer[list[Column]] = Field(default=[], description="Features that may hold one value only.")
    maximum_dominance: Lower[Share] = Field(
        default=0.9999, description="Largest share of the rows that one value of a feature may take."
    )
    maximum_missing: Lower[Share] = Field(
        default=1, description="Largest share of null or NaN values of a column; a column without a value is refused."
    )


class Classes(Document):
    minimum_rows: Higher[int] = Field(default=2, ge=1, description="Fewest rows of a class.")
    minimum_share: Higher[Share] = Field(default=0, description="Smallest share of the rows that a class may have.")
    maximum: Lower[int] = Field(default=1000, ge=2, description="Most classes that a label may have.")


class FailingRows(Document):
    """What of the rows that a check refused may stand in a report: their numbers, and no more without leave."""

    maximum: Lower[int] = Field(default=20, ge=0, le=200, description="Rows listed for a check.")
    show_values: StaysOff[bool] = Field(
        default=False, description="Whether values of these rows are shown, not only numbers."
    )
    personal: More[list[Column]] = Field(default=[], description="Columns with personal data: always masked.")


class Quality(Document):
    """The whole of `data.quality`."""

    overlaps: More[list[Overlap]] = Field(default=[], description="Comparisons beside `data.maximumOverlap`.")
    leakage: Leakage = Leakage()
    groups: More[list[Groups]] = Field(
        default=[], description="Groups of rows that have to be there and be treated alike."
    )
    duplicates: Duplicates = Duplicates()
    columns: Columns = Columns()
    classes: Classes = Classes()
    failing_rows: FailingRows = FailingRows()
