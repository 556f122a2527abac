"""keys-public: prints the public part of a signing key, for the validators to put beside their policy.

Reads the private key's folder, or a key by URI (`k8s://namespace/name`, `awskms://...`, `gcpkms://...`, `azurekms://...`,
`hashivault://...`), whose private part never leaves its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
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
        BadInputError: no password.
        ToolFailedError: the key cannot be opened or reached.
    """
    if KEY_URI.fullmatch(params.key):
        text = public_key(PrivateKey(reference=params.key))
    else:
        text = cosign_keys.public(Path(params.key) / KEY, password(params.password_file))
    public = read_public(text, params.key)
    context.say(public.rstrip())
    if params.output is not None:
        write_text(params.output, public)
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
