"""Key pairs that sign models' folders: P-256, the private part as PKCS#8 in PEM, encrypted with a password.

cosign's own keys are in a form that OpenSSF model-signing does not read, hence another maker. A key is made in this
process, and nothing but its encrypted form ever leaves it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hallmark.errors import BadInputError
from hallmark.signing_keys import MODEL_KEY

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""Those that OpenSSF model-signing takes."""
MAKE_ONE = f"make a {MODEL_KEY} with `hallmark keys-generate --signs=model`"


def generate(password: str) -> tuple[str, str]:
    """A new pair: the encrypted private part and the public part, both PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    )
    return private.decode("ascii"), public_pem(key)


def opened(file: Path, password: str) -> ec.EllipticCurvePrivateKey:
    """An encrypted private key.

    Raises:
        BadInputError: it cannot be read, is not encrypted, has another password, or is on no curve that models are
            signed with.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password.encode())
    except TypeError as error:
        raise BadInputError(f"{file} is not encrypted", solution=MAKE_ONE) from error
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        # What cryptography says may tell of the key; that it does not open is enough.
        raise BadInputError(f"{file} does not open", solution=f"give its own password, or {MAKE_ONE}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in CURVES:
        raise BadInputError(f"{file} is no key on {', '.join(CURVES)}", solution=MAKE_ONE)
    return key


def public(file: Path, password: str) -> str:
    """The public part (PEM) of an encrypted private key. Raises what `opened` raises."""
    return public_pem(opened(file, password))


def public_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """The public part of a key."""
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode("ascii")
