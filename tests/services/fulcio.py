"""Fulcio, sigstore's authority, without a log of certificates, and a provider of identities that it believes."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hallmark.tools.cosign import Log, trusted_root
from services.faulty_registry import authority
from services.http import content, web_server
from services.processes import free_port, listens, running
from services.rekor import program

AUDIENCE = "sigstore"
PACKAGE = "github.com/sigstore/fulcio"


@dataclass(frozen=True)
class Identities:
    """An OpenID provider that tells Fulcio its key, and gives a token to whoever asks here."""

    url: str
    key: rsa.RSAPrivateKey

    def token(self, email: str) -> str:
        """A token (RFC 7519, RS256) that says that its bearer is `email`, good for ten minutes."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": email, "email": email, "email_verified": True}
        signed = ".".join(
            _text(json.dumps(part).encode())
            for part in ({"alg": "RS256", "kid": "one", "typ": "JWT"}, {**claims, "iat": now, "exp": now + 600})
        )
        return f"{signed}.{_text(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@dataclass(frozen=True)
class Fulcio:
    url: str
    identities: Identities

    def trusted_root(self, log: Log) -> str:
        """sigstore's trusted_root.json with this authority and that log."""
        with urllib.request.urlopen(f"{self.url}/api/v2/trustBundle", timeout=20) as answer:  # noqa: S310
            chain = json.load(answer)["chains"][0]["certificates"]
        certificates = [{"rawBytes": "".join(pem.split("-----")[2].split())} for pem in chain]
        root = {
            "subject": {"organization": "hallmark.test", "commonName": "test"},
            "uri": self.url,
            "certChain": {"certificates": certificates},
            "validFor": {"start": "1970-01-01T00:00:00Z"},
        }
        return json.dumps({**json.loads(trusted_root(log)), "certificateAuthorities": [root]})


@contextlib.contextmanager
def fulcio(folder: Path) -> Iterator[Fulcio]:
    """A new authority on the loopback, with a root of its own."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    numbers = key.public_key().public_numbers()
    authority(folder)
    with web_server() as provider:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        if provider.server is not None:
            provider.server.socket = context.wrap_socket(provider.server.socket, server_side=True)
        url = f"https://127.0.0.1:{provider.port}"
        described = {
            "issuer": url,
            "jwks_uri": f"{url}/keys",
            "authorization_endpoint": f"{url}/auth",
            "token_endpoint": f"{url}/token",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        public = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "one", "n": _number(numbers.n)}
        keys = {"keys": [{**public, "e": _number(numbers.e)}]}
        for path, answer in (("/.well-known/openid-configuration", described), ("/keys", keys)):
            provider.answers[path] = [content(json.dumps(answer).encode(), Content_Type="application/json")]
        issuer = {"issuer-url": url, "client-id": AUDIENCE, "type": "email"}
        (folder / "config.yaml").write_text(yaml.safe_dump({"oidc-issuers": {url: issuer}}))
        ports = [free_port() for _ in range(3)]
        argv = [str(program(PACKAGE)), "serve", "--host=127.0.0.1", f"--port={ports[0]}", "--grpc-host=127.0.0.1"]
        argv += [f"--grpc-port={ports[1]}", f"--metrics-port={ports[2]}", "--ca=ephemeralca", "--ct-log-url="]
        argv += [f"--config-path={folder / 'config.yaml'}", f"--legacy-unix-domain-socket={folder / 'socket'}"]
        trusted = {"SSL_CERT_FILE": str(folder / "ca.crt")}
        with running(argv, folder / "fulcio.log", lambda: listens(ports[0]), env=trusted):
            yield Fulcio(f"http://127.0.0.1:{ports[0]}", Identities(url, key))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(number: int) -> str:
    return _text(number.to_bytes((number.bit_length() + 7) // 8, "big"))
