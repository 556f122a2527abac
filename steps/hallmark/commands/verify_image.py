"""verify-image: whether an image carries a signature and a passing verdict that this policy accepts.

Runs before every deployment, with the policy and its public keys as they are now. It asks for a signature of a trusted
key on exactly this digest, and for an attestation by a trusted key whose verdict passed, is about this digest, was
judged by this policy or an earlier one that it trusts, has not expired, has every required gate, and reaches this
policy's limits. What else the policy wants attested (provenance, tests, SBOM, vulnerabilities) has to be about the same
digest, and to say what that verdict says. Of a list of images it asks all of that of the list, and of every
image in it.

Trusts: the policy folder; cosign for whether a signature fits a key. Not the registry, nor what a tag points to.
Refuses everything else: no signature, another key, another image's or another repository's, any other statement in the
place of the signature, a verdict of another policy, without a gate, that has expired or is from the future.
What it does not understand, and a registry that does not answer, is an error and never a pass.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.errors import BadInputError
from hallmark.files import DIGEST
from hallmark.gate_report import decide
from hallmark.image_parts import parts_of
from hallmark.image_reference import parse_image
from hallmark.registry_auth import docker_config
from hallmark.tools import skopeo
from hallmark.tools.cosign import installed_version
from hallmark.tools.git import COMMIT

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
        BadInputError: no digest or commit, no policy, or not the policy that was pinned.
        ToolFailedError: the registry does not answer, or cosign's output is not understood.
    """
    whole = parse_image(params.image)
    for flag, given in (("model-digest", params.model_digest), ("policy-digest", params.policy_digest)):
        if given and not DIGEST.fullmatch(given):
            raise BadInputError(
                f"--{flag}={given[:100]} is no digest", solution="give sha256: and 64 hexadecimal digits"
            )
    if params.commit and not COMMIT.fullmatch(params.commit):
        raise BadInputError(f"--commit={params.commit[:100]} is no commit", solution="give its full SHA")
    with docker_config(params.credential) as authfile, ThreadPoolExecutor(max_workers=2) as pool:
        registry = skopeo.Registry(authfile=authfile, tls_verify=params.tls_verify)
        version = pool.submit(installed_version)
        parts = pool.submit(parts_of, whole, registry)
        # Both are answered while these are imported.
        from hallmark.documents.policy import load_policy
        from hallmark.release import cosign_for
        from hallmark.signatures import signers
        from hallmark.verification import Asked, first_failed, release_checks

        policy = load_policy(params.policy, expected_digest=params.policy_digest)
        known = signers(policy, params.policy)
        tool = cosign_for(policy, params.policy, authfile, tls_verify=params.tls_verify, version=version.result())
        asked = Asked(
            policy=policy, policy_digest=params.policy_digest, commit=params.commit, model_digest=params.model_digest
        )
        checks = release_checks(tool, whole, parts.result(), known, asked)
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
