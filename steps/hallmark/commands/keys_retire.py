"""keys-retire: ends the change of a signing key: an edition of the policy without the old one, once nothing needs it.

Every live image is verified by the new edition, as before a deployment; while one of them is not signed by a key that
stays, the edition is not written. After it is published and the admission manifests are written anew, what only the old
key signed is refused.

Refuses an image that would be refused; (bad input) a key that the policy does not name, and its last one.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from hallmark import live_images, next_edition
from hallmark.command import Context, Outcome
from hallmark.commands import verify_image
from hallmark.contract import param, path, result
from hallmark.documents.policy import load_policy, policy_digest
from hallmark.errors import BadInputError
from hallmark.gate_report import Check, decide

EXAMPLE = (
    "hallmark keys-retire --key=cosign.pub --policy=next-policy --output=last-policy --images=live "
    "--credential=releases"
)


@dataclass(frozen=True, kw_only=True)
class Params:
    key: str = param("Name of the public key that goes, as the policy has it")
    policy: Path = path("The policy's edition that names the old key and the new one")
    output: Path = path("New folder for the edition without the old key")
    images: Path = path("File with the live images, `repository@sha256:...` a line")
    tls_verify: bool = param('"false" only for a registry on plain HTTP, on one machine', default=True)
    credential: Path | None = path("Folder with docker's config.json, good to read the images", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    policy_digest: str | None = result("Digest of the new edition; not written where an image still needs the key")


def run(params: Params, context: Context) -> Outcome:
    """Verify all images by the new edition, and write it.

    Raises:
        BadInputError: as the module says.
        ToolFailedError: the registry does not answer.
    """
    policy, before = load_policy(params.policy), policy_digest(params.policy)
    images = live_images.read(params.images)
    left = [name for name in policy.signing.public_keys if name != params.key]
    if len(left) == len(policy.signing.public_keys) or not left:
        raise BadInputError(
            f"{params.key} cannot go: the policy names {', '.join(policy.signing.public_keys)}",
            solution="name one of several; `hallmark keys rotate` adds a new one",
        )
    next_edition.require_new(params.output, params.policy)
    with tempfile.TemporaryDirectory(prefix="hallmark-edition-") as folder:
        trial = Path(folder) / "policy"
        digest = next_edition.write(params.policy, trial, keys=left, files={})
        checks = []
        for image in images:
            asked = verify_image.Params(
                image=str(image),
                policy_digest=digest,
                tls_verify=params.tls_verify,
                policy=trial,
                credential=params.credential,
            )
            found = verify_image.run(asked, context).report
            checks.append(Check(name=str(image), passed=found.exit_code == 0, value=found.summary))
    if all(check.passed for check in checks):
        next_edition.write(params.policy, params.output, keys=left, files={})
        context.say(f"the policy's digest changes from {before} to {digest}")
    report = decide(
        "keys-retire",
        checks,
        passed=f"{params.output} takes {', '.join(left)} only; nothing live needs {params.key}",
        refused=f"{params.key} is still needed",
        solution="sign these images again with `hallmark keys resign`, or deliver their commits again",
        digests={"policy before": before, "policy after": digest},
    )
    return Outcome(report=report, results=Results(policy_digest=digest if report.exit_code == 0 else None))
