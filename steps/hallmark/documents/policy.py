"""`policy.yaml`: the validators' rules. They own it; the model's repository never holds it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from hallmark.documents.loading import Document, load
from hallmark.documents.model import RepositoryPath
from hallmark.documents.rules_code import Code
from hallmark.documents.rules_data import Data
from hallmark.files import require_digest, sha256_mounted

FILE_NAME = "policy.yaml"

ModelFormat = Literal["skops", "pickle", "joblib"]
Gate = Literal["check-code", "test-code", "validate-data", "predict-model", "test-image"]


class Metadata(Document):
    name: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$", description="The model that this policy is for."
    )


class Accuracy(Document):
    minimum: float = Field(ge=0, le=1, description="Lowest accuracy on the independent data that passes.")


class ModelRules(Document):
    formats: list[ModelFormat] = Field(
        default=["skops"],
        min_length=1,
        description="pickle and joblib are loaded through an exact allow-list only.",
    )
    trusted_types: list[str] = Field(
        default_factory=list, description="Types beyond scikit-learn's that a model file may hold, by full name."
    )
    accuracy: Accuracy
    minimum_rows: int = Field(default=30, ge=1, description="Fewest independent rows that a verdict may rest on.")
    timeout: int = Field(default=600, gt=0, description="Seconds that loading and predicting may take.")


class ImageRules(Document):
    ready_within: float = Field(default=60, gt=0, description="Seconds until the container must be ready.")
    rows: int = Field(default=100, ge=1, description="Independent rows that are sent to the container.")
    maximum_mismatches: int = Field(default=0, ge=0, description="Answers that may differ from the model's own.")


class Signing(Document):
    public_keys: list[RepositoryPath] = Field(
        default=["cosign.pub"],
        min_length=1,
        description="Keys that may have signed a release, beside this policy (PEM).",
    )


class Policy(Document):
    """The whole of `policy.yaml`."""

    api_version: Literal["hallmark.dev/v1alpha1"]
    kind: Literal["Policy"]
    metadata: Metadata
    required_gates: list[Gate] = Field(
        default=["check-code", "test-code", "validate-data", "predict-model", "test-image"],
        min_length=1,
        description="Gates without whose passing report there is no verdict.",
    )
    code: Code = Code()
    data: Data
    model: ModelRules
    image: ImageRules = ImageRules()
    signing: Signing = Signing()


def policy_digest(folder: Path) -> str:
    """The digest of the policy's whole folder: the rules and the suites beside them."""
    return sha256_mounted(folder)


def load_policy(folder: Path, *, expected_digest: str | None = None) -> Policy:
    """The policy in the validators' folder.

    Args:
        expected_digest: what the run's first task pinned; None only for that task itself.

    Raises:
        BadInputError: no policy, a mistake in it, or not the folder that was pinned.
    """
    policy = load(folder / FILE_NAME, Policy, what="the validators' policy (policy.yaml in the policy workspace)")
    if expected_digest is not None:
        require_digest("the policy", policy_digest(folder), expected_digest)
    return policy
