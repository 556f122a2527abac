"""sign-model: signs the model's folder by OpenSSF model-signing, before anybody has judged the model.

The signature says: this platform's pipeline took these files from the training of this commit. It does not say that the
model is good; that is the verdict's. build-image asks for it where the policy names `signing.modelKeys`, and bakes it
beside the model, so that a server can ask for it again at its start.

Runs in a pod of its own: train runs the repository's code and holds no key, and the key that signs releases is another
one. The folder is compared with what train handed over before anything is signed.
Refuses (bad input): other files, or another model, metadata or source than those that were handed over; a key that is
not encrypted or does not open.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hallmark import left_behind, model_keys, model_signature
from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.errors import BadInputError
from hallmark.files import require_digest, require_outside, sha256_bytes, write_bytes
from hallmark.gate_report import Check, decide
from hallmark.model_signature import METADATA, SIGNATURE
from hallmark.signing_keys import MODEL_KEY, MODEL_PASSWORD, fingerprint

EXAMPLE = (
    "hallmark sign-model --model=run/model --signature=run/signature --signing-key=model-key "
    "--source-digest=sha256:... --model-digest=sha256:... --metadata-digest=sha256:..."
)
MAXIMUM_METADATA_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Params:
    source_digest: str = param("Digest of the source, from fetch-source")
    model_digest: str = param("Digest of the model file, from train")
    metadata_digest: str = param("Digest of training.json, from train")
    model: Path = path("Folder with model.<format> and training.json")
    signing_key: Path = path("Folder with model.key and model.password")
    signature: Path = path("Folder that takes model.sig")


@dataclass(frozen=True, kw_only=True)
class Results:
    model_signature_digest: str | None = result("Digest of model.sig")


def run(params: Params, context: Context) -> Outcome:
    """Compare, then sign.

    Raises:
        BadInputError: as the module says.
        ToolFailedError: this machine cannot sign by RFC 6979.
    """
    require_outside(params.signature, params.model, "which is signed as it is")
    key, password = _key(params.signing_key)
    found = model_signature.read_folder(params.model)
    model = model_signature.model_name(found)
    require_digest("the model", found[model], params.model_digest)
    require_digest(METADATA, found[METADATA], params.metadata_digest)
    name = _name(params)
    signed = model_signature.sign(found, name, key, password)
    write_bytes(params.signature / SIGNATURE, signed)
    digests = {
        "source": params.source_digest,
        "model": params.model_digest,
        "metadata": params.metadata_digest,
        "signature": sha256_bytes(signed),
        "public key": fingerprint(model_keys.public(key, password)),
    }
    report = decide(
        "sign-model",
        [
            Check(name="signed", passed=True, value=f"{file}, {digest}", limit="as train handed it over")
            for file, digest in sorted(found.items())
        ],
        passed=f"the folder of {name} is signed by the key {digests['public key']}",
        refused="",
        solution="",
        digests=digests,
    )
    return Outcome(report=report, results=Results(model_signature_digest=digests["signature"]))


def _key(folder: Path) -> tuple[Path, str]:
    """The private key's file, and its password."""
    try:
        password = (folder / MODEL_PASSWORD).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        password = ""
    if not password or not (folder / MODEL_KEY).is_file():
        raise BadInputError(
            f"the key's folder lacks {MODEL_KEY if password else MODEL_PASSWORD}",
            solution="put both into the Secret with `hallmark keys-store --signs=model`",
        )
    return folder / MODEL_KEY, password


def _name(params: Params) -> str:
    """The model's name in training.json, which has to be about the model and the source that were handed over."""
    data = left_behind.read(params.model / METADATA, what=METADATA, maximum=MAXIMUM_METADATA_BYTES)
    require_digest(METADATA, sha256_bytes(data), params.metadata_digest)
    try:
        told = json.loads(data)
        model, source, name = told["model"]["digest"], told["source"]["digest"], told["model"]["name"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{METADATA} is not what train writes", solution="let train write it") from error
    require_digest(f"the model of {METADATA}", str(model), params.model_digest)
    require_digest(f"the source of {METADATA}", str(source), params.source_digest)
    return str(name)
