"""A real registry behind a door that sometimes fails: asks of it are answered by the registry, or as a fault says."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from laptop.registry import HOST, Registry
from services.http import serving

Fault = tuple[int, str, str] | Literal["reset"]
"""Status, error code of the distribution specification (may be empty) and message; or a connection that breaks off."""


@dataclass(kw_only=True)
class Door:
    """The door; `fault(method, path)` says what goes wrong, None for nothing."""

    port: int
    credential: Path
    fault: Callable[[str, str], Fault | None] = lambda method, path: None
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def fail(self, times: int, fault: Fault, *, method: str = "", path: str = "") -> None:
        """The first `times` asks whose method is `method` and whose path holds `path` fail (empty: any)."""
        left = times

        def decide(asked: str, where: str) -> Fault | None:
            nonlocal left
            if left == 0 or (method and asked != method) or path not in where:
                return None
            left -= 1
            return fault

        self.fault = decide


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, door: Door, registry: Registry, *, scheme: str) -> None:
        super().__init__((HOST, 0), _Handler)
        self.door, self.registry, self.scheme = door, registry, scheme

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that break off are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self._chunked() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        self.server.door.asked.append((self.command, self.path))
        fault = self.server.door.fault(self.command, self.path)
        if fault == "reset":
            # A RST and no FIN, as a dying process or a firewall sends it.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif fault is not None:
            status, code, message = fault
            told = json.dumps({"errors": [{"code": code, "message": message}]} if code else {}).encode()
            self._tell(status, {"Content-Type": "application/json", "Retry-After": "0"}, told)
        else:
            self._forward(body)

    def _forward(self, body: bytes) -> None:
        connection = http.client.HTTPConnection(HOST, self.server.registry.port, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("transfer-encoding", "content-length"):
                connection.putheader(name, value)
        connection.putheader("X-Forwarded-Proto", self.server.scheme)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() != "transfer-encoding"}
        self._tell(answer.status, kept, answer.read())
        connection.close()

    def _tell(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        length = headers.get("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
        for name, value in {**headers, "Content-Length": length}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _chunked(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def door(registry: Registry, folder: Path, *, certificate: Path | None = None) -> Iterator[Door]:
    """A door to `registry`, its credential in `folder`; with TLS where a certificate (with its key, PEM) is given."""
    found = Door(port=0, credential=folder)
    server = _Server(found, registry, scheme="http" if certificate is None else "https")
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    found.port = server.server_port
    token = json.loads(registry.auth_file.read_text())["auths"][registry.address]
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"auths": {found.address: token}}))
    with serving(server):
        yield found


def authority(folder: Path, names: str = f"IP:{HOST}") -> Path:
    """A new authority of one's own: `ca.crt` in `folder`, and `server.pem` by it for `names`, by default this host."""
    folder.mkdir(exist_ok=True)

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=A bank's own", "-keyout", "ca.key", "-out", "ca.crt")
    openssl(*new, "-subj", "/CN=registry", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text(f"subjectAltName={names}\n")
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
    openssl("x509", "-req", "-in", "server.csr", *signed, "-out", "server.crt")
    (folder / "server.pem").write_text((folder / "server.crt").read_text() + (folder / "server.key").read_text())
    return folder
