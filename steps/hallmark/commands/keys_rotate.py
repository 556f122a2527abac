"""keys-rotate: begins the change of a signing key: a new pair, and an edition of the policy that takes both keys.

1. `keys rotate` makes the pair and the edition; the validators look at it and publish it. Its digest goes on the list
   `policies` of both keys.
2. `keys resign` signs what is live with the new key; `keys store --replace=true` has the pipelines use it.
3. `keys retire` writes the edition after that, which takes the new key only: what the old one signed is then refused.
   Its digest goes on the list of the new key.

Verdicts that name the present edition stay good: it is put into the next one's `trustedPolicies`. Admission manifests
have to be written anew in the steps 1 and 3.
Refuses (bad input) a policy that gets its keys from a level above, and folders that exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hallmark import live_images, next_edition
from hallmark.command import Context, Outcome
from hallmark.commands.keys_generate import generate
from hallmark.contract import path, result
from hallmark.documents.policy import load_policy, policy_digest
from hallmark.files import require_outside
from hallmark.gate_report import Check, decide
from hallmark.signing_keys import PUBLIC, fingerprint, password

EXAMPLE = (
    "hallmark keys-rotate --policy=policy --output=next-policy --new-key=new-key --images=live "
    "--password-file=$XDG_RUNTIME_DIR/password"
)


@dataclass(frozen=True, kw_only=True)
class Params:
    policy: Path = path("The validators' folder with policy.yaml and the public keys")
    output: Path = path("New folder for the policy's next edition")
    new_key: Path = path("New folder for cosign.key and cosign.pub")
    images: Path | None = path("File with the live images, `repository@sha256:...` a line", default=None)
    password_file: Path | None = path("File in memory with the new password; left out: $COSIGN_PASSWORD", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    policy_digest: str | None = result("Digest of the next edition, for the list `policies` beside both keys")
    public_key: str | None = result("Name of the new public key in the next edition")


def run(params: Params, context: Context) -> Outcome:
    """Make the pair and the edition.

    Raises:
        BadInputError: as the module says.
        ToolFailedError: cosign failed.
    """
    policy, before = load_policy(params.policy), policy_digest(params.policy)
    images = [] if params.images is None else live_images.read(params.images)
    secret = password(params.password_file)
    # Before there is a key that nobody would look for.
    next_edition.require_new(params.output, params.policy)
    for folder in (params.policy, params.output):
        require_outside(params.new_key, folder, "which everybody may read")
    public = generate(params.new_key, secret)
    name = f"cosign-{fingerprint(public).removeprefix('sha256:')[:12]}.pub"
    keys = [*policy.signing.public_keys, name]
    after = next_edition.write(params.policy, params.output, keys=keys, files={name: public})
    context.say(f"the new public key is {params.new_key / PUBLIC}; in {params.output} it is called {name}")
    context.say(f"the policy's digest changes from {before} to {after}")
    for image in images:
        context.say(f"to be signed again: {image}")
    report = decide(
        "keys-rotate",
        [
            Check(name="public keys", passed=True, value=", ".join(keys)),
            Check(name="policy", passed=True, value=after, limit=f"before: {before}"),
            *(Check(name="to be signed again", passed=True, value=str(image)) for image in images),
        ],
        passed=f"{params.output} takes both keys; {len(images)} images have to be signed again before the old one goes",
        refused="",
        solution="",
        digests={"policy before": before, "policy after": after, "public key": fingerprint(public)},
    )
    return Outcome(report=report, results=Results(policy_digest=after, public_key=name))
