"""Credentials of image registries: Secret workspaces of type kubernetes.io/dockerconfigjson, or docker's own file.

Beside the credential may lie `ca.crt`: the certificate of the authority that the registry's own is by.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from hallmark.errors import BadInputError

KEYS = ("config.json", ".dockerconfigjson")
AUTHORITY = "ca.crt"
MAXIMUM_AUTHORITY_BYTES = 1 << 20
SYSTEM = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
"""Where Debian and Red Hat keep the authorities that are trusted anyway; Go looks there too (crypto/x509)."""


@contextlib.contextmanager
def docker_config(credential: Path | None) -> Iterator[Path]:
    """A private file `config.json` with the credential, in a folder of its own, with its `ca.crt`; anonymous without.

    A tool that is given this file never looks for another one, so what the machine's user is logged in to does not
    count.

    Raises:
        BadInputError: the folder holds no such credential, or its ca.crt is no certificate.
    """
    authority = "" if credential is None else _authority(credential)
    text = "{}" if credential is None else _read(credential, needed=not authority)
    with tempfile.TemporaryDirectory(prefix="hallmark-auth-") as folder:
        file = Path(folder) / "config.json"
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        if authority:
            file.with_name(AUTHORITY).write_text(authority, encoding="ascii")
        yield file


@contextlib.contextmanager
def trusted_authority(authfiles: Sequence[Path]) -> Iterator[dict[str, str]]:
    """The environment in which a tool written in Go trusts every `ca.crt` beside `authfiles`, and what it would anyway.

    One variable serves skopeo, Buildah and cosign alike (Go's crypto/x509: SSL_CERT_FILE); it names one file, so that
    the authorities of two registries and those of the machine are written into one.
    """
    own = [file.with_name(AUTHORITY) for file in authfiles if file.with_name(AUTHORITY).is_file()]
    if not own:
        yield {}
        return
    given = os.environ.get("SSL_CERT_FILE")
    others = [Path(given)] if given else [Path(name) for name in SYSTEM]
    standing = next((file for file in others if file.is_file()), None)
    texts = [file.read_text(encoding="utf-8") for file in [*dict.fromkeys(own), *([standing] if standing else [])]]
    with tempfile.NamedTemporaryFile("w", prefix="hallmark-ca-", suffix=".crt", encoding="utf-8") as bundle:
        bundle.write("\n".join(texts))
        bundle.flush()
        yield {"SSL_CERT_FILE": bundle.name}


def _authority(credential: Path) -> str:
    """The text of `ca.crt`, empty where there is none. Raises BadInputError where it holds no certificate."""
    file = credential / AUTHORITY
    if not file.is_file():
        return ""
    try:
        with file.open(encoding="ascii") as opened:
            text = opened.read(MAXIMUM_AUTHORITY_BYTES)
    except (OSError, UnicodeDecodeError):
        text = ""
    # Go skips what is no certificate, and then says of the registry's that nobody knows who signed it.
    if text.count("-----BEGIN CERTIFICATE-----") == 0 or "PRIVATE KEY" in text:
        raise BadInputError(
            f"{file} holds no certificate", solution="put the authority's certificate there (PEM), and no key"
        )
    return text


def _read(credential: Path, *, needed: bool) -> str:
    found = [credential / key for key in KEYS if (credential / key).is_file()]
    if not found and not needed:
        return "{}"
    if not found:
        raise BadInputError(
            f"{credential} holds no registry credential",
            solution="give a Secret of type kubernetes.io/dockerconfigjson, or one with docker's config.json",
        )
    try:
        text = found[0].read_text(encoding="utf-8")
        if not isinstance(json.loads(text), dict):
            raise ValueError("no object")
    except (ValueError, OSError) as error:
        raise BadInputError(
            f"{found[0]} is no docker configuration", solution='write it as {"auths": {"<host>": {"auth": "..."}}}'
        ) from error
    return text
