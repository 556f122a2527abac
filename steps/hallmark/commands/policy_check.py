"""policy-check: tells a policy's owner what the policy asks, before any model is judged by it.

Reads the whole folder as a run would: policy.yaml with every level that it extends, the suites, the reference profile
and the baseline beside it, and the public keys. Prints every key with its value, and whether that was given (file and
line) or is a default. Hands out the folder's digest, which the owner of the signing key puts on the list of accepted
policies.

Refuses (bad input) a mistake in any of these files, with file, line and column, a level that loosens what a higher one
asks for, and, where the independent data is given, a column or class that it does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hallmark.command import Context, Outcome
from hallmark.contract import path, result
from hallmark.documents.keys import Key, keys_of
from hallmark.documents.loading import validate
from hallmark.documents.policy import Policy, policy_digest, policy_nodes
from hallmark.files import inside
from hallmark.gate_report import Check, decide
from hallmark.release import transparency_log
from hallmark.signatures import signers
from hallmark.signing_keys import require_public_only

EXAMPLE = "hallmark policy-check --policy=policy --data=data"


@dataclass(frozen=True, kw_only=True)
class Params:
    policy: Path = path("The validators' folder with policy.yaml and what it names")
    data: Path | None = path(
        "The validators' data folder, or what fetch-data wrote: have the columns and classes looked up in it",
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class Results:
    policy_digest: str | None = result("Digest of the folder, for the list `policies` beside the signing key")


def run(params: Params, context: Context) -> Outcome:
    """Read and print the policy.

    `figures` holds `keys` [{name, value, place, description, lower_levels}]; `place` is empty for a default.

    Raises:
        BadInputError: a mistake in the policy or in a file that it names.
    """
    digest = policy_digest(params.policy)
    root = policy_nodes(params.policy)
    policy = validate(root, Policy)
    keys = keys_of(policy, root)
    given = sum(bool(key.place) for key in keys)
    # Before the files beside it are looked for: a key may be put there later.
    context.say(table(keys))
    checks = [
        Check(name="policy.yaml", passed=True, value=f"{given} keys given, {len(keys) - given} by default"),
        *_named(policy, params.policy),
        _known(policy, params),
    ]
    report = decide(
        "policy-check",
        checks,
        passed=f"the policy for {policy.metadata.name} can be used; its digest is {digest}",
        refused="",
        solution="",
        figures={"keys": [asdict(key) for key in keys]},
        digests={"policy": digest},
    )
    return Outcome(report=report, results=Results(policy_digest=digest))


def table(keys: list[Key]) -> str:
    """The keys for a terminal: value, where it comes from, and on a line of its own what it means."""
    lines = []
    for key in keys:
        lines.append(f"{key.name}: {key.value}  ({key.place or 'default'})")
        if key.description:
            lines.append(f"    {key.description}")
    return "\n".join(lines)


def _named(policy: Policy, folder: Path) -> Iterator[Check]:
    """The files that the policy names beside itself, each read as the gate that needs it reads it."""
    require_public_only(folder)
    known = signers(policy, folder)
    if keys := [name for name, one in known.items() if one.public_key]:
        yield Check(name="public keys", passed=True, value=", ".join(keys))
    if identities := [name for name, one in known.items() if one.identity]:
        yield Check(name="identities", passed=True, value=", ".join(identities))
    if (log := transparency_log(policy, folder)) is not None:
        yield Check(name="transparency log", passed=True, value=log.url)
    if policy.signing.model_keys:
        from hallmark.model_signature import usable_keys

        usable = usable_keys({name: inside(folder, name) for name in policy.signing.model_keys})
        yield Check(name="model keys", passed=True, value=", ".join(usable))
    data = policy.data
    suites = [file for file in (data.training_suite, data.independent.suite) if file is not None]
    if suites:
        from hallmark.expectations.suite import load_suite

        for file in suites:
            load_suite(folder, file)
            yield Check(name="suite", passed=True, value=file)
    if data.drift is not None and data.drift.reference != "training":
        from hallmark.drift.profile import read_profile

        read_profile(inside(folder, data.drift.reference))
        yield Check(name="reference profile", passed=True, value=data.drift.reference)
    if policy.code.baseline is not None:
        from hallmark.code_gate.baseline import load
        from hallmark.code_gate.examination import TOOLS

        accepted = load(folder, policy.code.baseline, TOOLS).accepted
        yield Check(name="baseline", passed=True, value=f"{policy.code.baseline}: {len(accepted)} accepted findings")


def _known(policy: Policy, params: Params) -> Check:
    """Whether the names in the policy exist: in the independent data, where that is given."""
    # polars, which nothing else needs here.
    from hallmark.datasets import open_independent
    from hallmark.named import require_named

    name = "columns and classes that are named"
    if params.data is None:
        require_named(policy, params.policy, model=None, data=[])
        return Check(name=name, passed=True, value="not looked up in any data: give --data for that")
    with open_independent(params.data, params.data, policy) as independent:
        require_named(policy, params.policy, model=None, data=[independent])
        return Check(name=name, passed=True, value=f"all are in {independent.file}")
