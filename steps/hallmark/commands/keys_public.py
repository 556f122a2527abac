"""keys-public: prints the public part of a signing key, for the validators to put beside their policy.

Reads the private key's folder, or a key by URI (`k8s://namespace/name`, `awskms://...`, `gcpkms://...`, `azurekms://...`,
`hashivault://...`), whose private part never leaves its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.errors import BadInputError
from hallmark.files import write_text
from hallmark.gate_report import Check, decide
from hallmark.signing_keys import KEY, fingerprint, password, read_public
from hallmark.tools import cosign_keys
from hallmark.tools.cosign import KEY_URI, PrivateKey, public_key

EXAMPLE = "hallmark keys-public --key=signing-key --output=policy/cosign.pub"


@dataclass(frozen=True, kw_only=True)
class Params:
    key: str = param("Folder with cosign.key, or the key's URI")
    output: Path | None = path("File for the public key; left out: it is only printed", default=None)
    password_file: Path | None = path("File in memory with the password; left out: $COSIGN_PASSWORD", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    fingerprint: str | None = result("SHA-256 of the public key's DER bytes")


def run(params: Params, context: Context) -> Outcome:
    """Print the public part.

    Raises:
        BadInputError: no key, not its password, or the output's file holds anything else.
        ToolFailedError: a key by URI cannot be opened or reached.
    """
    if KEY_URI.fullmatch(params.key):
        text = public_key(PrivateKey(reference=params.key))
    else:
        text = cosign_keys.public(Path(params.key) / KEY, password(params.password_file))
    public = read_public(text, params.key)
    if params.output is not None:
        _require_free(params.output, public)
        write_text(params.output, public)
    context.say(public.rstrip())
    found = fingerprint(public)
    report = decide(
        "keys-public",
        [Check(name="public key", passed=True, value=found)],
        passed=f"the key is {found}",
        refused="",
        solution="",
        digests={"public key": found},
    )
    return Outcome(report=report, results=Results(fingerprint=found))


def _require_free(file: Path, public: str) -> None:
    """A key is never replaced: what another one has signed would be refused from then on."""
    if file.exists() and not (file.is_file() and file.read_bytes() == public.encode()):
        raise BadInputError(
            f"{file} exists and is not this public key",
            solution="give a new file; `hallmark keys rotate` changes the key of a policy",
        )
