"""What cosign(1) 2.4 to 3.x prints of what fits a key, read strictly: nothing here believes what is said there."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hallmark import unique_json
from hallmark.errors import ToolFailedError

Written = Literal["legacy", "bundle"]
"""How cosign keeps what it signs."""
SIGNATURE_TYPES: Mapping[Written, str] = {
    "legacy": "cosign container image signature",
    "bundle": "https://sigstore.dev/cosign/sign/v1",
}
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = re.compile(r"https://in-toto\.io/Statement/v\d+(\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What a signature that fits is about, not yet believed."""

    digest: str
    repository: str | None
    """Where it was signed, by the legacy format; a bundle does not say."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """An in-toto statement whose signature fits: what it says, not yet believed."""

    predicate_type: str
    digests: tuple[str, ...]
    """The digests of its subjects, `sha256:<hex>`."""
    predicate: Any
    names: tuple[str, ...] = ()
    """The names of its subjects: cosign's are the repository where it was signed."""


def parse_signatures(text: str, kept: Written = "legacy") -> list[Signed]:
    """The signatures in the output of `cosign verify --output=json`; entries of another type do not count.

    Raises:
        ToolFailedError: the output is not what cosign 2.4 to 3.x prints.
    """
    entries = strict_json(text)
    if not isinstance(entries, list):
        raise _unknown("verify")
    found = []
    for entry in entries:
        critical = entry.get("critical") if isinstance(entry, dict) else None
        if isinstance(critical, dict) and critical.get("type") == SIGNATURE_TYPES[kept]:
            image, identity = (critical.get(key) for key in ("image", "identity"))
            found.append(
                Signed(
                    digest=str(image.get("docker-manifest-digest")) if isinstance(image, dict) else "",
                    repository=None if kept == "bundle" else _repository(identity),
                )
            )
    return found


def _repository(identity: Any) -> str:
    """The repository in a legacy signature: cosign writes it with or without a digest."""
    found = identity.get("docker-reference") if isinstance(identity, dict) else None
    return str(found).partition("@")[0] if found else ""


def parse_statements(text: str) -> list[Statement]:
    """The statements in the output of `cosign verify-attestation`: a DSSE envelope on each line.

    Raises:
        ToolFailedError: the output is not what cosign 2.4 to 3.x prints.
    """
    return [_statement(strict_json(line)) for line in text.splitlines() if line.strip()]


def _statement(envelope: Any) -> Statement:
    try:
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise _unknown("verify-attestation")
        content = strict_json(base64.b64decode(envelope["payload"], validate=True).decode())
        if not STATEMENT_TYPE.fullmatch(content["_type"]):
            raise _unknown("verify-attestation")
        return Statement(
            predicate_type=str(content["predicateType"]),
            digests=tuple(f"sha256:{subject['digest']['sha256']}" for subject in content["subject"]),
            predicate=content.get("predicate"),
            names=tuple(str(subject.get("name", "")) for subject in content["subject"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unknown("verify-attestation") from error


def strict_json(text: str) -> Any:
    """What cosign printed. Raises ToolFailedError where it is no JSON that everybody reads alike."""
    try:
        return unique_json.loads(text)
    except ValueError as error:
        raise _unknown("the command") from error


def _unknown(command: str) -> ToolFailedError:
    return ToolFailedError(
        f"the output of cosign's {command} is not understood, so nothing is believed",
        solution="use cosign 2.4 to 3.x, and see who else writes attestations to this repository",
    )
