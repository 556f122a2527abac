"""The signing key's folder, as far as it can be read without the policy: opening a key takes a while, and may begin so.

What is in it beside `policies`: a key with its password, a key's URI, or an identity and who certifies it.
"""

from __future__ import annotations

from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.signing_keys import KEY, PASSWORD, POLICIES
from hallmark.tools.cosign import KEY_URI, PrivateKey

URI, TOKEN, FULCIO = "key-uri", "identity-token", "fulcio-url"


def private_key(folder: Path) -> PrivateKey | None:
    """The key in `folder`, not yet opened; None where there is an identity.

    Raises:
        BadInputError: one of the files or `policies` is missing, there are several keys, or the URI is of an unknown
            kind.
    """
    kinds = {KEY: [KEY, PASSWORD], URI: [URI], TOKEN: [TOKEN, FULCIO]}
    there = [name for name in kinds if (folder / name).is_file()]
    if len(there) > 1:
        raise BadInputError(
            f"the signing key's folder has {' and '.join(there)}", solution="keep the one that is to sign"
        )
    needed = [*kinds[there[0] if there else KEY], POLICIES]
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise BadInputError(
            f"the signing key's folder has no {' and no '.join(missing)}",
            solution="let the key's owner put cosign.key, cosign.password (or key-uri, or identity-token and "
            "fulcio-url, instead of both) and policies (accepted policy digests, one a line) there",
        )
    if there == [TOKEN]:
        return None
    return _managed(folder) if there == [URI] else _own(folder)


def _own(folder: Path) -> PrivateKey:
    password = text(folder / PASSWORD).rstrip("\r\n")
    return PrivateKey(reference=str(folder / KEY), password=password)


def _managed(folder: Path) -> PrivateKey:
    uri = text(folder / URI).strip()
    if not KEY_URI.fullmatch(uri):
        raise BadInputError(
            f"{URI} in the signing key's folder names no key that cosign knows",
            solution="write k8s://namespace/secret, or a URI that begins with awskms://, gcpkms://, azurekms:// or "
            "hashivault://",
        )
    password = folder / PASSWORD
    return PrivateKey(reference=uri, password=text(password).rstrip("\r\n") if password.is_file() else "")


def text(file: Path) -> str:
    """What is in a file of the folder. Raises BadInputError: it cannot be read as UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        # Without what Python says of it: that may hold bytes of a password.
        raise BadInputError(
            f"{file.name} in the signing key's folder cannot be read as UTF-8",
            solution="let the key's owner put it there anew",
        ) from None
