"""`model.behaviour` of the policy: where the model is weak, whom it treats otherwise, and what small changes do to it.

Nothing here is judged without being asked, but two that cost little: the same row has to get the same answer, and the
importance of each feature is told. Everything that needs changed rows ("probes") takes at most `rows` of the
independent data for each test, chosen at random. Shares are from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hallmark.documents.loading import Document
from hallmark.documents.rules_explanations import Explanations
from hallmark.documents.tighter import Earlier, Fixed, Free, Higher, Lower, More, StaysOn

Column = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
ProbeRows = Annotated[int, Field(ge=10, le=100_000, description="Rows that are changed, at random.")]
TestName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,79}$")]
Decide = Literal["bound", "estimate"]
"""`estimate`: what was measured decides. `bound`, the stricter: the worse end of its 95 % interval does."""
Value = str | int | float | bool


class Slices(Document):
    """The weakest segments of the rows, found by looking at every value (or range) of one and of two columns."""

    columns: Fixed[list[Column] | None] = Field(
        default=None,
        min_length=1,
        description="Columns to look at; default: all that models are offered, and the groups'.",
    )
    depth: Higher[int] = Field(default=2, ge=1, le=2, description="Columns that may define a slice together.")
    bins: Fixed[int] = Field(
        default=4, ge=2, le=50, description="Ranges that a column of numbers is cut into, equally full."
    )
    maximum_values: Higher[int] = Field(
        default=20, ge=2, le=200, description="Most frequent values of a column that are looked at; rarer ones are not."
    )
    maximum_pairs: Higher[int] = Field(
        default=500, ge=1, le=5000, description="Pairs of columns looked at; those that differ most alone come first."
    )
    minimum_rows: Lower[int] = Field(default=30, ge=5, description="Fewest rows of a slice that is judged.")
    minimum_share: Lower[Share] = Field(
        default=0.01, description="Smallest share of all rows of a slice that is judged."
    )
    minimum: Higher[Share | None] = Field(default=None, description="Classes: lowest accuracy in any slice.")
    maximum_gap: Lower[Share | None] = Field(
        default=None, description="Classes: by how much a slice's accuracy may be below that of all rows."
    )
    maximum_error: Lower[float | None] = Field(
        default=None, ge=0, description="Numbers: highest mean absolute error in any slice, in the label's own unit."
    )
    maximum_ratio: Lower[float | None] = Field(
        default=None, ge=1, description="Numbers: highest mean absolute error of a slice, divided by that of all rows."
    )
    decide: Earlier[Literal["bound", "estimate", "evidence"]] = Field(
        default="evidence",
        description="evidence: beyond the limit by more than chance, after Holm's correction over all slices; estimate:"
        " beyond it as measured; bound: the worse end of the slice's 95 % interval (all slices together) is beyond it.",
    )
    significance: Fixed[float] = Field(default=0.05, gt=0, lt=1, description="Limit of the adjusted p-value.")
    shown: Free[int] = Field(default=20, ge=1, le=200, description="Weakest slices that the report lists.")

    @model_validator(mode="after")
    def _any(self) -> Self:
        if all(limit is None for limit in (self.minimum, self.maximum_gap, self.maximum_error, self.maximum_ratio)):
            raise ValueError("name minimum or maximumGap (of classes), or maximumError or maximumRatio (of numbers)")
        return self


class Fairness(Document):
    """Groups of rows that the model has to treat alike: definitions as in fairlearn."""

    columns: list[Column] = Field(
        min_length=1, description="Columns of the independent data, also such as no model sees; more: intersections."
    )
    edges: dict[Column, list[float]] = Field(
        default_factory=dict, description="For a column of numbers: where one group ends and the next begins."
    )
    expected: list[Column] = Field(default=[], description="Groups that must be there, `female` or `female / 25..45`.")
    positive: str | None = Field(default=None, description="The class that counts as chosen; needed for all rates.")
    minimum_rows: int = Field(default=30, ge=1, description="Fewest rows of a group that is compared.")
    minimum_cases: int = Field(
        default=5, ge=1, description="Fewest rows of a group with the positive class, and without, for equalized odds."
    )
    small: Literal["refuse", "leave-out"] = Field(
        default="refuse", description="What becomes of a group with fewer: it is always told."
    )
    maximum_demographic_parity_difference: Share | None = Field(
        default=None, description="Highest rate of positive answers of a group, less the lowest."
    )
    minimum_demographic_parity_ratio: Share | None = Field(
        default=None, description="Lowest rate of positive answers divided by the highest: 0.8 is the four-fifths rule."
    )
    maximum_equalized_odds_difference: Share | None = Field(
        default=None, description="Of true positive rates, and of false positive rates: the larger difference."
    )
    minimum_equalized_odds_ratio: Share | None = Field(
        default=None, description="Of true positive rates, and of false positive rates: the smaller ratio."
    )
    maximum_equal_opportunity_difference: Share | None = Field(
        default=None, description="Highest true positive rate of a group, less the lowest."
    )
    maximum_accuracy_difference: Share | None = Field(
        default=None, description="Highest accuracy of a group, less the lowest."
    )
    maximum_mean_error_difference: float | None = Field(
        default=None, ge=0, description="Numbers: highest mean of prediction less label, less the lowest."
    )
    maximum_mae_difference: float | None = Field(
        default=None, ge=0, description="Numbers: highest mean absolute error of a group, less the lowest."
    )
    decide: Decide = Field(
        default="estimate", description="estimate: what was measured decides; bound: the 95 % interval's worse end."
    )

    @model_validator(mode="after")
    def _judgeable(self) -> Self:
        for column, edges in self.edges.items():
            if column not in self.columns:
                raise ValueError(f"edges name {column}, which is none of the columns")
            if not edges or sorted(set(edges)) != edges:
                raise ValueError(f"the edges of {column} have to ascend")
        if not self.limits:
            raise ValueError("name at least one limit, e.g. maximumEqualizedOddsDifference")
        needs = [name for name in self.limits if name in RATES]
        if needs and self.positive is None:
            raise ValueError(f"{needs[0]} needs `positive`, the class that counts as chosen")
        return self

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by metric: a `..._ratio` may not be lower, anything else not higher."""
        found = {
            name.partition("_")[2]: getattr(self, name)
            for name in type(self).model_fields
            if name.startswith(("maximum_", "minimum_")) and name not in ("minimum_rows", "minimum_cases")
        }
        return {name: limit for name, limit in found.items() if limit is not None}


