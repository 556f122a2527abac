"""What sign-image attests beside the verdict, as it is handed over, and whether it says what verify-image asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hallmark.attestations import (
    ATTESTATIONS,
    MAXIMUM_BYTES,
    SBOM_FILE,
    VULNERABILITIES_FILE,
    places,
    predicate_checks,
    read_predicate,
)
from hallmark.documents.policy import Policy
from hallmark.documents.rules_signing import Attestation
from hallmark.errors import BadInputError
from hallmark.files import require_digest, sha256_bytes
from hallmark.gate_report import Check
from hallmark.image_reference import Image
from hallmark.verdict import FILE_NAME, Verdict

MAXIMUM_VERDICT_BYTES = 1 << 20


def verdict_text(folder: Path, digest: str) -> str:
    """The verdict's file as verify-model wrote it. Raises BadInputError: there is none, or another one."""
    return _read(folder, FILE_NAME, MAXIMUM_VERDICT_BYTES, digest).decode("utf-8", "replace")


def _read(folder: Path, name: str, maximum: int, digest: str) -> bytes:
    """A file of which every byte was compared with the digest that was handed over."""
    try:
        with (folder / name).open("rb") as file:
            data = file.read(maximum + 1)
    except OSError as error:
        raise BadInputError(f"cannot read {name} in {folder}", solution="bind the folder of its writer") from error
    if len(data) > maximum:
        raise BadInputError(f"{name} is larger than {maximum} bytes", solution="see what its writer put there")
    require_digest("the verdict" if name == FILE_NAME else name, sha256_bytes(data), digest)
    return data


def given(folder: Path | None, *, sbom: str | None, vulnerabilities: str | None) -> dict[Attestation, dict[str, Any]]:
    """What scan-image wrote about the image into `folder`, as far as the run hands over the files' digests.

    Raises:
        BadInputError: a file is not there, not the one with that digest, or no JSON object.
    """
    files: dict[Attestation, tuple[str, str | None]] = {
        "sbom": (SBOM_FILE, sbom),
        "vulnerabilities": (VULNERABILITIES_FILE, vulnerabilities),
    }
    found: dict[Attestation, dict[str, Any]] = {}
    for kind, (name, digest) in files.items():
        if digest is None:
            continue
        if folder is None:
            raise BadInputError(f"the digest of {name} is given, and no folder", solution="bind the workspace sbom")
        found[kind] = read_predicate(name, _read(folder, name, MAXIMUM_BYTES, digest))
    return found


def attestation_checks(
    policy: Policy, verdict: Verdict, released: Image, ready: Mapping[Attestation, dict[str, Any]]
) -> list[Check]:
    """Whether there is all that the policy wants attested, and says what verify-image will ask for."""
    missing = [kind for kind in policy.signing.attestations if kind != "verdict" and kind not in ready]
    there = Check(
        name=ATTESTATIONS,
        passed=not missing,
        value=f"without {', '.join(missing)}" if missing else ", ".join(["verdict", *ready]),
        limit=", ".join(policy.signing.attestations),
    )
    allowed = places(released, policy)
    return [
        there,
        *(
            check
            for kind, predicate in ready.items()
            for check in predicate_checks(kind, predicate, verdict, released, policy, allowed)
        ),
    ]
