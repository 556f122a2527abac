"""Whether the model was signed by the key that the deployment trusts (OpenSSF model-signing, https://model-signing.org).

The signature is a list of files and their digests, signed as a whole. Asked is whether the model's digest is in it, the
one that the image names and that the model's bytes are compared with. So no file is read twice, and what is verified is
what is loaded; `model_signing.verifying` would read a folder, which a fetched model has not got. Written for, and
tested with, model-signing 1.1.1; of a library that is made otherwise the server says so, and does not start.
"""

from __future__ import annotations

from pathlib import Path

from .errors import UnusableModelError, WrongSettingsError

SIGNATURE = "model.sig"
MAXIMUM_BYTES = 1 << 20
KEY = "HALLMARK_MODEL_KEY"


def require_signed(folder: Path, key: Path, *, file: str, digest: str) -> None:
    """Compare the signature in `folder` with the public key in the file `key`, and what it says with `digest`.

    Args:
        file: the model's name in the folder that was signed.
        digest: `sha256:...`

    Raises:
        WrongSettingsError: the key cannot be read, or the image has no library to verify with.
        UnusableModelError: there is no signature, it is of another key, or of another model.
    """
    signature = folder / SIGNATURE
    if key.resolve().is_relative_to(folder.resolve()):
        raise WrongSettingsError(f"{KEY} names {key}, which comes with the model; mount the key from elsewhere")
    try:
        # No standard library has it, and not every base image.
        from model_signing._signing.sign_ec_key import Verifier  # type: ignore[import-not-found,unused-ignore]
        from model_signing._signing.sign_sigstore_pb import Signature  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise WrongSettingsError(
            f"{KEY} asks for the model's signature, and the base image has no model-signing 1.1 ({error.name})"
        ) from None
    try:
        verifier = Verifier(key)
    except Exception as error:  # the library's own errors, and cryptography's
        raise WrongSettingsError(
            f"{KEY}: {key} holds no public key of the kind that signs models ({type(error).__name__})"
        ) from None
    if not signature.is_file():
        raise UnusableModelError(f"{KEY} asks for the model's signature, and the image has no {signature}")
    if signature.stat().st_size > MAXIMUM_BYTES:
        raise UnusableModelError(f"{signature} is larger than {MAXIMUM_BYTES} bytes")
    try:
        listed = verifier.verify(Signature.read(signature))
        found = {entry.identifier: entry.digest for entry in listed.resource_descriptors()}
    except Exception as error:  # the same
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnusableModelError(f"{signature} is no signature of the key in {key}: {reason}") from None
    mine = found.get(file)
    if mine is None:
        raise UnusableModelError(f"{signature} says nothing about {file}")
    if f"{mine.algorithm}:{mine.digest_hex}" != digest:
        raise UnusableModelError(
            f"{signature} is of a {file} with the digest {mine.algorithm}:{mine.digest_hex}, and not {digest}"
        )
