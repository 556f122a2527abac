"""What a command is: the shape that every module of `hallmark.commands` has, and the registry of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hallmark.gate_report import GateReport


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a command gets beside its params."""

    report_dir: Path
    """The folder that only this task writes; the command may put further evidence there (SARIF, coverage)."""
    say: Callable[[str], None]
    """Tells the person who watches what is going on; for everything that takes over two seconds."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A command's report, and its results (an instance of its `Results`)."""

    report: GateReport
    results: Any = None


class Command(Protocol):
    """A module of `hallmark.commands`."""

    Params: type
    Results: type
    EXAMPLE: str

    def run(self, params: Any, context: Context) -> Outcome: ...


COMMANDS: dict[str, str] = {
    "fetch-source": "check out a commit of the model's repository, and pin the policy",
    "fetch-data": "fetch the policy's independent data from S3, HTTP or PostgreSQL",
    "fetch-champion": "take the model in production out of its signed image, to compare with",
    "check-code": "ruff, bandit, gitleaks and known advisories by the policy's rules; SARIF",
    "test-code": "the repository's own tests with coverage; JUnit",
    "validate-data": "great-expectations suites against the training and the independent data",
    "profile": "propose an expectation suite and a reference profile for drift from training data",
    "prepare-evaluation": "split the independent data into features and labels; hash the training rows",
    "train": "run the repository's training script with its parameters and seed",
    "sign-model": "sign the model's folder, before anybody has judged it",
    "predict-model": "load the model safely and predict on the independent features",
    "build-image": "make the image, with the model in it or beside it, and push it to the candidates",
    "test-image": "call the running container and compare its answers with the model's",
    "scan-image": "the image's bill of materials, known vulnerabilities, secrets and setuid files",
    "verify-model": "judge the predictions on labels that the model's maker never had; the verdict",
    "sign-image": "copy the image to the releases, sign it and attest the verdict",
    "verify-image": "check signature and verdict against the policy; fails closed",
    "update-manifest": "commit the image's digest to the configuration repository",
    "report": "one HTML page, JSON and JUnit about the whole run",
    "explain": "in plain words why a model was refused, and what would have to change",
    "policy-check": "what a policy asks, where each value comes from, and its mistakes",
    "policy-admission": "what the policy admits, for cosign, OpenShift, policy-controller and Kyverno",
    "keys-generate": "make the key pair that signs releases, or models",
    "keys-public": "print the public part of a signing key",
    "keys-store": "put a signing key into the cluster, as a Secret",
    "keys-rotate": "a new key pair, and the policy's edition that takes both keys",
    "keys-resign": "sign live images with the new key",
    "keys-retire": "the policy's edition without the old key, once nothing live needs it",
}
"""Every command and its one line of help. The module is `hallmark.commands.<name with underscores>`, imported only
when it is called: a command must not pay for the imports of another."""


def load(name: str) -> Command:
    """The module of a registered command."""
    module: Any = importlib.import_module(f"hallmark.commands.{name.replace('-', '_')}")
    return module  # type: ignore[no-any-return]
