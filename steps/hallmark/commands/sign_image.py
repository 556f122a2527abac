"""sign-image: the only place where a signature is made, and only for a passing verdict.

Recomputes the chain that the run hands over: the verdict's and the policy's digest, what the verdict is about, and the
labels of the candidate in the registry. Then it copies the image by digest from the candidates to the releases, signs
the digest, and attests the verdict. What is there already is not made again, unless more than half of an attested
verdict's time is over.

Trusts: the signing key's own folder, with the list `policies` of accepted policy digests beside the key: a run that was
started with another policy gets no signature, whatever its verdict says.
Refuses: a refused or expired verdict, a verdict about something else, an unknown policy, an image with other labels,
and a key that the policy does not name.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hallmark import image_labels
from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.documents.policy import Policy, load_policy
from hallmark.errors import BadInputError
from hallmark.files import require_digest, sha256_bytes
from hallmark.gate_report import Check, GateReport, decide
from hallmark.image_reference import Image, image
from hallmark.registry_auth import docker_config
from hallmark.release import accepted_policies, holds_for_long, public_keys, verdict_checks
from hallmark.tools import skopeo
from hallmark.tools.cosign import Cosign, Statement, cosign, key_bytes, public_key
from hallmark.verdict import FILE_NAME, PREDICATE_TYPE, Verdict, read_verdict, this_second

EXAMPLE = (
    "hallmark sign-image --candidate-image=registry.example.com/candidates/iris --image-digest=sha256:... "
    "--release-image=registry.example.com/releases/iris --commit=... --policy-digest=sha256:... "
    "--verdict-digest=sha256:... --verdict=run/verdict --policy=policy --signing-key=signing-key"
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
    tls_verify: bool = param('"false" only for a registry on plain HTTP, on one machine', default=True)
    verdict: Path = path("Folder with verdict.json")
    policy: Path = path("The validators' folder with policy.yaml and the public keys")
    signing_key: Path = path("Folder with cosign.key, cosign.password, and policies: accepted digests, one a line")
    candidate_credential: Path | None = path("Folder with docker's config.json, good to read candidates", default=None)
    release_credential: Path | None = path("Folder with docker's config.json, good to push releases", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    release_digest: str | None = result("Digest of the released image; that of the candidate")
    release_image_ref: str | None = result("The released image, `repository@sha256:...`")


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """The signing key's folder, read and opened."""

    file: Path
    password: str
    public: str
    """PEM."""
    policies: frozenset[str]


def run(params: Params, context: Context) -> Outcome:
    """Check the chain; if all of it holds, copy, sign and attest.

    Raises:
        BadInputError: an artefact is not the one that was handed over, or the key's folder is not whole.
        ToolFailedError: a registry does not answer or does not let us in, or the key's password is wrong.
    """
    candidate = image(params.candidate_image, params.image_digest)
    released = image(params.release_image, params.image_digest)
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    text = _verdict(params)
    verdict = read_verdict(text)
    key = open_key(params.signing_key)
    with (
        docker_config(params.candidate_credential) as candidate_auth,
        docker_config(params.release_credential) as release_auth,
    ):
        candidates = skopeo.Registry(authfile=candidate_auth, tls_verify=params.tls_verify)
        releases = skopeo.Registry(authfile=release_auth, tls_verify=params.tls_verify)
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
            *_key_checks(key, policy, params),
            *_label_checks(verdict, skopeo.labels(candidate, candidates)),
        ]
        report = _report(params, checks, released)
        if report.exit_code != 0:
            return Outcome(report=report, results=Results())
        context.say(f"copying {candidate} to {params.release_image}")
        skopeo.copy(candidate, candidates, params.release_image, release_tag(verdict), releases)
        _sign(cosign(release_auth, tls_verify=params.tls_verify), released, key, policy, text, context)
    return Outcome(report=report, results=Results(release_digest=released.digest, release_image_ref=str(released)))


