"""verify-image: whether an image carries a signature and a passing verdict that this policy accepts.

Runs before every deployment, with the policy and its public keys as they are now. It asks for a signature of a trusted
key on exactly this digest, and for an attestation by a trusted key whose verdict passed, is about this digest, was
judged by this policy or an earlier one that it trusts, has not expired, has every required gate, and reaches this
policy's limits. What else the policy wants attested (provenance, tests, SBOM, vulnerabilities) has to be about the same
digest, and to say what that verdict says. Of a list of images every one is asked for all of it.

Trusts: the policy folder; cosign for whether a signature fits a key. Not the registry, nor what a tag points to.
Refuses everything else: no signature, another key, another image's or another repository's, any other statement in the
place of the signature, a verdict of another policy, without a gate, that has expired or is from the future.
What it does not understand, and a registry that does not answer, is an error and never a pass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.documents.policy import load_policy
from hallmark.gate_report import Check, decide
from hallmark.image_reference import Image, image, parse_image
from hallmark.registry_auth import docker_config
from hallmark.release import cosign_for
from hallmark.signatures import signature_checks, signers
from hallmark.tools import skopeo
from hallmark.tools.cosign import Cosign, Signer
from hallmark.verification import Asked, first_failed, image_checks

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
    whole = parse_image(params.image)
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    known = signers(policy, params.policy)
    asked = Asked(
        policy=policy, policy_digest=params.policy_digest, commit=params.commit, model_digest=params.model_digest
    )
    with docker_config(params.credential) as authfile, ThreadPoolExecutor(max_workers=1) as pool:
        program = pool.submit(cosign_for, policy, params.policy, authfile, tls_verify=params.tls_verify)
        registry = skopeo.Registry(authfile=authfile, tls_verify=params.tls_verify)
        platforms = skopeo.platforms(whole, registry)
        tool = program.result()
        checks = (
            image_checks(tool, whole, known, asked) if not platforms else _each(tool, whole, platforms, known, asked)
        )
        failed = first_failed(checks, whole, registry)
    report = decide(
        "verify-image",
        checks,
        passed=f"{whole} is signed, and its verdict passed under this policy",
        refused=f"{whole} must not be deployed: {failed.name}: {failed.value}" if failed else "",
        solution="deliver the commit again under the current policy, and let the pipeline sign it; never sign by hand",
        digests={"image": whole.digest, "policy": params.policy_digest},
    )
    return Outcome(report=report, results=Results(verified="true" if report.exit_code == 0 else None))


def _each(
    tool: Cosign, whole: Image, platforms: Mapping[str, str], known: Mapping[str, Signer], asked: Asked
) -> list[Check]:
    """The checks on a list of images: it is signed, and every image in it is as if it were deployed alone."""
    checks = signature_checks(tool, whole, known, asked.policy)
    for name, digest in platforms.items():
        found = image_checks(tool, image(whole.repository, digest), known, asked)
        checks += [dataclasses.replace(check, name=f"{name}: {check.name}") for check in found]
    return checks
