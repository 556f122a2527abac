"""What cosign finds of an image under the policy's keys: signatures, and statements that may be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from hallmark.attestations import RELOCATED, TYPES, normal, places, statement_checks
from hallmark.documents.policy import Policy
from hallmark.documents.rules_signing import Attestation
from hallmark.errors import BadInputError
from hallmark.files import inside
from hallmark.gate_report import Check
from hallmark.image_reference import Image
from hallmark.release import public_keys
from hallmark.tools.cosign import Answer, Cosign, Signer
from hallmark.tools.cosign_output import Statement, Written

T = TypeVar("T")
AT_ONCE = 4
"""Processes of cosign that run at a time; they mostly wait for the registry."""


def signers(policy: Policy, folder: Path) -> dict[str, Signer]:
    """Who may have signed, by the name that people know: a key's file, or an identity.

    Raises:
        BadInputError: a key or the trusted root is not beside the policy.
    """
    found = {name: Signer(public_key=file) for name, file in public_keys(policy, folder).items()}
    root = None if policy.signing.trusted_root is None else inside(folder, policy.signing.trusted_root)
    if root is not None and not root.is_file():
        raise BadInputError(
            f"the policy names {policy.signing.trusted_root}, which is not there",
            solution="put sigstore's trusted_root.json beside the policy",
        )
    for known in policy.signing.keyless:
        signer = Signer(identity=known.identity, issuer=known.issuer, trusted_root=root)
        found[f"{known.identity} of {known.issuer}"] = signer
    return found


def signature_checks(tool: Cosign, image: Image, known: Mapping[str, Signer], policy: Policy) -> list[Check]:
    """Whether one of `known` has signed exactly this digest, for this place: a check for each format."""
    several = len(tool.read) > 1
    return [
        signature_check(tool, image, known, policy, kept, title=f"signature ({kept})" if several else "signature")
        for kept in tool.read
    ]


def signature_check(
    tool: Cosign, image: Image, known: Mapping[str, Signer], policy: Policy, kept: Written, *, title: str = "signature"
) -> Check:
    """The same for one format."""
    answers = at_once(lambda name: tool.signatures(image, known[name], kept), list(known))
    limit, allowed = f"by one of {', '.join(answers)}", places(image, policy)
    words, elsewhere = "", ""
    for name, answer in answers.items():
        words = words or answer.words
        for signed in answer.found:
            if signed.digest != image.digest:
                words = words or OTHER
            elif signed.repository is None or normal(signed.repository) in allowed:
                return Check(name=title, passed=True, value=f"fits {name}", limit=limit)
            else:
                elsewhere = signed.repository
    if elsewhere:
        value = f"made for {elsewhere}"
        return Check(name=title, passed=False, value=value, limit=f"for one of {', '.join(allowed)}", detail=RELOCATED)
    return Check(name=title, passed=False, value=words or "no signature among what fits", limit=limit)


OTHER = "what is signed is another image"


def attested(
    tool: Cosign, image: Image, known: Mapping[str, Signer], kinds: Iterable[Attestation], kept: Written
) -> dict[Attestation, Answer]:
    """The statements of each kind by one of `known`, in one format; cosign's words where there are none."""
    asked = [(kind, name) for kind in kinds for name in known]
    answers = at_once(lambda one: tool.statements(image, known[one[1]], TYPES[one[0]], kept), asked)
    found: dict[Attestation, Answer] = {}
    for (kind, _), answer in answers.items():
        before = found.get(kind, Answer())
        found[kind] = Answer(found=before.found + answer.found, words=before.words or answer.words)
    return found


def verdicts(tool: Cosign, image: Image, known: Mapping[str, Signer]) -> tuple[list[Statement], Check]:
    """The statements that call themselves a verdict, and what is said where there are none."""
    answer = attested(tool, image, known, ["verdict"], tool.read[-1])["verdict"]
    return list(answer.found), nothing("verdict", answer, known)


def is_about(kind: Attestation, statement: Statement, image: Image, policy: Policy) -> bool:
    """Whether a statement is of its kind, about this image, and made where the policy lets it be made."""
    return all(check.passed for check in statement_checks(kind, statement, image, places(image, policy)))


def nothing(kind: Attestation, answer: Answer, known: Mapping[str, Signer]) -> Check:
    """What is said where nobody attested something."""
    return Check(
        name="attestation" if kind == "verdict" else f"attestation of {kind}",
        passed=False,
        value=answer.words or "none",
        limit=f"a {kind} by one of {', '.join(known)}" if kind == "verdict" else f"by one of {', '.join(known)}",
    )


def at_once(ask: Callable[[T], Answer], asked: list[T]) -> dict[T, Answer]:
    """The answer to each question; the first error of one of them is raised."""
    if len(asked) == 1:
        return {asked[0]: ask(asked[0])}
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return dict(zip(asked, pool.map(ask, asked), strict=True))
