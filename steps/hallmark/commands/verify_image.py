"""verify-image: whether an image carries a signature and a passing verdict that this policy accepts.

Runs before every deployment, with the policy and its public keys as they are now. It asks for a signature of a trusted
key on exactly this digest, and for an attestation by a trusted key whose verdict passed, is about this digest, was
judged by this policy or an earlier one that it trusts, has not expired, has every required gate, and reaches this
policy's limits.

Trusts: the policy folder; cosign for whether a signature fits a key. Not the registry, nor what a tag points to.
Refuses everything else: no signature, another key, another image's, a verdict of another policy, without a gate, that
has expired or is from the future.
What it does not understand, and a registry that does not answer, is an error and never a pass.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.documents.policy import Policy, load_policy
from hallmark.errors import BadInputError
from hallmark.gate_report import Check, decide
from hallmark.image_reference import Image, parse_image
from hallmark.registry_auth import docker_config
from hallmark.release import public_keys, verdict_checks
from hallmark.signatures import attested, signature_check, statement_checks
from hallmark.tools import skopeo
from hallmark.tools.cosign import Cosign, Statement, cosign
from hallmark.verdict import read_verdict, this_second

EXAMPLE = (
    "hallmark verify-image --image=registry.example.com/releases/iris@sha256:... --policy=policy "
    "--policy-digest=sha256:..."
)


@dataclass(frozen=True, kw_only=True)
class Params:
    image: str = param("The image by digest, `repository@sha256:...`; a tag is refused")
    policy_digest: str = param("Digest of the policy that the verdict must rest on")
    commit: str | None = param("Source commit that the verdict must be about; empty: any", default=None)
    model_digest: str | None = param("Model digest that the verdict must be about; empty: any", default=None)
    tls_verify: bool = param('"false" only for a registry on plain HTTP, on one machine', default=True)
    policy: Path = path("The validators' folder with policy.yaml and the public keys")
    credential: Path | None = path("Folder with docker's config.json, good to read the image", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    verified: str | None = result('"true"; not written where the image was refused')


def run(params: Params, context: Context) -> Outcome:
    """Check signature, attestation and verdict.

    Raises:
        BadInputError: no digest, no policy, or not the policy that was pinned.
        ToolFailedError: the registry does not answer, or cosign's output is not understood.
    """
    image = parse_image(params.image)
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    keys = public_keys(policy, params.policy)
    with docker_config(params.credential) as authfile:
        registry = skopeo.Registry(authfile=authfile, tls_verify=params.tls_verify)
        skopeo.require(image, registry)
        tool = cosign(authfile, tls_verify=params.tls_verify)
        checks = [signature_check(tool, image, keys), *_attestation(tool, image, keys, policy, params)]
        if not all(check.passed for check in checks):
            # cosign has one exit code for "nothing fits" and "no connection"; only the first may become a refusal.
            skopeo.require(image, registry)
    report = decide(
        "verify-image",
        checks,
        passed=f"{image} is signed, and its verdict passed under this policy",
        refused=f"{image} must not be deployed: {_first(checks)}",
        solution="deliver the commit again under the current policy, and let the pipeline sign it; never sign by hand",
        digests={"image": image.digest, "policy": params.policy_digest},
    )
    return Outcome(report=report, results=Results(verified="true" if report.exit_code == 0 else None))


def _attestation(tool: Cosign, image: Image, keys: dict[str, Path], policy: Policy, params: Params) -> list[Check]:
    """The checks on the first attestation that passes them all, or else on the last one."""
    statements, none = attested(tool, image, keys)
    checks = [none]
    for statement in statements:
        checks = _statement(statement, image, policy, params)
        if all(check.passed for check in checks):
            break
    return checks


def _statement(statement: Statement, image: Image, policy: Policy, params: Params) -> list[Check]:
    checks = statement_checks(statement, image)
    try:
        verdict = read_verdict(json.dumps(statement.predicate), name="the attestation's predicate")
    except BadInputError as error:
        return [*checks, Check(name="verdict", passed=False, value=error.message, limit="as verify-model writes it")]
    return checks + verdict_checks(
        verdict,
        policy=policy,
        policy_digest=params.policy_digest,
        image_digest=image.digest,
        commit=params.commit,
        model_digest=params.model_digest,
        now=this_second(),
        trusted=policy.signing.trusted_policies,
    )


def _first(checks: list[Check]) -> str:
    """The first check that failed, as text."""
    return next((f"{check.name}: {check.value}" for check in checks if not check.passed), "")
