"""keys-resign: signs live images with a new key, and attests anew what their old key attested about them.

Every image is verified first, exactly as before a deployment, by the edition of the policy that takes both keys; what
is refused there is not signed. Nor is a statement repeated that was made about another image, or for a repository that
verify-image would not take it from. Nothing is judged anew: a verdict keeps its date. What the new key has signed
already is left as it is, so a second call changes nothing.

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
from hallmark.image_parts import parts_of
from hallmark.image_reference import Image
from hallmark.registry_auth import docker_config
from hallmark.release import cosign_for, names_of, public_keys
from hallmark.signatures import attested, is_about, signature_check, signers
from hallmark.signing_credentials import SigningKey, open_key
from hallmark.signing_keys import PASSWORD, require_memory
from hallmark.tools import skopeo
from hallmark.tools.cosign import Cosign, Signer
from hallmark.tools.cosign_output import Statement, Written
from hallmark.verification import Asked, first_failed, release_checks

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
    key, known = open_key(params.signing_key, policy, params.policy), signers(policy, params.policy)
    own = _own(key, public_keys(policy, params.policy), digest)
    checks = []
    with docker_config(params.credential) as authfile:
        tool = cosign_for(policy, params.policy, authfile, tls_verify=params.tls_verify)
        registry = skopeo.Registry(authfile=authfile, tls_verify=params.tls_verify)
        for image in images:
            parts = parts_of(image, registry)
            found = release_checks(tool, image, parts, known, Asked(policy=policy, policy_digest=digest))
            failed = first_failed(found, image, registry)
            if failed is not None:
                checks.append(Check(name=str(image), passed=False, value=f"{failed.name}: {failed.value}"))
                continue
            for one in dict.fromkeys([*(part.image for part in parts), image]):
                done = _resign(tool, one, key, known, own, policy)
                context.say(f"{one}: {done}")
                checks.append(Check(name=str(one), passed=True, value=done))
    report = decide(
        "keys-resign",
        checks,
        passed=f"{len(images)} images carry what {own} signed and attested",
        refused="some images do not verify, and were not signed again",
        solution="deliver their commits again, or take them out of production",
        digests={"policy": digest},
    )
    return Outcome(report=report)


def _own(key: SigningKey, keys: Mapping[str, Path], digest: str) -> str:
    """The policy's name for the key that signs.

    Raises:
        BadInputError: it has none, or its owner does not accept this policy.
    """
    if digest not in key.policies:
        raise BadInputError(
            f"the new key is not for the policy {digest}",
            solution="have the key's owner put the digest of the next edition on its list `policies`",
        )
    found = names_of(key.public, keys)
    if not found:
        raise BadInputError(
            f"the policy does not name this key, but {', '.join(keys)}",
            solution="give the edition that `hallmark keys rotate` wrote for it",
        )
    return found[0]


def _resign(tool: Cosign, image: Image, key: SigningKey, known: Mapping[str, Signer], own: str, policy: Policy) -> str:
    """Sign and attest what the others have and the new key has not; what was done and what was left, in words."""
    mine, others = {own: known[own]}, {name: signer for name, signer in known.items() if name != own}
    done: list[str] = []
    left: list[str] = []
    for kept in tool.written:
        if not signature_check(tool, image, mine, policy, kept).passed:
            tool.sign(image, key.private, kept)
            done.append("signed")
        before, after = (attested(tool, image, who, list(TYPES), kept) for who in (others, mine))
        for kind, answer in before.items():
            right = [one for one in answer.found if is_about(kind, one, image, policy)]
            if len(right) < len(answer.found):
                left.append(kind)
            made = [one.predicate for one in after[kind].found if is_about(kind, one, image, policy)]
            for number, statement in enumerate(one for one in right if one.predicate not in made):
                _attest(tool, image, key, kind, statement, kept)
                done.append(kind if number == 0 else f"another {kind}")
    strange = (
        f"; not repeated, for it was made about another image or elsewhere: {', '.join(dict.fromkeys(left))}"
        if left
        else ""
    )
    return (", ".join(dict.fromkeys(done)) or "was signed before") + strange


def _attest(
    tool: Cosign, image: Image, key: SigningKey, kind: Attestation, statement: Statement, kept: Written
) -> None:
    with tempfile.TemporaryDirectory(prefix="hallmark-resign-") as folder:
        file = Path(folder) / f"{kind}.json"
        file.write_text(json.dumps(statement.predicate), encoding="utf-8")
        tool.attest(image, key.private, file, TYPES[kind], kept)
