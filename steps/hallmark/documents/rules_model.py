"""`model` of the policy: what the model's file may be, how good its predictions have to be, and on how many rows."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from hallmark.documents.loading import Document
from hallmark.documents.rules_behaviour import Behaviour
from hallmark.documents.rules_performance import Performance
from hallmark.documents.tighter import Earlier, Fewer, Fixed, Higher, Lower

ModelFormat = Literal["skops", "onnx", "pickle", "joblib"]
Task = Literal["classification", "regression"]
Decide = Literal["bound", "estimate"]
MetricName = Literal[
    "accuracy",
    "balanced_accuracy",
    "f1",
    "precision",
    "recall",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "brier",
    "calibration_error",
    "r2",
    "rmse",
    "mae",
    "mape",
]
OF_PROBABILITIES = frozenset({"roc_auc", "pr_auc", "log_loss", "brier", "calibration_error"})
"""Metrics that need a probability of each class."""
OF_QUANTILES = frozenset({"coverage", "coverage_error", "pinball_loss"})
"""Metrics that need quantiles of a regression (`model.quantiles` of hallmark.yaml)."""
OF_NUMBERS = frozenset({"r2", "rmse", "mae", "mape"}) | OF_QUANTILES
"""Metrics of a regression; all others are of a classification."""
AT_MOST = frozenset({"log_loss", "brier", "calibration_error", "rmse", "mae", "mape", "coverage_error", "pinball_loss"})
"""Metrics of which less is better."""


def task_of(metric: str) -> Task:
    """What a model has to do to be measured by `metric`."""
    return "regression" if metric in OF_NUMBERS else "classification"


class _Limit(Document):
    decide: Earlier[Decide] = Field(
        default="estimate", description="What has to hold the limit: the value, or the worse end of its 95 % interval."
    )
    precision: Annotated[Lower[float | None], Field(gt=0)] = Field(
        default=None, description="Largest half-width of the 95 % interval that a verdict may rest on; default: any."
    )


class AtLeast(_Limit):
    minimum: Higher[float] = Field(le=1, description="Lowest value that passes.")


class ShareAtLeast(AtLeast):
    minimum: Higher[float] = Field(ge=0, le=1, description="Lowest value that passes.")


class AtMost(_Limit):
    maximum: Lower[float] = Field(ge=0, description="Highest value that passes.")


Limit = AtLeast | AtMost


class Metrics(Document):
    """Limits on the independent data, by the names that scikit-learn gives the metrics (written as there).

    Those of several classes are the plain mean over the classes (`average="macro"`; of `roc_auc`, each class against
    the rest), unless `model.positive` names the one class that f1, precision, recall and pr_auc are about.
    """

    model_config = ConfigDict(alias_generator=str)

    accuracy: ShareAtLeast | None = Field(default=None, description="Share of the rows whose class was told.")
    balanced_accuracy: ShareAtLeast | None = Field(default=None, description="Mean of the classes' recalls.")
    f1: ShareAtLeast | None = Field(default=None, description="Harmonic mean of precision and recall.")
    precision: ShareAtLeast | None = Field(default=None, description="Of the rows told a class, those that are of it.")
    recall: ShareAtLeast | None = Field(default=None, description="Of the rows of a class, those that are told it.")
    roc_auc: ShareAtLeast | None = Field(default=None, description="Area under the ROC curve; needs probabilities.")
    pr_auc: ShareAtLeast | None = Field(default=None, description="Average precision; needs probabilities.")
    log_loss: AtMost | None = Field(default=None, description="Mean negative log-likelihood; needs probabilities.")
    brier: AtMost | None = Field(
        default=None, description="Mean squared error of the probabilities; of two classes half of it, from 0 to 1."
    )
    calibration_error: AtMost | None = Field(
        default=None, description="Expected calibration error of the likeliest class, in 10 bins of equal width."
    )
    r2: AtLeast | None = Field(default=None, description="Share of the label's variance that is explained.")
    rmse: AtMost | None = Field(default=None, description="Root of the mean squared error, in the label's unit.")
    mae: AtMost | None = Field(default=None, description="Mean absolute error, in the label's unit.")
    mape: AtMost | None = Field(default=None, description="Mean absolute error as a share of the true number.")
    coverage: ShareAtLeast | None = Field(
        default=None, description="Share of the rows whose number is between the lowest and the highest quantile."
    )
    coverage_error: AtMost | None = Field(
        default=None,
        description="Of each quantile how far the share of the rows at or below it is from its level: the largest.",
    )
    pinball_loss: AtMost | None = Field(
        default=None, description="Mean pinball loss of all quantiles, in the label's unit: too wide costs too."
    )

    @model_validator(mode="after")
    def _one_task(self) -> Self:
        if not self.limits:
            raise ValueError("name at least one metric, such as accuracy or r2")
        if len({task_of(name) for name in self.limits}) > 1:
            raise ValueError("name metrics of classes or metrics of numbers, not both")
        return self

    @property
    def limits(self) -> dict[str, Limit]:
        """The limits that are set, by metric."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: limit for name, limit in found.items() if limit is not None}