def open_key(folder: Path) -> SigningKey:
    """The signing key in `folder`.

    Raises:
        BadInputError: cosign.key, cosign.password or policies is missing, or policies has a line that is no digest.
        ToolFailedError: the password is not the key's.
    """
    missing = [name for name in ("cosign.key", "cosign.password", "policies") if not (folder / name).is_file()]
    if missing:
        raise BadInputError(
            f"the signing key's folder has no {' and no '.join(missing)}",
            solution="let the key's owner put cosign.key, cosign.password and policies (accepted policy digests, one "
            "a line) into the signing-key Secret",
        )
    policies = accepted_policies(folder / "policies", "the signing key")
    file = folder / "cosign.key"
    password = (folder / "cosign.password").read_text(encoding="utf-8").rstrip("\r\n")
    return SigningKey(file=file, password=password, public=public_key(file, password), policies=policies)


def release_tag(verdict: Verdict) -> str:
    """A tag that follows from the digest and never moves; some registries delete an image that has none."""
    version = re.sub(r"[^A-Za-z0-9._-]", "-", verdict.model.version)[:64].lstrip(".-") or "0"
    return f"{version}-{verdict.image.digest.removeprefix('sha256:')[:16]}"


def _verdict(params: Params) -> str:
    """The verdict's text, of which every byte was compared with the digest that was handed over."""
    try:
        with (params.verdict / FILE_NAME).open("rb") as file:
            data = file.read(MAXIMUM_VERDICT_BYTES)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"cannot read {FILE_NAME} in {params.verdict}", solution="bind the folder that verify-model wrote"
        ) from error
    require_digest("the verdict", sha256_bytes(data), params.verdict_digest)
    return text


def _key_checks(key: SigningKey, policy: Policy, params: Params) -> list[Check]:
    names = public_keys(policy, params.policy)
    own = key_bytes(key.public)
    fits = [name for name, file in names.items() if key_bytes(file.read_text(encoding="ascii")) == own]
    return [
        Check(
            name="policy accepted for this key",
            passed=params.policy_digest in key.policies,
            value=params.policy_digest,
            limit="listed in `policies` beside the key",
        ),
        Check(
            name="key accepted by the policy",
            passed=bool(fits),
            value=", ".join(fits) or "the signing key fits none of them",
            limit=f"one of {', '.join(names)}",
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


def _sign(tool: Cosign, released: Image, key: SigningKey, policy: Policy, text: str, context: Context) -> None:
    """Sign and attest, each unless this key has done so before."""
    with tempfile.TemporaryDirectory(prefix="hallmark-key-") as folder:
        public, predicate = Path(folder) / "cosign.pub", Path(folder) / FILE_NAME
        public.write_text(key.public, encoding="ascii")
        predicate.write_text(text, encoding="utf-8")
        if released.digest in tool.signed_digests(released, public).found:
            context.say("signed by this key before")
        else:
            tool.sign(released, key.file, key.password)
        statements = tool.statements(released, public, PREDICATE_TYPE).found
        if any(_is_enough(statement, released, read_verdict(text), policy) for statement in statements):
            context.say("this verdict was attested before")
        else:
            tool.attest(released, key.file, key.password, predicate, PREDICATE_TYPE)


def _is_enough(statement: Statement, released: Image, verdict: Verdict, policy: Policy) -> bool:
    """Whether the statement says what `verdict` says, and will be good for a while."""
    try:
        attested = read_verdict(json.dumps(statement.predicate))
    except BadInputError:
        return False
    right = statement.predicate_type == PREDICATE_TYPE and released.digest in statement.digests
    return right and verdict.judges_the_same(attested) and holds_for_long(attested, policy, this_second())


def _report(params: Params, checks: list[Check], released: Image) -> GateReport:
    failed = next((f"{check.name}: {check.value}" for check in checks if not check.passed), "")
    return decide(
        "sign-image",
        checks,
        passed=f"{released} is signed, and its verdict attested",
        refused=f"nothing was signed: {failed}",
        solution="see what verify-model refused; a new policy is accepted when the key's owner adds its digest to the "
        "list beside the key",
        digests={"image": params.image_digest, "policy": params.policy_digest, "verdict": params.verdict_digest},
    )
