"""The signature of a model's folder, by OpenSSF model-signing (https://github.com/sigstore/model-transparency).

`model.sig` is a sigstore bundle (v0.3) with a DSSE envelope around an in-toto statement: the name and SHA-256 of every
file of the folder (predicate https://model_signing/signature/v1.0), signed with a key on P-256, P-384 or P-521. The
library reads the folder, makes the statement and verifies. Its signer is not used, for two signatures of one folder
differ: the order of what it writes is not fixed, and ECDSA draws a number. The signature lies in the image, so that one
commit would have another image each time. Ours has the statement in one order, and the number by RFC 6979.

The library is imported where it is used: that takes a second.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hallmark import model_keys
from hallmark.errors import BadInputError, ToolFailedError

SIGNATURE = "model.sig"
METADATA = "training.json"
"""What train writes beside the model: source and data that it was made of. It is signed with the model."""
MAXIMUM_BYTES = 1 << 20
"""Of a signature; one of a folder with two files has two thousand."""


class NotVerifiedError(Exception):
    """The signature does not hold for the folder; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a key has signed: the digest of each file by its name."""

    key: str
    """The name of the public key's file."""
    files: Mapping[str, str]


def model_name(files: Mapping[str, str]) -> str:
    """The name of the model's file in a folder that train wrote: `model.<format>`, beside training.json.

    Raises:
        BadInputError: the folder holds anything else.
    """
    others = sorted(set(files) - {METADATA})
    if METADATA in files and len(others) == 1 and others[0].startswith("model.") and others[0] != SIGNATURE:
        return others[0]
    raise BadInputError(
        f"the model's folder holds {', '.join(sorted(files)[:5]) or 'nothing'}",
        solution=f"bind the folder that train wrote: model.<format> and {METADATA}, and no more",
    )


def read_folder(folder: Path) -> dict[str, str]:
    """The digest of every file below `folder` by its path there, as the library reads it.

    Raises:
        BadInputError: it is no folder, cannot be read, or holds a link.
    """
    if not folder.is_dir():
        raise BadInputError(f"{folder} is not a folder", solution="bind the folder that train wrote")
    try:
        manifest = _hashing().hash(folder)
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"the model's folder cannot be read: {_first_line(error)}", solution="bind the folder that train wrote"
        ) from error
    return {entry.identifier: f"sha256:{entry.digest.digest_hex}" for entry in manifest.resource_descriptors()}


def sign(files: Mapping[str, str], name: str, key: Path, password: str) -> bytes:
    """The bundle that says that these files are the model `name`; the same bytes for the same files and key.

    Args:
        files: digests by name, from `read_folder`, compared with what was handed over.
        key: PKCS#8 in PEM, encrypted.

    Raises:
        BadInputError: the key is not encrypted, the password is not its own, or it is on another curve.
        ToolFailedError: this machine's OpenSSL is too old for RFC 6979.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from model_signing._signing.sign_ec_key import get_ec_key_hash
    from model_signing._signing.sign_sigstore_pb import pae
    from model_signing._signing.signing import _IN_TOTO_JSON_PAYLOAD_TYPE
    from sigstore_models.bundle.v1 import Bundle, VerificationMaterial
    from sigstore_models.common.v1 import PublicKeyIdentifier
    from sigstore_models.intoto import Envelope, Signature

    statement = json.dumps(_statement(files, name), sort_keys=True, separators=(",", ":")).encode()
    private = model_keys.opened(key, password)
    how = ec.ECDSA(get_ec_key_hash(private.public_key()), deterministic_signing=True)
    try:
        signed = private.sign(pae(statement), how)
    except UnsupportedAlgorithm as error:
        raise ToolFailedError(
            "this machine's OpenSSL cannot sign by RFC 6979", solution="use OpenSSL 3.2, or cryptography's own wheel"
        ) from error
    hint = hashlib.sha256(model_keys.public_pem(private).encode()).hexdigest()
    bundle = Bundle(
        media_type="application/vnd.dev.sigstore.bundle.v0.3+json",
        verification_material=VerificationMaterial(public_key=PublicKeyIdentifier(hint=hint), tlog_entries=[]),
        dsse_envelope=Envelope(
            payload=base64.b64encode(statement),
            payload_type=_IN_TOTO_JSON_PAYLOAD_TYPE,
            signatures=[Signature(sig=base64.b64encode(signed), keyid="")],
        ),
    )
    return f"{bundle.to_json()}\n".encode()


def verify(folder: Path, signature: bytes, keys: Mapping[str, Path]) -> Verified:
    """What one of `keys` has signed, if that is every file of `folder`, and no other.

    Args:
        keys: public keys (PEM) by their name.

    Raises:
        NotVerifiedError: the signature is none, is by another key, or is about another folder.
        BadInputError: a key is none that a model can be signed with, or the folder cannot be read.
    """
    found = read_folder(folder)
    usable = usable_keys(keys)
    reasons = []
    for name, verifier in usable.items():
        try:
            files = _signed(verifier, signature)
        except NotVerifiedError as error:
            reasons.append(f"{name}: {error}")
            continue
        if differing := _differences(found, files):
            raise NotVerifiedError(f"{name} has signed another folder: {differing}")
        return Verified(key=name, files=files)
    raise NotVerifiedError("; ".join(reasons) or "there is no key to verify it with")


def usable_keys(keys: Mapping[str, Path]) -> dict[str, Any]:
    """The library's verifier for each key. Raises BadInputError where one is none that a model can be signed with."""
    return {name: _verifier(name, path) for name, path in keys.items()}


