"""The verdict: what the judge found about one image, bound to the digest of everything it rests on.

It is written by `verify-model`, signed as the predicate of an in-toto statement by `sign-image`, and checked against
the policy by `verify-image`. It holds no name of a run, and one time, `judgedAt`, which no comparison of two verdicts
looks at: the same delivery gives the same findings.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError, WithJsonSchema

from hallmark.documents.loading import Document
from hallmark.documents.mistakes import first_of
from hallmark.documents.rules_image import Platform
from hallmark.documents.rules_inputs import Digest
from hallmark.documents.rules_model import Place
from hallmark.errors import BadInputError
from hallmark.files import write_text

FILE_NAME = "verdict.json"
PREDICATE_TYPE = "https://hallmark.dev/attestation/verdict/v1alpha1"

CLOCK_SKEW = timedelta(minutes=5)
"""By how much the judge's clock may be ahead of the one that a verdict is checked by."""
SHOWN_CHECKS, SHOWN_CHARACTERS = 20, 200
"""How much of a gate's report a verdict repeats; the report's digest stands for the rest."""


_UTC_SECONDS = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"


def _utc_seconds(time: object) -> object:
    if isinstance(time, datetime):
        return time
    if not isinstance(time, str) or not re.fullmatch(_UTC_SECONDS, time):
        raise ValueError("must be in UTC and whole seconds, like 2026-01-31T12:00:00Z")
    return datetime.fromisoformat(time)


UtcTime = Annotated[
    AwareDatetime,
    BeforeValidator(_utc_seconds),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_UTC_SECONDS}$"}),
]
"""RFC 3339 in UTC and whole seconds, so that times may be compared as text too."""


def this_second() -> datetime:
    """The time now as a verdict holds it."""
    return datetime.now(UTC).replace(microsecond=0)


class VerdictModel(Document):
    name: str
    version: str
    digest: Digest = Field(description="Of the model file.")
    format: str | None = Field(default=None, description="As hallmark.yaml calls it, such as skops.")
    task: Literal["classification", "regression"] | None = Field(default=None, description="What the model does.")
    features: list[str] | None = Field(
        default=None,
        description="The columns that it is given, in their order; with `format` and `task` what is needed to ask it "
        "again once it is in production.",
    )


class VerdictSource(Document):
    repository: str = Field(description="URL without credentials.")
    commit: str = Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")
    commit_time: int = Field(ge=0, description="Committer's date, seconds since 1970.")
    digest: Digest = Field(description="Of the checked out tree.")


class VerdictData(Document):
    training: Digest
    independent: Digest
    rows: int = Field(ge=0, description="Independent rows that were judged.")
    overlap: float = Field(ge=0, le=1, description="Share of them whose features the training data holds too.")


class VerdictImage(Document):
    repository: str = Field(description="Where the candidate was pushed.")
    digest: Digest = Field(description="Of the image, or of the list of images.")
    platforms: dict[Platform, Digest] = Field(
        default={}, description="Of a list: the digest of each image in it, by platform; empty of a single image."
    )
    tested: Platform | None = Field(default=None, description="The machine on which its container was called.")

    def means(self, digest: str) -> bool:
        """Whether the verdict is about the image with this digest: by itself, or as one of a list."""
        return digest == self.digest or digest in self.platforms.values()


class Metric(Document):
    value: float
    minimum: float | None = Field(default=None, description="Lowest value that passes; null: there is no such limit.")
    maximum: float | None = Field(default=None, description="Highest value that passes; null: there is no such limit.")
    low: float = Field(
        description="Lower bound of the 95 % interval: Wilson's of the accuracy, bootstrap of the others."
    )
    high: float = Field(description="Upper bound of the 95 % interval.")
    decide: Literal["bound", "estimate"] = Field(
        default="estimate", description="What has to hold the limits: the value, or the worse end of the interval."
    )

    @property
    def held(self) -> bool:
        """Whether the value, or the interval's worse end, is within its own limits; never where it has none."""
        limited = self.minimum is not None or self.maximum is not None
        worst, largest = (self.low, self.high) if self.decide == "bound" else (self.value, self.value)
        return (
            limited
            and (self.minimum is None or worst >= self.minimum)
            and (self.maximum is None or largest <= self.maximum)
        )


