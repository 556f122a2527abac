"""The baseline: findings of the code gate that the policy's owner accepts for a time, each with a reason."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from hallmark.documents.loading import Document
from hallmark.documents.rules_code import Reason


class Accepted(Document):
    tool: str = Field(min_length=1, description="The tool that found it, as in the report.")
    rule: str = Field(min_length=1, description="The tool's rule.")
    file: str = Field(min_length=1, description="Path in the repository.")
    fingerprint: str = Field(pattern=r"^[0-9a-f]{16}$", description="As in the report and in the SARIF file.")
    reason: Reason = Field(description="Why it is accepted.")
    expires: datetime.date = Field(description="The last day on which it is accepted (UTC).")


class Baseline(Document):
    """The whole file that `code.baseline` of the policy names."""

    api_version: Literal["hallmark.dev/v1alpha1"]
    kind: Literal["Baseline"]
    accepted: list[Accepted] = Field(description="Each stands for one finding.")
