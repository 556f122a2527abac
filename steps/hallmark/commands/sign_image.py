"""sign-image: the only place where a signature is made, and only for a passing verdict.

Recomputes the chain that the run hands over: the verdict's and the policy's digest, what the verdict is about, and the
labels of the candidate in the registry; where the policy names bases, also that the run's base is one of them, and that
the candidate's layers begin with that base's. Then it copies the image by digest from the candidates to the releases,
signs the digest, and attests the verdict, the provenance, the test result and what scan-image wrote; of a list of
images the list's digest and that of each image in it. What is there already is not made again, unless more than half of
an attested verdict's time is over.

Trusts: the signing key's own folder, with the list `policies` of accepted policy digests beside the key: a run that was
started with another policy gets no signature, whatever its verdict says.
Refuses: a refused or expired verdict, a verdict about something else, an unknown policy, an image with other labels or
on another base, and a key that the policy does not name.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.gate_report import Check, GateReport, decide
from hallmark.image_parts import configurations
from hallmark.image_reference import Image, image, parse_image
from hallmark.key_folder import private_key
from hallmark.registry_auth import docker_config
from hallmark.tools import skopeo
from hallmark.tools.cosign import installed_version, public_key

if TYPE_CHECKING:
    from hallmark.documents.rules_signing import Attestation
    from hallmark.verdict import Verdict

EXAMPLE = (
    "hallmark sign-image --candidate-image=registry.example.com/candidates/iris --image-digest=sha256:... "
    "--release-image=registry.example.com/releases/iris --commit=... --policy-digest=sha256:... "
    "--verdict-digest=sha256:... --base-image=registry.example.com/base/python@sha256:... --verdict=run/verdict "
    "--policy=policy --signing-key=signing-key"
)
SOLUTION = (
    "see what verify-model refused; an image on a base that the policy does not name, or beside which its model does "
    "not lie, has to be built anew"
)
SOLUTIONS = {
    "policy accepted for": "have the key's owner add the policy's digest to the list `policies` beside the key",
    "key accepted by": "sign with a key that signing.publicKeys names, or have the validators put this one's public "
    "part beside the policy (`hallmark keys public`)",
    "identity accepted by": "sign with an identity that signing.keyless names",
    "verdict's commit": "give the commit of the verdict's delivery, or deliver this one",
}
"""What to do about a check that fails first, by how its name begins."""


@dataclass(frozen=True, kw_only=True)
class Params:
    candidate_image: str = param("Repository of the candidate, without tag")
    image_digest: str = param("Digest of the image that was tested")
    release_image: str = param("Repository that released images are copied to, without tag")
    commit: str = param("Full SHA of the source commit")
    policy_digest: str = param("Digest of the policy that the run was started with")
    verdict_digest: str = param("Digest of the verdict, from verify-model")
    base_image: str | None = param(
        "Image that it was built on, `repository@sha256:...`, for the provenance; empty: not told, which a policy that "
        "names bases refuses",
        default=None,
    )
    run_name: str | None = param("Name of the PipelineRun, for the provenance", default=None)
    sbom_digest: str | None = param("Digest of sbom.cdx.json, from scan-image; empty: none is attested", default=None)
    vulnerabilities_digest: str | None = param(
        "Digest of vulnerabilities.json, from scan-image; empty: none is attested", default=None
    )
    tls_verify: bool = param('"false" only for a registry on plain HTTP, on one machine', default=True)
    verdict: Path = path("Folder with verdict.json")
    policy: Path = path("The validators' folder with policy.yaml and the public keys")
    sbom: Path | None = path("Folder with sbom.cdx.json and vulnerabilities.json", default=None)
    signing_key: Path = path(
        "Folder with cosign.key and cosign.password, or key-uri, or identity-token and fulcio-url; and policies: "
        "accepted digests, one a line"
    )
    candidate_credential: Path | None = path("Folder with docker's config.json, good to read candidates", default=None)
    release_credential: Path | None = path("Folder with docker's config.json, good to push releases", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    release_digest: str | None = result("Digest of the released image; that of the candidate")
    release_image_ref: str | None = result("The released image, `repository@sha256:...`")


def run(params: Params, context: Context) -> Outcome:
    """Check the chain; if all of it holds, copy, sign and attest.

    Raises:
        BadInputError: an artefact is not the one that was handed over, or the key's folder is not whole.
        ToolFailedError: a registry does not answer or does not let us in, or the key's password is wrong.
    """
    candidate = image(params.candidate_image, params.image_digest)
    released = image(params.release_image, params.image_digest)
    base = None if params.base_image is None else parse_image(params.base_image)
    base_image = "" if base is None else str(base)
    with (
        docker_config(params.candidate_credential) as candidate_auth,
        docker_config(params.release_credential) as release_auth,
        ThreadPoolExecutor(max_workers=4) as pool,
    ):
        candidates = skopeo.Registry(authfile=candidate_auth, tls_verify=params.tls_verify)
        releases = skopeo.Registry(authfile=release_auth, tls_verify=params.tls_verify)
        own = private_key(params.signing_key)
        public = None if own is None else pool.submit(public_key, own)
        configured = pool.submit(configurations, candidate, candidates)
        version = pool.submit(installed_version)
        there = pool.submit(skopeo.answers, released, releases)
        # All of them are answered while these are imported; what is signed is decided below.
        from hallmark import base_images, model_artifact
        from hallmark.candidate import candidate_checks
        from hallmark.documents.policy import load_policy
        from hallmark.release import cosign_for, verdict_checks
        from hallmark.signing import predicates, sign
        from hallmark.signing_credentials import key_checks, signing_key
        from hallmark.to_attest import attestation_checks, given, verdict_text
        from hallmark.verdict import read_verdict, this_second

        policy = load_policy(params.policy, expected_digest=params.policy_digest)
        text = verdict_text(params.verdict, params.verdict_digest)
        verdict = read_verdict(text)
        scanned = given(params.sbom, sbom=params.sbom_digest, vulnerabilities=params.vulnerabilities_digest)

        def others(standing: Verdict) -> dict[Attestation, dict[str, Any]]:
            run = params.run_name or ""
            return predicates(policy, standing, released, base_image=base_image, run=run, given=scanned)

        named = base_images.named(policy.image, base)
        bases = [base] if base is not None and named.passed and policy.image.bases else []
        looked = pool.submit(candidate_checks, configured.result(), verdict, bases, candidates)
        opened = None if own is None or public is None else (own, public.result())
        key = signing_key(params.signing_key, policy, params.policy, opened)
        tool = cosign_for(policy, params.policy, release_auth, tls_verify=params.tls_verify, version=version.result())
        of_candidate, beside = looked.result()
        checks = [
            *verdict_checks(
                verdict,
                policy=policy,
                policy_digest=params.policy_digest,
                image_digest=params.image_digest,
                commit=params.commit,
                model_digest=None,
                now=this_second(),
            ),
            Check(
                name="candidate",
                passed=verdict.image.repository == params.candidate_image,
                value=verdict.image.repository,
                limit=f"equal to {params.candidate_image}",
            ),
            *key_checks(key, policy, params.policy, params.policy_digest),
            named,
            *of_candidate,
            *attestation_checks(policy, verdict, released, others(verdict)),
        ]
        report = _report(params, checks, released)
        if report.exit_code != 0:
            return Outcome(report=report, results=Results())
        for artifact in beside:
            # First: an image in the releases can be started.
            context.say(f"copying the model that it fetches to {params.release_image}")
            model_artifact.publish(artifact, verdict.model.digest, candidates, params.release_image, releases)
        context.say(f"copying {candidate} to {params.release_image}")
        skopeo.copy(candidate, candidates, params.release_image, release_tag(verdict), releases)
        # The list last: one that is signed has no image that is not.
        whole = [*(image(params.release_image, part.image.digest) for part in configured.result()), released]
        for one in dict.fromkeys(whole):
            if one != released:
                context.say(f"{one}, an image of the list")
            sign(tool, one, key, policy, text, others, context.say, fresh=not there.result())
    return Outcome(report=report, results=Results(release_digest=released.digest, release_image_ref=str(released)))


def release_tag(verdict: Verdict) -> str:
    """A tag that follows from the digest and never moves; some registries delete an image that has none."""
    version = re.sub(r"[^A-Za-z0-9._-]", "-", verdict.model.version)[:64].lstrip(".-") or "0"
    return f"{version}-{verdict.image.digest.removeprefix('sha256:')[:16]}"


def _report(params: Params, checks: list[Check], released: Image) -> GateReport:
    failed = next((check for check in checks if not check.passed), None)
    told = failed.name if failed else ""
    return decide(
        "sign-image",
        checks,
        passed=f"{released} is signed, and its verdict attested",
        refused=f"nothing was signed: {failed.name}: {failed.value}" if failed else "",
        solution=next((words for begin, words in SOLUTIONS.items() if told.startswith(begin)), SOLUTION),
        digests={"image": params.image_digest, "policy": params.policy_digest, "verdict": params.verdict_digest},
    )
