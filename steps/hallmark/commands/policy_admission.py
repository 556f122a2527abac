"""policy-admission: writes what the policy asks of a verdict as `verdict.rego` and `verdict.cue`.

For whoever admits images without Hallmark: `cosign verify-attestation --key=cosign.pub --type=<predicate type>
--policy=verdict.rego IMAGE`, and admission controllers that take Rego or CUE for attestations. cosign checks signature
and subject, these files what the verdict says. They hold for this edition of the policy, and for the earlier ones that
it trusts; make them anew with every edition.

Refuses (bad input) a policy with a mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hallmark.admission import cue, rego
from hallmark.command import Context, Outcome
from hallmark.contract import path
from hallmark.documents.policy import load_policy, policy_digest
from hallmark.files import sha256_bytes, write_text
from hallmark.gate_report import Check, decide
from hallmark.verdict import PREDICATE_TYPE, this_second

EXAMPLE = "hallmark policy-admission --policy=policy --output=admission"


@dataclass(frozen=True, kw_only=True)
class Params:
    policy: Path = path("The validators' folder with policy.yaml")
    output: Path = path("Folder for verdict.rego and verdict.cue")


@dataclass(frozen=True, kw_only=True)
class Results:
    """None: it writes two files and decides nothing."""


def run(params: Params, context: Context) -> Outcome:
    """Write both files. Raises BadInputError as `load_policy` does."""
    digest = policy_digest(params.policy)
    policy = load_policy(params.policy, expected_digest=digest)
    texts = {"verdict.rego": rego(policy, digest), "verdict.cue": cue(policy, digest, this_second())}
    for name, text in texts.items():
        write_text(params.output / name, text)
    report = decide(
        "policy-admission",
        [Check(name=name, passed=True, value=str(params.output / name)) for name in texts],
        passed=f"the policy is written for cosign; the predicate type is {PREDICATE_TYPE}",
        refused="",
        solution="",
        digests={"policy": digest, **{name: sha256_bytes(text.encode()) for name, text in texts.items()}},
    )
    return Outcome(report=report)