RATES = (
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "equal_opportunity_difference",
)
"""What is about one class."""


class Robust(Document):
    """What a change may cost: the changed rows are compared with the same rows unchanged."""

    columns: Fixed[list[Column] | None] = Field(
        default=None, min_length=1, description="Features that are changed; default: all that can be."
    )
    rows: Higher[ProbeRows] = 300
    maximum_drop: Lower[Share | None] = Field(default=None, description="Classes: by how much accuracy may fall.")
    maximum_changed: Lower[Share | None] = Field(default=None, description="Classes: share of answers that may change.")
    maximum_error_ratio: Lower[float | None] = Field(
        default=None, ge=1, description="Numbers: mean absolute error afterwards, divided by that before."
    )
    decide: Earlier[Decide] = Field(
        default="estimate", description="estimate: what was measured decides; bound: the 95 % interval's worse end."
    )

    @property
    def limited(self) -> bool:
        return not (self.maximum_drop is None and self.maximum_changed is None and self.maximum_error_ratio is None)


class _Limited(Robust):
    @model_validator(mode="after")
    def _any(self) -> Self:
        if not self.limited:
            raise ValueError("name maximumDrop or maximumChanged (of classes), or maximumErrorRatio (of numbers)")
        return self


class Noise(_Limited):
    """Normal noise on every number of a row."""

    scale: Higher[float] = Field(
        default=0.1, gt=0, le=10, description="The noise's standard deviation, in the column's own."
    )


class Swap(_Limited):
    """One category of each row becomes another that the data know."""


class Missing(Robust):
    """One value of each row is missing. The model has to answer, at least."""


class OutOfRange(Robust):
    """One number of each row lies beyond all that the data hold. The model has to answer, at least."""

    factor: Higher[float] = Field(default=1.0, gt=0, le=1000, description="How far beyond, in the column's range.")


class Robustness(Document):
    noise: Noise | None = None
    swap: Swap | None = None
    missing: Missing | None = None
    out_of_range: OutOfRange | None = None