class Place(Document):
    """Where a configuration repository says what is in production."""

    repository: str = Field(
        pattern=r"^\S+$", max_length=400, description="URL of the configuration repository, without a user name."
    )
    branch: str = Field(default="main", pattern=r"^\S+$", max_length=200)
    path: str = Field(
        default="kustomization.yaml", min_length=1, max_length=300, description="Of the kustomization in it."
    )

    def __str__(self) -> str:
        return f"{self.repository} {self.branch} {self.path}"

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """What `str` made of a place; None where it did not.

        >>> str(Place.parse("https://git.example.com/ops/config.git main production/kustomization.yaml"))
        'https://git.example.com/ops/config.git main production/kustomization.yaml'
        >>> Place.parse("main production/kustomization.yaml")
        """
        parts = text.split(" ", 2)
        try:
            return cls.model_validate(dict(zip(("repository", "branch", "path"), parts, strict=True)))
        except ValueError:
            return None


class Champion(Document):
    """How the candidate has to compare with the model in production, on the same rows."""

    production: Fewer[list[Place]] = Field(
        min_length=1,
        description="Where production may be described: whoever starts a run names one of these places, and no other.",
    )
    metric: Fixed[MetricName] = Field(description="What is compared.")
    rule: Fixed[Literal["ratio", "non-inferiority"]] = Field(
        default="ratio",
        description="ratio: the candidate is better by `ratio`; non-inferiority: a paired test shows that it is worse"
        " by less than `margin`.",
    )
    ratio: Higher[float] = Field(
        default=1.01, ge=1, description="Of a metric of which less is better, the champion's is divided by it."
    )
    margin: Annotated[Lower[float | None], Field(ge=0)] = Field(
        default=None, description="In the metric's own unit; 0: the candidate has to be shown better."
    )
    alpha: Lower[float] = Field(default=0.05, gt=0, lt=0.5, description="Level of the one-sided paired test.")
    first: Earlier[Literal["refuse", "allow"]] = Field(
        default="refuse", description="What is done where nothing is in production yet."
    )

    @model_validator(mode="after")
    def _has_margin(self) -> Self:
        if (self.rule == "non-inferiority") != (self.margin is not None):
            raise ValueError("give a margin with `rule: non-inferiority`, and only with it")
        return self


class ModelRules(Document):
    """Limits for a model that names classes, or for one that gives numbers: the metrics say which."""

    formats: Fewer[list[ModelFormat]] = Field(
        default=["skops"],
        min_length=1,
        description="onnx has to be one self-contained file; pickle and joblib are loaded through an exact allow-list.",
    )
    trusted_types: Fewer[list[str]] = Field(
        default_factory=list, description="Types beyond scikit-learn's that a model file may hold, by full name."
    )
    metrics: Metrics
    positive: Fixed[str | None] = Field(
        default=None,
        min_length=1,
        description="Of two classes the one that f1, precision, recall, pr_auc and the ROC curve are about.",
    )
    champion: Champion | None = Field(default=None, description="Comparison with the model in production.")
    minimum_rows: Higher[int] = Field(
        default=30, ge=1, description="Fewest independent rows that a verdict may rest on."
    )
    behaviour: Behaviour = Field(
        default=Behaviour(), description="Weak slices, groups, changed rows, determinism and importances."
    )
    performance: Performance = Field(default=Performance(), description="How fast and how large it may be.")
    timeout: Lower[int] = Field(default=600, gt=0, description="Seconds that loading and predicting may take.")

    @model_validator(mode="after")
    def _of_one_task(self) -> Self:
        if self.positive is not None and self.task == "regression":
            raise ValueError("positive names a class; a regression has none")
        if self.champion is not None and task_of(self.champion.metric) != self.task:
            raise ValueError(f"champion.metric is no metric of a {self.task}")
        return self

    @property
    def task(self) -> Task:
        """What the model has to do to be judged by these rules."""
        return task_of(next(iter(self.metrics.limits)))
