"""policy-admission: writes what the policy asks of a released image, for those who admit images without Hallmark.

By default `verdict.rego` and `verdict.cue`: `cosign verify-attestation --key=cosign.pub --type=<predicate type>
--policy=verdict.rego IMAGE`. cosign checks signature and subject, these files what the verdict says.

`--kind` writes a manifest for a cluster instead: `clusterimagepolicy` (OpenShift's, which reads signatures only),
`policy-controller` (sigstore's) or `kyverno`. All of them hold for this edition of the policy, and for the earlier ones
that it trusts; make them anew with every edition.

Refuses (bad input) a policy with a mistake, and a kind that cannot verify its `signing.format` or take its keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hallmark.admission import cue, rego
from hallmark.admission_manifests import KINDS, Admitted, manifest
from hallmark.command import Context, Outcome
from hallmark.contract import param, path
from hallmark.documents.policy import Policy, load_policy, policy_digest
from hallmark.errors import BadInputError
from hallmark.files import require_outside, sha256_bytes, write_text
from hallmark.gate_report import Check, decide
from hallmark.image_reference import REPOSITORY
from hallmark.release import public_keys, transparency_log
from hallmark.verdict import PREDICATE_TYPE, this_second

EXAMPLE = (
    "hallmark policy-admission --policy=policy --output=admission --kind=policy-controller "
    "--image=registry.example.com/releases/iris"
)

COSIGN = "cosign"


@dataclass(frozen=True, kw_only=True)
class Params:
    policy: Path = path("The validators' folder with policy.yaml and the public keys")
    output: Path = path("Folder for verdict.rego and verdict.cue, or for <kind>.yaml")
    kind: str = param("cosign, clusterimagepolicy, policy-controller or kyverno", default=COSIGN)
    image: str = param("Repository of the released images, without tag; for a manifest", default="")
    key: str = param("One of the policy's public keys, where only that one shall count", default="")


@dataclass(frozen=True, kw_only=True)
class Results:
    """None: it writes files and decides nothing."""


def run(params: Params, context: Context) -> Outcome:
    """Write the files. Raises BadInputError as `load_policy` and `manifest` do."""
    require_outside(params.output, params.policy, "whose digest these files name")
    digest = policy_digest(params.policy)
    policy = load_policy(params.policy, expected_digest=digest)
    texts = _texts(params, policy, digest)
    for name, text in texts.items():
        write_text(params.output / name, text)
    report = decide(
        "policy-admission",
        [Check(name=name, passed=True, value=str(params.output / name)) for name in texts],
        passed=f"the policy is written for {params.kind}; the predicate type is {PREDICATE_TYPE}",
        refused="",
        solution="",
        digests={"policy": digest, **{name: sha256_bytes(text.encode()) for name, text in texts.items()}},
    )
    return Outcome(report=report)


def _texts(params: Params, policy: Policy, digest: str) -> dict[str, str]:
    """The files' texts by name."""
    if params.kind == COSIGN:
        if params.image or params.key:
            raise BadInputError(
                "--image and --key are for a cluster's manifest, and cosign is given both on its command line",
                solution=f"leave them out, or give --kind={'|'.join(KINDS)}",
            )
        return {"verdict.rego": rego(policy, digest), "verdict.cue": cue(policy, digest, this_second())}
    kind = next((known for known in KINDS if known == params.kind), None)
    if kind is None:
        raise BadInputError(f"--kind={params.kind} is not known", solution=f"give one of {', '.join((COSIGN, *KINDS))}")
    if not REPOSITORY.fullmatch(params.image):
        raise BadInputError(
            f"--image={params.image} is no repository of images",
            solution="give where releases are pushed, without a tag: registry.example.com/releases/iris",
        )
    log = transparency_log(policy, params.policy)
    admitted = Admitted(
        policy=policy,
        policy_digest=digest,
        repository=params.image,
        keys=_keys(params, policy),
        log_key=log.public_key.read_text(encoding="ascii") if log else "",
    )
    return {f"{kind}.yaml": manifest(kind, admitted)}


def _keys(params: Params, policy: Policy) -> dict[str, str]:
    found = {name: file.read_text(encoding="ascii") for name, file in public_keys(policy, params.policy).items()}
    if not params.key:
        return found
    if params.key not in found:
        raise BadInputError(
            f"--key={params.key} is none of the policy's public keys", solution=f"give one of {', '.join(found)}"
        )
    return {params.key: found[params.key]}
