"""The verdict: what the judge found about one image, bound to the digest of everything it rests on.

It is written by `verify-model`, signed as the predicate of an in-toto statement by `sign-image`, and checked against
the policy by `verify-image`. It holds no time and no name of a run, so that the same delivery gives the same findings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from hallmark.documents.loading import Document
from hallmark.documents.rules_data import Digest
from hallmark.errors import BadInputError
from hallmark.files import write_text

FILE_NAME = "verdict.json"
PREDICATE_TYPE = "https://hallmark.dev/attestation/verdict/v1alpha1"


class VerdictModel(Document):
    name: str
    version: str
    digest: Digest = Field(description="Of the model file.")


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
    digest: Digest


class Metric(Document):
    value: float
    minimum: float | None = Field(default=None, description="Lowest value that passes; null: there is no such limit.")
    maximum: float | None = Field(default=None, description="Highest value that passes; null: there is no such limit.")
    low: float = Field(description="Lower bound of the 95 % interval (Wilson score; bootstrap for a regression).")
    high: float = Field(description="Upper bound of the 95 % interval (Wilson score; bootstrap for a regression).")

    @property
    def held(self) -> bool:
        """Whether the value is within its own limits; never where it has none."""
        limited = self.minimum is not None or self.maximum is not None
        return (
            limited
            and (self.minimum is None or self.value >= self.minimum)
            and (self.maximum is None or self.value <= self.maximum)
        )


class GateEvidence(Document):
    passed: bool
    report: Digest = Field(description="Of the gate's JSON report.")


class VerdictCheck(Document):
    name: str
    passed: bool
    value: str
    limit: str


class Verdict(Document):
    """The whole of `verdict.json`, and of the signed predicate."""

    api_version: Literal["hallmark.dev/v1alpha1"] = "hallmark.dev/v1alpha1"
    kind: Literal["Verdict"] = "Verdict"
    passed: bool
    model: VerdictModel
    source: VerdictSource
    policy: Digest = Field(description="Of the validators' folder.")
    data: VerdictData
    image: VerdictImage
    metrics: dict[str, Metric]
    gates: dict[str, GateEvidence]
    checks: list[VerdictCheck]

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
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise BadInputError(
            f"{name} is not a verdict: {where}: {first['msg']}", solution="let verify-model write it; never by hand"
        ) from error