class VerdictCheck(Document):
    name: str
    passed: bool
    value: str
    limit: str


class VerdictChampion(Document):
    """The comparison with the model in production. Without `image` nothing was in production; where its model is the
    verdict's own, nothing was asked of the candidate."""

    production: Place | None = Field(default=None, description="Where it was looked for what is in production.")
    image: str | None = Field(default=None, description="By digest.")
    model: Digest | None = Field(default=None, description="Of the model file in it.")
    metric: str
    rule: Literal["ratio", "non-inferiority"]
    candidate: float | None = None
    champion: float | None = None
    difference: float | None = Field(default=None, description="Above 0 where the candidate is better.")
    low: float | None = Field(default=None, description="Lower bound of the difference's 95 % interval.")
    high: float | None = Field(default=None, description="Upper bound of it.")
    p: float | None = Field(default=None, ge=0, le=1, description="Of the one-sided paired test.")
    test: str | None = None
    ratio: float | None = Field(default=None, description="What the rule asked; null: it asks for none.")
    margin: float | None = Field(default=None, description="The same, in the metric's own unit.")
    passed: bool


class GateEvidence(Document):
    passed: bool
    report: Digest = Field(description="Of the gate's JSON report.")
    summary: str = Field(default="", max_length=SHOWN_CHARACTERS, description="What the gate said in one sentence.")
    checks: list[VerdictCheck] = Field(
        default=[], max_length=SHOWN_CHECKS, description="What it looked at and found; the first, where they are many."
    )
    tools: dict[str, str] = Field(default={}, description="Versions of what it worked with, as its report tells them.")


class Verdict(Document):
    """The whole of `verdict.json`, and of the signed predicate."""

    api_version: Literal["hallmark.dev/v1alpha1"] = "hallmark.dev/v1alpha1"
    kind: Literal["Verdict"] = "Verdict"
    passed: bool
    judged_at: UtcTime = Field(alias="judgedAt", description="When, by the judge's clock (RFC 3339, UTC, seconds).")
    model: VerdictModel
    source: VerdictSource
    policy: Digest = Field(description="Of the validators' folder.")
    data: VerdictData
    image: VerdictImage
    metrics: dict[str, Metric]
    champion: VerdictChampion | None = Field(default=None, description="Where the policy has it compared.")
    gates: dict[str, GateEvidence]
    checks: list[VerdictCheck] = Field(min_length=1, description="Everything that the judge looked at.")
    tools: dict[str, str] = Field(default={}, description="Versions of what the judge worked with.")

    def write(self, folder: Path) -> Path:
        """Write the verdict to its file in `folder`; the same verdict gives the same bytes."""
        target = folder / FILE_NAME
        write_text(target, self.model_dump_json(by_alias=True, indent=2) + "\n")
        return target

    def judges_the_same(self, other: Verdict) -> bool:
        """Whether both bind the same inputs and the same outcome; evidence that holds measured times may differ."""
        return self._bound() == other._bound()

    def _bound(self) -> tuple[object, ...]:
        return (self.passed, self.model, self.source, self.policy, self.data, self.image.digest, sorted(self.gates))


def read_verdict(text: str, *, name: str = FILE_NAME) -> Verdict:
    """The verdict in a JSON text. Raises BadInputError where it is not one."""
    try:
        return Verdict.model_validate_json(text)
    except ValidationError as error:
        raise BadInputError(
            f"{name} is not a verdict: {first_of(error)}", solution="let verify-model write it; never by hand"
        ) from error
