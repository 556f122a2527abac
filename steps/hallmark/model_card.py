"""The card of a model that was judged, after M. Mitchell and others, "Model Cards for Model Reporting" (FAT* 2019).

It is made of the reports of a run, which are untrusted: what is not of the expected shape is left out, and texts are
cut. It is a text to read; what counts is the signed verdict. It holds no time, so that equal runs give equal cards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from hallmark.documents.loading import Document
from hallmark.documents.model import Card
from hallmark.gate_report import GateReport
from hallmark.next_version import Known, propose
from hallmark.reporting.exhibits import count, mapping, number, objects, text
from hallmark.reporting.run import Run

M = TypeVar("M", bound="_Part")
SHOWN_SLICES, SHOWN_CHECKS = 5, 200
_MAXIMUM_FEATURES = 2000


class _Part(Document):
    model_config = ConfigDict(populate_by_name=True)


class CardModel(_Part):
    name: str
    version: str
    format: str
    task: str
    digest: str = Field(description="Of the model file.")
    mebibytes: float | None = Field(default=None, description="Its size, where it was measured.")
    repository: str
    commit: str
    source: str = Field(description="Digest of the checked out tree.")
    image: str | None = Field(default=None, description="By digest, where it was signed.")


class ProposedVersion(_Part):
    """A semantic version by what changed; a proposal."""

    version: str
    change: Literal["first", "none", "patch", "minor", "major"]
    reason: str
    fits: bool = Field(description="Whether the maker's version is at least this one.")


class CardTraining(_Part):
    digest: str = Field(description="Of the training data.")
    path: str
    rows: int | None = None
    columns: int = Field(description="Features and label.")
    label: str
    features: list[str] = Field(description="In the order in which the model is given them.")
    script: str
    seed: int | None
    parameters: dict[str, str] = Field(description="Hyperparameters.")
    dependencies: dict[str, str] = Field(description="Python and libraries.")


class CardEvaluation(_Part):
    digest: str = Field(description="Of the independent data, which the maker never had.")
    rows: int | None = None
    policy: str = Field(description="Digest of the validators' folder, by which the model was judged.")


class CardMetric(_Part):
    name: str
    value: float
    low: float | None = Field(default=None, description="Of the 95 % interval.")
    high: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    decide: str = Field(default="estimate", description="What has to hold the limit: the value, or the worse end.")


class CardGroup(_Part):
    name: str
    rows: int
    rates: dict[str, float | None]
    low: float | None = Field(default=None, description="Of the 95 % interval of its accuracy, or mean error.")
    high: float | None = None


class CardGroups(_Part):
    by: list[str] = Field(description="Columns.")
    positive: str | None = None
    groups: list[CardGroup]
    differences: dict[str, float]


class CardSlice(_Part):
    name: str
    rows: int
    value: float
    low: float | None = None
    high: float | None = None


class CardMeasure(_Part):
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str


class CardExample(_Part):
    """Why one row got its answer: Shapley values."""

    row: int = Field(description="Its number in the independent data.")
    of: str = Field(description="The class that it was told; empty for a number.")
    value: float
    background: float = Field(description="Mean of the rows that it is compared with.")
    features: list[CardMeasure] = Field(description="By how much each moved the value, the strongest first.")


class CardCheck(_Part):
    name: str
    passed: bool
    value: str
    limit: str


class ModelCard(_Part):
    """The whole of `model-card.json`."""

    api_version: Literal["hallmark.dev/v1alpha1"] = "hallmark.dev/v1alpha1"
    kind: Literal["ModelCard"] = "ModelCard"
    outcome: Literal["passed", "refused"] = Field(description="What verify-model said.")
    summary: str
    model: CardModel
    proposed_version: ProposedVersion
    described: Card = Field(description="What the maker says of it; nobody checked that.")
    training: CardTraining
    evaluation: CardEvaluation
    metrics: list[CardMetric] = Field(description="On the independent data.")
    groups: list[CardGroups] = Field(default=[], description="Compared by the validators.")
    weakest_slices: list[CardSlice] = Field(default=[], description="Weakest first.")
    importances: list[CardMeasure] = Field(default=[], description="Score lost when a feature is permuted.")
    examples: list[CardExample] = Field(default=[], description="Rows that the policy had explained.")
    performance: list[CardMeasure] = Field(default=[], description="On the machine that measured.")
    checks: list[CardCheck] = Field(description="Everything that verify-model looked at.")
    caveats: list[str] = Field(description="What these figures do not say.")


def make(run: Run) -> ModelCard | None:
    """The card; None where no model was judged, or the reports do not say what it was made of."""
    judged, trained = run.report_of("verify-model"), run.report_of("train")
    if judged is None or trained is None or judged.status == "error" or not mapping(trained.figures.get("training")):
        return None
    model = _model(run, judged, trained)
    metrics = [_measured(CardMetric, entry) for entry in objects(judged.figures.get("metrics"))]
    known = [metric for metric in metrics if metric is not None]
    if not known or not model.name or not model.digest:
        return None
    training = _training(run, mapping(trained.figures.get("training")))
    groups = _groups(judged.figures.get("fairness"))
    slices = mapping(judged.figures.get("slices"))
    weakest = [_measured(CardSlice, entry) for entry in objects(slices.get("weakest"))[:SHOWN_SLICES]]
    importances = mapping(judged.figures.get("importances"))
    return ModelCard(
        outcome="passed" if judged.status == "passed" else "refused",
        summary=judged.summary[:2000],
        model=model,
        proposed_version=_proposed(run, judged, model, training),
        described=_described(run),
        training=training,
        evaluation=CardEvaluation(
            digest=_digest(judged, "independent-data"),
            rows=_rows(run, "prepare-evaluation", "independent rows"),
            policy=_digest(judged, "policy"),
        ),
        metrics=known,
        groups=groups,
        weakest_slices=[entry for entry in weakest if entry is not None],
        importances=[
            CardMeasure(name=text(entry.get("feature")), value=value, low=number(entry.get("low")),
                        high=number(entry.get("high")), unit=text(importances.get("measure")))
            for entry in objects(importances.get("features")) if (value := number(entry.get("value"))) is not None
        ],
        examples=_examples(judged.figures.get("explanations")),
        performance=_performance(judged),
        checks=[
            CardCheck(name=check.name[:200], passed=check.passed, value=check.value[:400], limit=check.limit[:400])
            for check in judged.checks[:SHOWN_CHECKS]
        ],
        caveats=_caveats(judged, slices, importances, groups),
    )  # fmt: skip


def _examples(value: Any) -> list[CardExample]:
    found = mapping(value)
    examples = []
    for entry in objects(found.get("examples")):
        whole, background, row = number(entry.get("value")), number(entry.get("background")), entry.get("row")
        parts = [
            CardMeasure(name=text(part.get("feature")), value=moved, low=moved - 1.96 * error,
                        high=moved + 1.96 * error, unit=text(found.get("measure")))
            for part in objects(entry.get("features"))
            if (moved := number(part.get("value"))) is not None and (error := number(part.get("error"))) is not None
        ]  # fmt: skip
        if whole is not None and background is not None and isinstance(row, int) and parts:
            of = text(entry.get("of"))
            examples.append(CardExample(row=row, of=of, value=whole, background=background, features=parts))
    return examples


def _model(run: Run, judged: GateReport, trained: GateReport) -> CardModel:
    told = mapping(mapping(trained.figures.get("training")).get("model"))
    size = mapping(_measures(judged).get("size"))
    return CardModel(
        name=text(told.get("name")),
        version=text(told.get("version")),
        format=text(told.get("format")),
        task="regression" if "residuals" in judged.figures else "classification",
        digest=_digest(judged, "model") or _digest(trained, "model"),
        mebibytes=number(size.get("value"), 0),
        repository=run.facts.get("Repository", "")[:500],
        commit=run.facts.get("Commit", "")[:100],
        source=_digest(judged, "source") or _digest(trained, "source"),
        image=run.signed_image or None,
    )


def _training(run: Run, told: Mapping[str, Any]) -> CardTraining:
    data, source, environment = (mapping(told.get(name)) for name in ("data", "source", "environment"))
    features = data.get("features")
    names = [text(name) for name in features[:_MAXIMUM_FEATURES]] if isinstance(features, list) else []
    libraries = {"python": environment.get("python"), **mapping(environment.get("libraries"))}
    return CardTraining(
        digest=text(data.get("digest")),
        path=text(data.get("path"), 500),
        rows=_rows(run, "prepare-evaluation", "training rows compared with them"),
        columns=len(names) + 1,
        label=text(data.get("label")),
        features=names,
        script=text(source.get("script"), 500),
        seed=count(told.get("seed")),
        parameters=_texts(told.get("parameters")),
        dependencies=_texts(libraries),
    )


def _proposed(run: Run, judged: GateReport, model: CardModel, training: CardTraining) -> ProposedVersion:
    """By what fetch-champion found in production, if it looked."""
    report = run.report_of("fetch-champion")
    told = mapping(report.figures.get("production")) if report is not None and report.status == "passed" else {}
    other, features = mapping(told.get("model")), told.get("features")
    before = None
    if other and isinstance(features, list):
        before = Known(
            version=text(other.get("version")),
            digest=text(other.get("digest")),
            task=text(told.get("task")),
            features=tuple(text(name) for name in features[:_MAXIMUM_FEATURES]),
        )
    now = Known(version=model.version, digest=model.digest, task=model.task, features=tuple(training.features))
    gains = [number(entry.get("low")) for entry in objects(judged.figures.get("champion"))]
    found = propose(now, before, better=any(gain is not None and gain > 0 for gain in gains))
    return ProposedVersion(version=found.version, change=found.change, reason=found.reason, fits=found.fits)


def _described(run: Run) -> Card:
    report = run.report_of("fetch-source")
    try:
        return Card.model_validate(mapping(report.figures.get("card")) if report else {})
    except ValidationError:
        return Card()


def _groups(value: Any) -> list[CardGroups]:
    found = []
    for entry in objects(value)[:20]:
        columns = entry.get("columns")
        groups = [
            CardGroup(
                name=text(group.get("name")),
                rows=count(group.get("rows")) or 0,
                rates={text(name, 60): number(rate) for name, rate in mapping(group.get("rates")).items()},
                low=number(group.get("low")),
                high=number(group.get("high")),
            )
            for group in objects(entry.get("groups"))
        ]
        differences = {
            text(metric.get("name"), 80): value
            for metric in objects(entry.get("metrics")) if (value := number(metric.get("value"))) is not None
        }  # fmt: skip
        by = [text(column, 80) for column in columns[:10]] if isinstance(columns, list) else []
        positive = text(entry.get("positive"), 80) or None
        found.append(CardGroups(by=by, positive=positive, groups=groups, differences=differences))
    return found


def _measures(judged: GateReport) -> dict[str, Any]:
    models = mapping(mapping(judged.figures.get("performance")).get("models"))
    return mapping(mapping(models.get("candidate")).get("measures"))


def _performance(judged: GateReport) -> list[CardMeasure]:
    named = [{**mapping(measure), "name": name} for name, measure in _measures(judged).items()]
    return [measure for entry in named[:50] if (measure := _measured(CardMeasure, entry)) is not None]


def _measured(kind: type[M], entry: Mapping[str, Any]) -> M | None:
    """`entry` without what the card has no place for; None where it lacks something."""
    try:
        return kind.model_validate({name: entry[name] for name in kind.model_fields if name in entry})
    except ValidationError:
        return None


def _caveats(
    judged: GateReport, slices: Mapping[str, Any], importances: Mapping[str, Any], groups: list[CardGroups]
) -> list[str]:
    found = [
        "Figures are of the independent data of this policy. They say nothing of data that is unlike it.",
        "Intervals hold for other samples of the same kind of data; they know nothing of its own faults.",
    ]
    if judged.status != "passed":
        found.insert(0, "This model was refused. It is signed by nobody and must not be deployed.")
    if weak := count(slices.get("weak")):
        found.append(f"In {weak} slices of the data it is worse than elsewhere by more than chance.")
    if importances.get("warning") is True:
        names = [text(entry.get("feature"), 100) for entry in objects(importances.get("features"))[:1]]
        found.append(f"One feature carries the model: {''.join(names)}.")
    if importances:
        found.append("Features that say the same share their importance; a low one may still be told by another.")
    if not groups:
        found.append("No groups of people were compared.")
    if judged.figures.get("performance"):
        found.append("Times are those of the machine that measured; another has others.")
    return found


def _rows(run: Run, command: str, check: str) -> int | None:
    said = run.value_of(command, check)
    return int(said) if said.isascii() and said.isdigit() and len(said) < 16 else None


def _digest(report: GateReport, name: str) -> str:
    return report.digests.get(name, "")[:100]


def _texts(value: Any) -> dict[str, str]:
    return {str(name)[:100]: text(entry, 400) for name, entry in list(mapping(value).items())[:200]}
