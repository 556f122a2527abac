"""keys-resign: signs live images with a new key, and attests anew what their old key attested about them.

Every image is verified first, exactly as before a deployment, by the edition of the policy that takes both keys; what
is refused there is not signed. Nothing is judged anew: a verdict keeps its date. What the new key has signed already
is left as it is, so a second call changes nothing.

Not for a key that was stolen: what a thief attested with it looks just as good. Then take the key out of the policy at
once, and deliver the live commits again.
Refuses images that do not verify, a key that the policy does not name, and a policy that is not on the key's list.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hallmark import live_images
from hallmark.attestations import TYPES
from hallmark.command import Context, Outcome
from hallmark.contract import param, path
from hallmark.documents.policy import Policy, load_policy, policy_digest
from hallmark.documents.rules_signing import Attestation
from hallmark.errors import BadInputError
from hallmark.gate_report import Check, decide
from hallmark.image_reference import Image
from hallmark.registry_auth import docker_config
from hallmark.release import cosign_for
from hallmark.signatures import attested, signers
from hallmark.signing import SigningKey, open_key
from hallmark.signing_keys import PASSWORD, require_memory
from hallmark.tools import skopeo
from hallmark.tools.cosign import Answer, Cosign, Signer, Statement, Written, key_bytes
from hallmark.verification import Asked, image_checks

EXAMPLE = "hallmark keys-resign --images=live --policy=next-policy --signing-key=new-signing-key --credential=releases"


@dataclass(frozen=True, kw_only=True)
class Params:
    images: Path = path("File with the live images, `repository@sha256:...` a line")
    policy: Path = path("The policy's edition that names the old key and the new one")
    signing_key: Path = path("Folder in memory with the new cosign.key, cosign.password and policies")
    tls_verify: bool = param('"false" only for a registry on plain HTTP, on one machine', default=True)
    credential: Path | None = path("Folder with docker's config.json, good to push signatures", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    """None: what is signed stands in the registry."""


def run(params: Params, context: Context) -> Outcome:
    """Verify and sign each image.

    Raises:
        BadInputError: as the module says.
        ToolFailedError: the registry does not answer, does not let us in, or the key cannot be opened.
    """
    images = live_images.read(params.images)
    policy, digest = load_policy(params.policy), policy_digest(params.policy)
    if (params.signing_key / PASSWORD).exists():
        require_memory(params.signing_key / PASSWORD, "the key's password")
    key, known = open_key(params.signing_key), signers(policy, params.policy)
    own = _own(key, known, digest)
    checks = []
    with docker_config(params.credential) as authfile:
        tool = cosign_for(policy, params.policy, authfile, tls_verify=params.tls_verify)
        registry = skopeo.Registry(authfile=authfile, tls_verify=params.tls_verify)
        for image in images:
            found = image_checks(tool, image, known, Asked(policy=policy, policy_digest=digest))
            failed = next((check for check in found if not check.passed), None)
            if failed is not None:
                # cosign has one exit code for "nothing fits" and "no connection"; only the first may become a refusal.
                skopeo.require(image, registry)
                checks.append(Check(name=str(image), passed=False, value=f"{failed.name}: {failed.value}"))
                continue
            done = _resign(tool, image, key, known, own, policy)
            context.say(f"{image}: {done}")
            checks.append(Check(name=str(image), passed=True, value=done))
    report = decide(
        "keys-resign",
        checks,
        passed=f"{len(images)} images carry what {own} signed and attested",
        refused="some images do not verify, and were not signed again",
        solution="deliver their commits again, or take them out of production",
        digests={"policy": digest},
    )
    return Outcome(report=report)


def _own(key: SigningKey, known: Mapping[str, Signer], digest: str) -> str:
    """The policy's name for the key that signs.

    Raises:
        BadInputError: it has none, or its owner does not accept this policy.
    """
    if digest not in key.policies:
        raise BadInputError(
            f"the new key is not for the policy {digest}",
            solution="have the key's owner put the digest of the next edition on its list `policies`",
        )
    files = {name: signer.public_key for name, signer in known.items() if signer.public_key is not None}
    mine = key_bytes(key.public)
    found = next((name for name, file in files.items() if key_bytes(file.read_text(encoding="ascii")) == mine), None)
    if found is None:
        raise BadInputError(
            f"the policy does not name this key, but {', '.join(known)}",
            solution="give the edition that `hallmark keys rotate` wrote for it",
        )
    return found


def _resign(tool: Cosign, image: Image, key: SigningKey, known: Mapping[str, Signer], own: str, policy: Policy) -> str:
    """Sign and attest what the others have and the new key has not; what was done, in words."""
    mine, others = {own: known[own]}, {name: signer for name, signer in known.items() if name != own}
    done: list[str] = []
    for kept in tool.written:
        if image.digest not in {one.digest for one in tool.signatures(image, known[own], kept).found}:
            tool.sign(image, key.private, kept)
            done.append("signed")
        before, after = (attested(tool, image, who, list(TYPES), kept) for who in (others, mine))
        for kind, answer in before.items():
            for number, statement in enumerate(_missing(kind, answer, after[kind], image)):
                _attest(tool, image, key, kind, statement, kept)
                done.append(kind if number == 0 else f"another {kind}")
    return ", ".join(dict.fromkeys(done)) or "was signed before"


def _missing(kind: Attestation, before: Answer, after: Answer, image: Image) -> list[Statement]:
    """The statements about this very image that the new key has not made yet."""
    made = [one.predicate for one in after.found]
    right = [one for one in before.found if one.predicate_type == TYPES[kind] and set(one.digests) == {image.digest}]
    return [one for one in right if one.predicate not in made]


def _attest(
    tool: Cosign, image: Image, key: SigningKey, kind: Attestation, statement: Statement, kept: Written
) -> None:
    with tempfile.TemporaryDirectory(prefix="hallmark-resign-") as folder:
        file = Path(folder) / f"{kind}.json"
        file.write_text(json.dumps(statement.predicate), encoding="utf-8")
        tool.attest(image, key.private, file, TYPES[kind], kept)
