"""sign-image: the only place where a signature is made, and only for a passing verdict.

Recomputes the chain that the run hands over: the verdict's and the policy's digest, what the verdict is about, and the
labels of the candidate in the registry; where the policy names bases, also that the run's base is one of them, and that
the candidate's layers begin with that base's. Then it copies the image by digest from the candidates to the releases,
signs the digest, and attests the verdict, the provenance, the test result and what scan-image wrote. What is there
already is not made again, unless more than half of an attested verdict's time is over.

Trusts: the signing key's own folder, with the list `policies` of accepted policy digests beside the key: a run that was
started with another policy gets no signature, whatever its verdict says.
Refuses: a refused or expired verdict, a verdict about something else, an unknown policy, an image with other labels or
on another base, and a key that the policy does not name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hallmark import base_images, image_labels, model_artifact
from hallmark.attestations import (
    ATTESTATIONS,
    MAXIMUM_BYTES,
    SBOM_FILE,
    VULNERABILITIES_FILE,
    places,
    predicate_checks,
    read_predicate,
)
from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.documents.policy import Policy, load_policy
from hallmark.documents.rules_signing import Attestation
from hallmark.errors import BadInputError
from hallmark.files import require_digest, sha256_bytes
from hallmark.gate_report import Check, GateReport, decide
from hallmark.image_reference import Image, image, parse_image
from hallmark.registry_auth import docker_config
from hallmark.release import cosign_for, verdict_checks
from hallmark.signing import predicates, sign
from hallmark.signing_credentials import key_checks, open_key
from hallmark.tools import skopeo
from hallmark.verdict import FILE_NAME, Verdict, read_verdict, this_second

EXAMPLE = (
    "hallmark sign-image --candidate-image=registry.example.com/candidates/iris --image-digest=sha256:... "
    "--release-image=registry.example.com/releases/iris --commit=... --policy-digest=sha256:... "
    "--verdict-digest=sha256:... --base-image=registry.example.com/base/python@sha256:... --verdict=run/verdict "
    "--policy=policy --signing-key=signing-key"
)

MAXIMUM_VERDICT_BYTES = 1 << 20


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
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    text = _read(params.verdict, FILE_NAME, MAXIMUM_VERDICT_BYTES, params.verdict_digest).decode("utf-8", "replace")
    verdict = read_verdict(text)
    given = _given(params)

    def others(standing: Verdict) -> dict[Attestation, dict[str, Any]]:
        return predicates(policy, standing, released, base_image=base_image, run=params.run_name or "", given=given)

    with (
        docker_config(params.candidate_credential) as candidate_auth,
        docker_config(params.release_credential) as release_auth,
        ThreadPoolExecutor(max_workers=4) as pool,
    ):
        candidates = skopeo.Registry(authfile=candidate_auth, tls_verify=params.tls_verify)
        releases = skopeo.Registry(authfile=release_auth, tls_verify=params.tls_verify)
        known = pool.submit(cosign_for, policy, params.policy, release_auth, tls_verify=params.tls_verify)
        labels = pool.submit(skopeo.labels, candidate, candidates)
        there = pool.submit(skopeo.answers, released, releases)
        named = base_images.named(policy.image, base)
        looked = [base] if base is not None and named.passed and policy.image.bases else []
        built = [pool.submit(base_images.built_on, candidate, one, candidates) for one in looked]
        key = open_key(params.signing_key, policy, params.policy)
        tool = known.result()
        beside = model_artifact.of(labels.result(), candidate.repository)
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
            *_label_checks(verdict, labels.result()),
            *([] if beside is None else [model_artifact.model_check(beside, verdict.model.digest, candidates)]),
            named,
            *(one.result() for one in built),
            *_attestation_checks(policy, verdict, released, others(verdict)),
        ]
        report = _report(params, checks, released)
        if report.exit_code != 0:
            return Outcome(report=report, results=Results())
        if beside is not None:
            # First: an image in the releases can be started.
            context.say(f"copying the model that it fetches to {params.release_image}")
            model_artifact.publish(beside, verdict.model.digest, candidates, params.release_image, releases)
        context.say(f"copying {candidate} to {params.release_image}")
        skopeo.copy(candidate, candidates, params.release_image, release_tag(verdict), releases)
        sign(tool, released, key, policy, text, others, context.say, fresh=not there.result())
    return Outcome(report=report, results=Results(release_digest=released.digest, release_image_ref=str(released)))


def release_tag(verdict: Verdict) -> str:
    """A tag that follows from the digest and never moves; some registries delete an image that has none."""
    version = re.sub(r"[^A-Za-z0-9._-]", "-", verdict.model.version)[:64].lstrip(".-") or "0"
    return f"{version}-{verdict.image.digest.removeprefix('sha256:')[:16]}"


def _read(folder: Path, name: str, maximum: int, digest: str) -> bytes:
    """A file of which every byte was compared with the digest that was handed over."""
    try:
        with (folder / name).open("rb") as file:
            data = file.read(maximum + 1)
    except OSError as error:
        raise BadInputError(f"cannot read {name} in {folder}", solution="bind the folder of its writer") from error
    if len(data) > maximum:
        raise BadInputError(f"{name} is larger than {maximum} bytes", solution="see what its writer put there")
    require_digest("the verdict" if name == FILE_NAME else name, sha256_bytes(data), digest)
    return data


def _given(params: Params) -> dict[Attestation, dict[str, Any]]:
    """What scan-image wrote about the image, as far as the run hands it over."""
    files: dict[Attestation, tuple[str, str | None]] = {
        "sbom": (SBOM_FILE, params.sbom_digest),
        "vulnerabilities": (VULNERABILITIES_FILE, params.vulnerabilities_digest),
    }
    found: dict[Attestation, dict[str, Any]] = {}
    for kind, (name, digest) in files.items():
        if digest is None:
            continue
        if params.sbom is None:
            raise BadInputError(f"the digest of {name} is given, and no folder", solution="bind the workspace sbom")
        found[kind] = read_predicate(name, _read(params.sbom, name, MAXIMUM_BYTES, digest))
    return found


def _attestation_checks(
    policy: Policy, verdict: Verdict, released: Image, ready: Mapping[Attestation, dict[str, Any]]
) -> list[Check]:
    """Whether there is all that the policy wants attested, and says what verify-image will ask for."""
    missing = [kind for kind in policy.signing.attestations if kind != "verdict" and kind not in ready]
    there = Check(
        name=ATTESTATIONS,
        passed=not missing,
        value=f"without {', '.join(missing)}" if missing else ", ".join(["verdict", *ready]),
        limit=", ".join(policy.signing.attestations),
    )
    allowed = places(released, policy)
    return [
        there,
        *(
            check
            for kind, predicate in ready.items()
            for check in predicate_checks(kind, predicate, verdict, released, policy, allowed)
        ),
    ]


def _label_checks(verdict: Verdict, labels: Mapping[str, str]) -> list[Check]:
    expected = {
        image_labels.REVISION: verdict.source.commit,
        image_labels.SOURCE_DIGEST: verdict.source.digest,
        image_labels.MODEL_DIGEST: verdict.model.digest,
    }
    return [
        Check(
            name=f"label {name}",
            passed=labels.get(name) == value,
            value=labels.get(name, "missing")[:100],
            limit=f"equal to {value}",
        )
        for name, value in expected.items()
    ]


def _report(params: Params, checks: list[Check], released: Image) -> GateReport:
    failed = next((f"{check.name}: {check.value}" for check in checks if not check.passed), "")
    return decide(
        "sign-image",
        checks,
        passed=f"{released} is signed, and its verdict attested",
        refused=f"nothing was signed: {failed}",
        solution="see what verify-model refused; a new policy is accepted when the key's owner adds its digest to the "
        "list beside the key; an image on a base that the policy does not name has to be built anew",
        digests={"image": params.image_digest, "policy": params.policy_digest, "verdict": params.verdict_digest},
    )