class _Declared(Document):
    """A test that someone who knows the subject declares."""

    name: TestName = Field(description="What the report calls it.")
    rows: ProbeRows = 300
    minimum_share: Annotated[float, Field(gt=0, le=1, description="Of the rows, for which it has to hold.")] = 1.0
    tolerance: float = Field(
        default=1e-6, ge=0, description="Numbers: relative difference that is none. Probabilities: absolute."
    )
    decide: Decide = Field(
        default="estimate", description="estimate: what was measured decides; bound: the 95 % interval's worse end."
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.decide == "bound" and self.minimum_share == 1:
            raise ValueError(
                "no number of rows can show a share of 1: lower minimumShare, or take `decide: bound` away"
            )
        return self


class Invariance(_Declared):
    """Another value in these columns must not change the answer."""

    columns: list[Column] = Field(min_length=1, description="Together they take what another row has.")
    shift: float | None = Field(default=None, description="Instead: added to these columns, which are numbers then.")

    @model_validator(mode="after")
    def _some_shift(self) -> Self:
        if self.shift == 0:
            raise ValueError("a shift of 0 changes nothing")
        return self


class Directional(_Declared):
    """A change of one column may move the answer one way only."""

    column: Column
    shift: float | None = Field(default=None, description="Added to the column, in its own unit.")
    to: Value | None = Field(default=None, description="Instead: the value that the column takes.")
    never: Literal["falls", "rises"] = Field(
        default="falls", description="What the prediction, or the probability of `class` and the answer, must not do."
    )
    of_class: str | None = Field(
        default=None,
        alias="class",
        description="For a model that names classes: its probability, if it gives any, and the answer.",
    )

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if (self.shift is None) == (self.to is None):
            raise ValueError("name either shift or to")
        if self.shift == 0:
            raise ValueError("a shift of 0 changes nothing")
        return self


class Declared(Document):
    """`behaviour` of hallmark.yaml: the maker's own tests. They are asked beside the policy's and change none of it."""

    invariance: list[Invariance] = Field(
        default=[], max_length=20, description="Columns that the answer must not depend on."
    )
    directional: list[Directional] = Field(
        default=[], max_length=20, description="Columns that may move the answer one way only."
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        _require_distinct([test.name for test in (*self.invariance, *self.directional)])
        return self


class Determinism(Document):
    enabled: StaysOn[bool] = True
    rows: Higher[ProbeRows] = 200
    tolerance: Lower[float] = Field(
        default=1e-6, ge=0, lt=1e-2, description="Numbers and probabilities: relative difference that is none."
    )


class Importance(Document):
    """Permutation importance: what is lost when a feature is torn from its rows (L. Breiman, Machine Learning 45)."""

    enabled: StaysOn[bool] = True
    rows: Higher[int] = Field(default=1500, ge=50, le=500_000, description="Changed rows for all features together.")
    warn_above: Lower[Share] = Field(
        default=0.9, description="Share of all losses from which on one feature is said to carry the model."
    )
    maximum_share: Lower[Share | None] = Field(
        default=None, description="Share of all losses that one feature may have; null: nothing is refused."
    )


class Behaviour(Document):
    """The whole of `model.behaviour`."""

    slices: Slices | None = None
    fairness: More[list[Fairness]] = Field(default=[], max_length=20)
    robustness: Robustness = Robustness()
    invariance: More[list[Invariance]] = Field(
        default=[], max_length=50, description="Columns that the answer must not depend on."
    )
    directional: More[list[Directional]] = Field(
        default=[], max_length=50, description="Columns that may move the answer one way only."
    )
    importance: Importance = Importance()
    explanations: Explanations | None = None
    determinism: Determinism = Determinism()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        _require_distinct([test.name for test in (*self.invariance, *self.directional)])
        return self

    def group_columns(self, offered: Sequence[str]) -> list[str]:
        """The columns that `labels/groups.parquet` has to hold, in their order.

        Args:
            offered: the columns that the policy offers to any model. Slices are looked for in all of them where the
                rules name none: a maker who could leave one out would choose where nobody looks.
        """
        named = [column for rule in self.fairness for column in rule.columns]
        if self.slices is not None:
            named += offered if self.slices.columns is None else self.slices.columns
        return list(dict.fromkeys(named))


def _require_distinct(names: list[str]) -> None:
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise ValueError(f"two tests are called {twice[0]}")
