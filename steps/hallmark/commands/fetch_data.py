"""fetch-data: fetches the policy's independent data from where it lies to a folder of the run.

The only task that has the data's credential. It parses nothing, and no byte of the model's repository is near it; the
tasks that read the data have no network. Runs only where the policy names a location that has to be fetched (S3, HTTP,
PostgreSQL).

Trusts the policy, which says to whom the credential is sent; where the credential's owner lists the policies that may
use it, no other. Refuses data whose digest is not the policy's: nothing of it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hallmark.command import Context, Outcome
from hallmark.contract import param, path
from hallmark.documents.policy import load_policy
from hallmark.documents.rules_inputs import is_remote
from hallmark.errors import BadInputError
from hallmark.gate_report import decide
from hallmark.inputs.checks import identity_check
from hallmark.inputs.errors import WrongDigestError
from hallmark.inputs.fetching import shown
from hallmark.inputs.kept import keep
from hallmark.release import require_accepted


@dataclass(frozen=True, kw_only=True)
class Params:
    policy_digest: str = param("Digest of the policy's folder, from fetch-source")
    policy: Path = path("The validators' folder")
    fetched: Path = path("Folder for the independent data, as it is")
    credential: Path | None = path(
        "Folder with `access-key` and `secret-key` (S3), `username` and `password` (PostgreSQL), or `token` (HTTP); if "
        "it has `policies`, a list of digests, it is used for no other policy",
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class Results:
    """None: the policy names the digest, and every reader recomputes it."""


EXAMPLE = "hallmark fetch-data --policy=policy --fetched=run/fetched --credential=secret --policy-digest=sha256:..."


def run(params: Params, context: Context) -> Outcome:
    """Fetch, compare the digest, and keep."""
    rules = load_policy(params.policy, expected_digest=params.policy_digest).data.independent
    location = shown(rules.path)
    if not is_remote(rules.path):
        raise BadInputError(
            f"data.independent.path in policy.yaml, {location}, lies in the validators' data folder, where it"
            " need not be fetched from",
            solution="leave fetch-data out, or name a location such as s3://bucket/key",
        )
    require_accepted(params.credential, params.policy_digest, "the data's credential")
    context.say(f"fetch-data: fetching {location}")
    what = f"the independent data {location}"
    try:
        found = keep(rules.path, params.fetched, rules=rules, credential=params.credential, what=what)
    except WrongDigestError as error:
        found = error.found
    report = decide(
        "fetch-data",
        [identity_check(what, found=found, expected=rules.sha256)],
        passed=f"{location} was fetched",
        refused=f"{location} is not the data that the policy names: its digest is {found}",
        solution="restore the data, or let the policy's owners change data.independent.sha256",
        digests={"policy": params.policy_digest, "independent-data": found},
    )
    return Outcome(report=report, results=Results())
