"""keys-generate: makes the key pair that signs releases: `cosign.key`, encrypted, and `cosign.pub`.

It is made in memory by cosign; only the encrypted key is written, with mode 0600. Give the public part to the
validators, who put it beside their policy, and the private one to `hallmark keys store`. With `--signs=model` it is the
pair that signs models' folders, `model.key` (PKCS#8) and `model.pub`, made in this process.

Refuses (bad input) to replace a key, a password that is missing, short, or in a file on a disk.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hallmark import model_keys
from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.errors import BadInputError
from hallmark.files import write_text
from hallmark.gate_report import Check, decide
from hallmark.signing_keys import (
    KEY,
    MODEL_KEY,
    MODEL_PUBLIC,
    PUBLIC,
    RELEASE,
    fingerprint,
    password,
    read_public,
    scratch,
    signs_models,
)
from hallmark.tools import cosign_keys

EXAMPLE = "hallmark keys-generate --output=new-key --password-file=$XDG_RUNTIME_DIR/password"


@dataclass(frozen=True, kw_only=True)
class Params:
    output: Path = path("Folder for cosign.key and cosign.pub, or model.key and model.pub")
    signs: str = param("What the key signs: release or model", default=RELEASE)
    password_file: Path | None = path("File in memory with the password; left out: $COSIGN_PASSWORD", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    fingerprint: str | None = result("SHA-256 of the public key's DER bytes")


def run(params: Params, context: Context) -> Outcome:
    """Make the pair.

    Raises:
        BadInputError: there is a key, or no password that will do.
        ToolFailedError: cosign failed.
    """
    model = signs_models(params.signs)
    secret = password(params.password_file)
    public = generate_model_key(params.output, secret) if model else generate(params.output, secret)
    names = (MODEL_KEY, MODEL_PUBLIC) if model else (KEY, PUBLIC)
    found = fingerprint(public)
    report = decide(
        "keys-generate",
        [Check(name=name, passed=True, value=str(params.output / name)) for name in names],
        passed=f"the key pair {found} is made; its private part is encrypted",
        refused="",
        solution="",
        digests={"public key": found},
    )
    return Outcome(report=report, results=Results(fingerprint=found))


def generate(folder: Path, secret: str) -> str:
    """Make a key pair in `folder` and return its public part; a pair is whole as soon as its private key is there.

    Raises:
        BadInputError: the folder holds a key.
        ToolFailedError: cosign failed.
    """
    _require_new(folder, KEY, PUBLIC)
    with scratch() as fresh:
        cosign_keys.generate(fresh, secret)
        public = read_public((fresh / PUBLIC).read_text(encoding="ascii"), "what cosign made")
        write_text(folder / PUBLIC, public)
        write_private(folder / KEY, (fresh / KEY).read_text(encoding="ascii"))
    return public


def generate_model_key(folder: Path, secret: str) -> str:
    """The same for a pair that signs models; in the clear it is in this process only.

    Raises:
        BadInputError: the folder holds a key.
    """
    _require_new(folder, MODEL_KEY, MODEL_PUBLIC)
    private, public = model_keys.generate(secret)
    write_text(folder / MODEL_PUBLIC, public)
    write_private(folder / MODEL_KEY, private)
    return public


def _require_new(folder: Path, *names: str) -> None:
    there = [name for name in names if (folder / name).exists()]
    if there:
        raise BadInputError(
            f"{folder} holds {' and '.join(there)}, and a key is never replaced",
            solution="give a new folder; what an old key has signed has to be signed again before it goes",
        )


def write_private(target: Path, text: str) -> None:
    """Write an encrypted key so that only its owner can read it, at no moment anybody else."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
