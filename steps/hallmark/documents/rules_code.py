"""`code` of the policy: what the gates of the repository's code ask for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hallmark.documents.loading import Document

Level = Literal["low", "medium", "high"]


class Ruff(Document):
    select: list[str] = Field(default_factory=lambda: ["E9", "F"], min_length=1, description="Ruff's rule selectors.")


class Bandit(Document):
    severity: Level = Field(default="medium", description="Findings from this severity on are refused.")
    confidence: Level = Field(default="medium", description="Findings from this confidence on are refused.")
    skip: list[Annotated[str, Field(pattern=r"^B\d{3}$")]] = Field(default=[], description="Bandit's tests left out.")


class Code(Document):
    ruff: Ruff = Ruff()
    bandit: Bandit = Bandit()
    allow_suppressions: bool = Field(default=False, description="Whether `# noqa` and `# nosec` in the source count.")
    minimum_coverage: float = Field(default=0, ge=0, le=100, description="Percent of lines the repository's tests run.")
