"""`code` of the policy: what the gates of the code ask for. Each tool is switched on and off here and nowhere else."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hallmark.documents.loading import Document
from hallmark.documents.paths import RepositoryPath
from hallmark.documents.rules_inputs import Digest
from hallmark.documents.tighter import Earlier, Fewer, FewerOfAll, Fixed, Higher, Lower, More, StaysOff, StaysOn

Level = Literal["low", "medium", "high"]
Severity = Literal["low", "medium", "high", "critical"]

Reason = Annotated[str, Field(min_length=10, max_length=500)]
"""Why an exception was made; what is shorter than ten characters tells nobody anything."""


class Ruff(Document):
    enabled: StaysOn[bool] = Field(default=True, description="Whether ruff looks for bugs.")
    select: More[list[str]] = Field(
        default_factory=lambda: ["E9", "F"], min_length=1, description="Ruff's rule selectors."
    )


class Bandit(Document):
    enabled: StaysOn[bool] = Field(default=True, description="Whether bandit looks for insecure code.")
    severity: Earlier[Level] = Field(default="medium", description="Findings from this severity on are refused.")
    confidence: Earlier[Level] = Field(default="medium", description="Findings from this confidence on are refused.")
    skip: Fewer[list[Annotated[str, Field(pattern=r"^B\d{3}$")]]] = Field(
        default=[], description="Bandit's tests left out."
    )


class Secrets(Document):
    enabled: StaysOn[bool] = Field(default=True, description="Whether gitleaks looks for secrets in every file.")
    history: StaysOn[bool] = Field(
        default=True, description="Whether it looks in all commits that led to this one as well."
    )


class Lock(Document):
    enabled: StaysOn[bool] = Field(
        default=False, description="Whether the repository must pin its dependencies, each by version and hash."
    )
    files: Fixed[list[RepositoryPath]] = Field(
        default=[],
        description="The lock files; left out: every uv.lock, poetry.lock, pdm.lock, pylock.toml, Pipfile.lock, "
        "requirements*.txt and requirements*.lock.",
    )
    hashes: StaysOn[bool] = Field(default=True, description="Whether each dependency needs a hash beside its version.")


class Ignored(Document):
    id: str = Field(min_length=1, description="The advisory, by its id or an alias (GHSA-..., PYSEC-..., CVE-...).")
    package: str = Field(default="", description="Only for this package; left out: for each.")
    reason: Reason = Field(description="Why it does not matter here.")
    expires: datetime.date = Field(description="The last day on which it is ignored (UTC).")


class Vulnerabilities(Document):
    enabled: StaysOn[bool] = Field(
        default=False, description="Whether locked dependencies are looked up in an advisory database."
    )
    advisories: Fixed[RepositoryPath | None] = Field(
        default=None,
        description="OSV's database of the ecosystem PyPI, a folder or zip of JSON files, below the policy's folder; "
        "left out: the workspace `advisories`.",
    )
    maximum_age_days: Lower[int] = Field(default=7, ge=0, description="An older database is refused.")
    databases: FewerOfAll[list[Digest]] = Field(
        default=[],
        description="SHA-256 of the database's files, as `sha256sum` tells it: any other is refused, also in a folder "
        "that the run brings along; left out: any that is not too old.",
    )
    severity: Earlier[Severity] = Field(
        default="low", description="Advisories from this severity on are refused; those without one always are."
    )
    ignore: Fewer[list[Ignored]] = Field(default=[], description="Advisories that do not count.")


class Licences(Document):
    enabled: StaysOn[bool] = Field(
        default=False, description="Whether the licences of locked dependencies are looked at."
    )
    allowed: FewerOfAll[list[str]] = Field(
        default=[], description="SPDX identifiers that a dependency may have; left out: all that are not denied."
    )
    denied: More[list[str]] = Field(default=[], description="SPDX identifiers that no dependency may have.")
    known: Fixed[dict[str, str]] = Field(
        default_factory=dict,
        description="SPDX expressions of packages that do not tell their licence, or whose metadata is not at hand.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Licences:
        if self.enabled and not (self.allowed or self.denied):
            raise ValueError("allowed or denied must name a licence, or nothing would be checked")
        return self


class Code(Document):
    ruff: Ruff = Ruff()
    bandit: Bandit = Bandit()
    secrets: Secrets = Secrets()
    lock: Lock = Lock()
    vulnerabilities: Vulnerabilities = Vulnerabilities()
    licences: Licences = Licences()
    baseline: Fixed[RepositoryPath | None] = Field(
        default=None, description="Accepted findings: a file below the policy's folder (baseline.schema.json)."
    )
    allow_suppressions: StaysOff[bool] = Field(
        default=False, description="Whether `# noqa`, `# nosec` and `gitleaks:allow` in the source count."
    )
    minimum_coverage: Higher[float] = Field(
        default=0, ge=0, le=100, description="Percent of lines the repository's tests run."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Code:
        if not (self.ruff.enabled or self.bandit.enabled):
            raise ValueError("ruff and bandit are both switched off, so nobody would read the code")
        if (self.vulnerabilities.enabled or self.licences.enabled) and not self.lock.enabled:
            raise ValueError("vulnerabilities and licences are those of locked dependencies: lock.enabled must be true")
        return self