def _hashing() -> Any:
    from model_signing import hashing

    # What the signature itself asks to be left out is not left out: this knows what belongs into the folder.
    plain = hashing.Config()  # type: ignore[no-untyped-call]
    return plain.use_file_serialization().set_ignored_paths(paths=[], ignore_git_paths=False)


def _statement(files: Mapping[str, str], name: str) -> dict[str, Any]:
    """The statement as the library's `Payload` makes it, with the model's own name for that of its folder."""
    from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
    from model_signing import manifest
    from model_signing._hashing.hashing import Digest
    from model_signing._signing.signing import Payload

    items = [
        manifest.FileManifestItem(path=Path(path), digest=Digest("sha256", bytes.fromhex(digest[len("sha256:") :])))
        for path, digest in files.items()
    ]
    told = Payload(manifest.Manifest(name, items, manifest._FileSerialization("sha256")))
    statement: dict[str, Any] = MessageToDict(told.statement.pb)
    return statement


def _verifier(name: str, path: Path) -> Any:
    from model_signing._signing import sign_ec_key

    try:
        return sign_ec_key.Verifier(path)
    except (OSError, ValueError, AttributeError) as error:
        raise BadInputError(
            f"signing.modelKeys: {name} is no public key that a model can be signed with",
            solution="put the model.pub of `hallmark keys-generate --signs=model` beside the policy",
        ) from error


def _signed(verifier: Any, signature: bytes) -> dict[str, str]:
    """The digests of the files that the verifier's key has signed.

    The bundle comes from a volume: whatever the library makes of it, only a manifest is a yes.
    """
    from model_signing._signing.sign_sigstore_pb import Signature

    with tempfile.TemporaryDirectory(prefix="hallmark-signature-") as scratch:
        file = Path(scratch) / SIGNATURE
        file.write_bytes(signature)
        try:
            manifest = verifier.verify(Signature.read(file))
            entries = list(manifest.resource_descriptors())
        except Exception as error:
            raise NotVerifiedError(_reason(error)) from error
    return {entry.identifier: f"{entry.digest.algorithm}:{entry.digest.digest_hex}" for entry in entries}


def _reason(error: Exception) -> str:
    from cryptography.exceptions import InvalidSignature

    if isinstance(error, InvalidSignature):
        return "it was changed after it was signed"
    if str(error).startswith("Key mismatch"):
        return "it is by another key"
    return f"it is no signature of a model ({type(error).__name__})"


def _differences(found: Mapping[str, str], signed: Mapping[str, str]) -> str:
    """What is otherwise in the folder than in the signature, in words; empty where nothing is."""
    told = {
        "not signed": sorted(set(found) - set(signed)),
        "missing": sorted(set(signed) - set(found)),
        "changed": sorted(name for name in set(found) & set(signed) if found[name] != signed[name]),
    }
    return "; ".join(f"{what}: {', '.join(names[:5])[:200]}" for what, names in told.items() if names)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
