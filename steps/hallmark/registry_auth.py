"""Credentials of image registries: Secret workspaces of type kubernetes.io/dockerconfigjson, or docker's own file.

Beside the credential may lie `ca.crt`: the certificate of the authority that the registry's own is by; and
`plain-http`: the hosts that it may be sent to without TLS. Both are the credential's owner's to say, and not those of
whoever starts a run: a param alone opens no way that somebody could listen on.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from hallmark.errors import BadInputError

KEYS = ("config.json", ".dockerconfigjson")
AUTHORITY = "ca.crt"
PLAIN_HTTP = "plain-http"
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
GUESSED_PLAIN = re.compile(
    r"(10|172\.(1[6-9]|2\d|3[01])|192\.168)\.[0-9.]+(:|$)|.*\.local(host)?(:|$)|.*(127\.0\.0\.1|::1)"
)
MAXIMUM_AUTHORITY_BYTES = 1 << 20
SYSTEM = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
"""Where Debian and Red Hat keep the authorities that are trusted anyway; Go looks there too (crypto/x509)."""


@contextlib.contextmanager
def docker_config(credential: Path | None) -> Iterator[Path]:
    """A private file `config.json` with the credential, in a folder of its own, with what lies beside it.

    Without a credential it is an anonymous one. A tool that is given this file never looks for another one, so what the
    machine's user is logged in to does not count.

    Raises:
        BadInputError: the folder holds no such credential, its ca.crt is no certificate, or its plain-http names what
            is no host.
    """
    authority = "" if credential is None else _authority(credential)
    plain = frozenset[str]() if credential is None else _plain_http(credential / PLAIN_HTTP)
    text = "{}" if credential is None else _read(credential, needed=not (authority or plain))
    with tempfile.TemporaryDirectory(prefix="hallmark-auth-") as folder:
        file = Path(folder) / "config.json"
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        if authority:
            file.with_name(AUTHORITY).write_text(authority, encoding="ascii")
        if plain:
            file.with_name(PLAIN_HTTP).write_text("".join(f"{host}\n" for host in sorted(plain)), encoding="ascii")
        yield file


def require_plain_http(name: str, authfile: Path) -> None:
    """That a registry may be spoken to without TLS: it is on this machine, or listed beside its credential.

    Args:
        name: of an image or a repository; it begins with the registry's host.
        authfile: docker's configuration file, from `docker_config`.

    Raises:
        BadInputError: it may not. Nothing was sent there.
    """
    host = name.partition("/")[0].lower()
    if not is_loopback(host) and host not in _plain_http(authfile.with_name(PLAIN_HTTP)):
        raise BadInputError(
            f"{host} is not on this machine, and may not be spoken to without TLS",
            solution=f"leave tls-verify at its default; if nobody can listen on the way to {host}, and it has no TLS, "
            f"let the credential's owner write `{host}` into a file `{PLAIN_HTTP}` beside its config.json",
        )


def require_tls_kept(name: str, authfile: Path) -> None:
    """That cosign keeps to TLS where it is asked to: where none answers, it tries plain HTTP with hosts of some names.

    They are private addresses and names that end in .local (go-containerregistry, pkg/name/registry.go, `Scheme`, and
    pkg/v1/remote/transport/ping.go); there is no flag against it.

    Raises:
        BadInputError: the host is of such a name, and not listed beside its credential.
    """
    host = name.partition("/")[0].lower()
    if GUESSED_PLAIN.match(host) and not is_loopback(host) and host not in _plain_http(authfile.with_name(PLAIN_HTTP)):
        raise BadInputError(
            f"cosign would speak to {host} without TLS where TLS does not answer, as to every such name",
            solution="call the registry by a name that is no private address and does not end in .local; or let the "
            f"credential's owner write `{host}` into a file `{PLAIN_HTTP}` beside its config.json",
        )


def is_loopback(host: str) -> bool:
    """Whether a registry's host, with its port or without, is this machine, whatever a name server says.

    >>> [is_loopback(host) for host in ("127.0.0.1:5000", "[::1]:5000", "localhost")]
    [True, True, True]
    >>> [is_loopback(host) for host in ("10.0.0.1:5000", "127.0.0.1.example.com", "localhost.example.com", "127.1")]
    [False, False, False, False]
    """
    name = re.sub(r":[0-9]+$", "", host) if host.startswith("[") or host.count(":") < 2 else host
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.lower() == "localhost"


@contextlib.contextmanager
def trusted_authority(authfiles: Sequence[Path]) -> Iterator[dict[str, str]]:
    """The environment in which a tool written in Go trusts every `ca.crt` beside `authfiles`, and what it would anyway.

    For Buildah and cosign, which speak to one registry at a time (Go's crypto/x509: SSL_CERT_FILE); the variable names
    one file, into which the machine's authorities are written, too.
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


def _plain_http(file: Path) -> frozenset[str]:
    """The hosts in `file`, one a line, `#` for comments; none where there is no such file."""
    if not file.is_file():
        return frozenset()
    try:
        lines = file.read_text(encoding="utf-8").lower().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{file} cannot be read", solution="write one `host:port` a line") from error
    found = frozenset(text for line in lines if (text := line.partition("#")[0].strip()))
    if odd := sorted(host for host in found if not HOST.fullmatch(host)):
        raise BadInputError(
            f"{odd[0]!r} in {file} is no registry's host",
            solution="write one `host:port` a line, without http:// and without a path; a comment starts with #",
        )
    return found


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
