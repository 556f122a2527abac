"""What cosign finds of an image under the policy's keys: a signature, and verdicts that may be believed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hallmark.gate_report import Check
from hallmark.image_reference import Image
from hallmark.tools.cosign import Answer, Cosign, Statement
from hallmark.verdict import PREDICATE_TYPE


def signature_check(tool: Cosign, image: Image, keys: Mapping[str, Path]) -> Check:
    """Whether one of the keys has signed exactly this digest."""
    words = ""
    for name, key in keys.items():
        answer = tool.signed_digests(image, key)
        words = words or answer.words
        if image.digest in answer.found:
            return Check(name="signature", passed=True, value=f"fits {name}", limit=f"by one of {', '.join(keys)}")
    found = words or "what is signed is another image"
    return Check(name="signature", passed=False, value=found, limit=f"by one of {', '.join(keys)}")


def attested(tool: Cosign, image: Image, keys: Mapping[str, Path]) -> tuple[list[Statement], Check]:
    """The statements by one of the keys that call themselves a verdict, and what is said where there are none."""
    answers: list[Answer] = [tool.statements(image, key, PREDICATE_TYPE) for key in keys.values()]
    none = Check(
        name="attestation",
        passed=False,
        value=next((answer.words for answer in answers if answer.words), "none"),
        limit=f"a verdict by one of {', '.join(keys)}",
    )
    return [statement for answer in answers for statement in answer.found], none


def statement_checks(statement: Statement, image: Image) -> list[Check]:
    """Whether a statement is a verdict's, and about this image."""
    return [
        Check(
            name="attestation",
            passed=statement.predicate_type == PREDICATE_TYPE,
            value=statement.predicate_type,
            limit=PREDICATE_TYPE,
        ),
        Check(
            name="attestation's subject",
            passed=image.digest in statement.digests,
            value=", ".join(statement.digests[:3]),
            limit=image.digest,
        ),
    ]
