"""`policy.yaml`: the validators' rules. They own it; the model's repository never holds it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, model_validator

from hallmark.documents.inheritance import load_levels, merge
from hallmark.documents.loading import Document, validate
from hallmark.documents.rules_code import Code
from hallmark.documents.rules_data import Data
from hallmark.documents.rules_image import ImageRules
from hallmark.documents.rules_model import ModelRules
from hallmark.documents.rules_scan import Scan
from hallmark.documents.rules_signing import Signing
from hallmark.documents.tighter import FewerOfAll, Fixed, Free, Lower, More
from hallmark.files import require_digest, sha256_mounted

FILE_NAME = "policy.yaml"

Gate = Literal["check-code", "test-code", "validate-data", "predict-model", "test-image", "scan-image"]


class Metadata(Document):
    name: Fixed[str] = Field(
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$", description="The model that this policy is for."
    )


class Lfs(Document):
    """Where Git LFS objects of the model's repository come from. Its own `.lfsconfig` does not count."""

    server: Fixed[str | None] = Field(
        default=None,
        pattern=r"^https?://[^\s/@]+/\S*$",
        description="URL of the LFS server, where it is not the repository's own; the git credential is sent to it if "
        "its `policies` list this policy.",
    )
    maximum_bytes: Lower[int] = Field(default=16 << 30, ge=1, description="Of all objects of a commit together.")
    timeout: Lower[int] = Field(default=3600, gt=0, description="Seconds that fetching may take.")


class Source(Document):
    repositories: FewerOfAll[list[str]] = Field(
        default_factory=list,
        description="URLs, as they are fetched, that the model may come from; empty: whatever a run is started with.",
    )
    lfs: Lfs = Lfs()


class Policy(Document):
    """The whole of `policy.yaml`."""

    api_version: Fixed[Literal["hallmark.dev/v1alpha1"]]
    kind: Fixed[Literal["Policy"]]
    extends: Free[str | None] = Field(
        default=None,
        description="The policy of the level above (the team's, the organisation's), by its path from this file and "
        "inside the policy's folder; this one may only tighten what that one names.",
    )
    metadata: Metadata
    required_gates: More[list[Gate]] = Field(
        default=["check-code", "test-code", "validate-data", "predict-model", "test-image", "scan-image"],
        min_length=1,
        description="Gates without whose passing report there is no verdict.",
    )
    source: Source = Source()
    code: Code = Code()
    data: Data
    model: ModelRules
    image: ImageRules = ImageRules()
    scan: Scan = Scan()
    signing: Signing = Signing()

    @model_validator(mode="after")
    def _layers_are_read(self) -> Self:
        if self.image.bases and "scan-image" not in self.required_gates:
            raise ValueError(
                "image.bases needs scan-image in requiredGates: only it reads whether the layers are there"
            )
        if self.image.bases and "provenance" not in self.signing.attestations:
            raise ValueError(
                "image.bases needs provenance in signing.attestations: verify-image reads there what the base was"
            )
        return self


def policy_digest(folder: Path) -> str:
    """The digest of the policy's whole folder: the rules and the suites beside them."""
    return sha256_mounted(folder)


def policy_nodes(folder: Path) -> yaml.MappingNode:
    """The policy with all levels that it extends, as YAML nodes that know the file and line they come from.

    Raises:
        BadInputError: no policy, one that it extends is missing, or a level loosens what a higher one asks for.
    """
    what = "the validators' policy (policy.yaml in the policy workspace)"
    return merge(load_levels(folder, FILE_NAME, Policy, what=what), Policy)


def load_policy(folder: Path, *, expected_digest: str | None = None) -> Policy:
    """The policy in the validators' folder.

    Args:
        expected_digest: what the run's first task pinned; None only for that task itself.

    Raises:
        BadInputError: no policy, a mistake in it, or not the folder that was pinned.
    """
    policy = validate(policy_nodes(folder), Policy)
    if expected_digest is not None:
        require_digest("the policy", policy_digest(folder), expected_digest)
    return policy
