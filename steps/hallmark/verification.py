"""Whether one image may be deployed: its signature, and everything that the policy wants attested about it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hallmark.attestations import places, predicate_checks, statement_checks
from hallmark.documents.policy import Policy
from hallmark.documents.rules_signing import Attestation
from hallmark.errors import BadInputError
from hallmark.gate_report import Check
from hallmark.image_parts import Part
from hallmark.image_reference import Image
from hallmark.release import verdict_checks
from hallmark.signatures import attested, nothing, signature_checks
from hallmark.tools import skopeo
from hallmark.tools.cosign import Answer, Cosign, Signer
from hallmark.tools.cosign_output import Statement
from hallmark.verdict import Verdict, read_verdict, this_second


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of an image; None of commit and model: any."""

    policy: Policy
    policy_digest: str
    commit: str | None = None
    model_digest: str | None = None


def release_checks(
    tool: Cosign, whole: Image, parts: Sequence[Part], known: Mapping[str, Signer], asked: Asked
) -> list[Check]:
    """The checks on an image; of a list also those on every image in it, as if that were deployed alone.

    Args:
        parts: what `whole` stands for (`image_parts.parts_of`).
    """
    checks = image_checks(tool, whole, known, asked)
    for part in parts:
        if part.image != whole:
            found = image_checks(tool, part.image, known, asked)
            checks += [dataclasses.replace(check, name=f"{part.platform}: {check.name}") for check in found]
    return checks


def image_checks(tool: Cosign, image: Image, known: Mapping[str, Signer], asked: Asked) -> list[Check]:
    """The checks on signature and attestations of `image`; it may be deployed only if all of them pass."""
    kinds = asked.policy.signing.attestations
    with ThreadPoolExecutor(max_workers=1) as pool:
        signed = pool.submit(signature_checks, tool, image, known, asked.policy)
        answers = [attested(tool, image, known, kinds, kept) for kept in tool.read]
        checks = signed.result()
    for found in answers:
        checks += _attested(found, image, known, asked)
    return checks


def first_failed(checks: list[Check], image: Image, registry: skopeo.Registry) -> Check | None:
    """The first of the checks on `image` that failed, if any.

    cosign has one exit code for "nothing fits" and "no connection", and only the first may become a refusal: so the
    registry has to answer before it does. Raises ToolFailedError where it does not.
    """
    failed = next((check for check in checks if not check.passed), None)
    if failed is not None:
        skopeo.require(image, registry)
    return failed


def _attested(
    answers: Mapping[Attestation, Answer], image: Image, known: Mapping[str, Signer], asked: Asked
) -> list[Check]:
    """The checks on the first verdict that passes them together with all that is attested beside it, or else on the
    one of which the most hold."""
    found = answers["verdict"].found
    best = [nothing("verdict", answers["verdict"], known)]
    for number, statement in enumerate(found):
        checks, verdict = _verdict(statement, image, asked)
        if verdict is not None:
            for kind in asked.policy.signing.attestations:
                if kind != "verdict":
                    checks += _beside(kind, answers[kind], image, verdict, known, asked.policy)
        if number == 0 or _failed(checks) <= _failed(best):
            best = checks
        if not _failed(checks):
            break
    return best


def _failed(checks: list[Check]) -> int:
    return sum(not check.passed for check in checks)


def _verdict(statement: Statement, image: Image, asked: Asked) -> tuple[list[Check], Verdict | None]:
    checks = statement_checks("verdict", statement, image, places(image, asked.policy))
    try:
        verdict = read_verdict(json.dumps(statement.predicate), name="the attestation's predicate")
    except BadInputError as error:
        unread = Check(name="verdict", passed=False, value=error.message, limit="as verify-model writes it")
        return [*checks, unread], None
    checks += verdict_checks(
        verdict,
        policy=asked.policy,
        policy_digest=asked.policy_digest,
        image_digest=image.digest,
        commit=asked.commit,
        model_digest=asked.model_digest,
        now=this_second(),
        trusted=asked.policy.signing.trusted_policies,
    )
    return checks, verdict


def _beside(
    kind: Attestation, answer: Answer, image: Image, verdict: Verdict, known: Mapping[str, Signer], policy: Policy
) -> list[Check]:
    """The checks on the first statement of a kind that passes them all, or else on the last one."""
    checks, allowed = [nothing(kind, answer, known)], places(image, policy)
    for statement in answer.found:
        checks = statement_checks(kind, statement, image, allowed)
        checks += predicate_checks(kind, statement.predicate, verdict, image, policy, allowed)
        if not _failed(checks):
            break
    return checks
