"""Images beside a delivered one that lack something of it: what a webhook that admits images has to tell apart."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import http.client
import io
import json
import os
import secrets
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hallmark.process import run
from laptop.keys import KeyPair
from laptop.setup import TOOLS

COSIGN = str(TOOLS / "bin" / "cosign")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository of a registry on plain HTTP.

    `credential`: the folder with the `config.json` that may write to it.
    """

    host: str
    path: str
    credential: Path

    def with_one_layer_more(self, digest: str, note: str) -> str:
        """Push what an image holds and a file `note` on top: an image that nobody has seen yet; its digest."""
        manifest = json.loads(self.manifest(digest))
        config = json.loads(self.blob(manifest["config"]["digest"]))
        layer = _layer(f"{note} {secrets.token_hex(8)}")
        config["rootfs"]["diff_ids"].append(_digest(layer))
        config["history"].append({"created_by": "somebody else"})
        packed = gzip.compress(layer, mtime=0)
        kind = "application/vnd.oci.image.layer.v1.tar+gzip"
        manifest["layers"].append({"mediaType": kind, "digest": self._push(packed), "size": len(packed)})
        text = json.dumps(config).encode()
        manifest["config"] |= {"digest": self._push(text), "size": len(text)}
        body = json.dumps(manifest).encode()
        self.put(_digest(body), body)
        return _digest(body)

    def manifest(self, reference: str) -> bytes:
        """The manifest under a tag or digest."""
        return self._ask("GET", f"manifests/{reference}", head={"Accept": MANIFEST})[0]

    def put(self, reference: str, manifest: bytes) -> None:
        """Keep a manifest under a tag or digest."""
        self._ask("PUT", f"manifests/{reference}", manifest, {"Content-Type": MANIFEST})

    def blob(self, digest: str) -> bytes:
        return self._ask("GET", f"blobs/{digest}")[0]

    def attested(self, digest: str) -> dict[str, Any]:
        """What is attested of an image, by cosign's older format: predicate type to predicate."""
        found = {}
        for layer in json.loads(self.manifest(tag_of(digest, "att")))["layers"]:
            payload = json.loads(self.blob(layer["digest"]))["payload"]
            statement = json.loads(base64.b64decode(payload))
            found[statement["predicateType"]] = statement["predicate"]
        return found

    def copy_what_is_said(self, of: str, to: str) -> None:
        """Put an image's signature and attestations beside another image, as they are."""
        for kind in ("sig", "att"):
            self.put(tag_of(to, kind), self.manifest(tag_of(of, kind)))

    def sign(self, digest: str, key: KeyPair) -> None:
        """Sign by hand, past sign-image and all its checks."""
        self._cosign("sign", digest, key)

    def attest(self, digest: str, predicates: Mapping[str, Any], key: KeyPair, folder: Path) -> None:
        """Attest by hand: predicate type to predicate."""
        file = folder / "predicate.json"
        for kind, predicate in predicates.items():
            file.write_text(json.dumps(predicate))
            self._cosign("attest", digest, key, f"--predicate={file}", f"--type={kind}")

    def _cosign(self, command: str, digest: str, key: KeyPair, *more: str) -> None:
        flags = ["--tlog-upload=false", "--yes", "--allow-http-registry", f"--key={key.private}", *more]
        own = {"DOCKER_CONFIG": str(self.credential), "COSIGN_PASSWORD": key.password.read_text()}
        run([COSIGN, command, *flags, f"{self.host}/{self.path}@{digest}"], env={**os.environ, **own}, timeout=120)

    def _push(self, content: bytes) -> str:
        digest = _digest(content)
        where = urlsplit(self._ask("POST", "blobs/uploads/")[1]["Location"])
        self._send("PUT", f"{where.path}?{where.query}&digest={digest}", content, {})
        return digest

    def _ask(
        self, method: str, path: str, body: bytes | None = None, head: Mapping[str, str] | None = None
    ) -> tuple[bytes, http.client.HTTPMessage]:
        return self._send(method, f"/v2/{self.path}/{path}", body, head or {})

    def _send(
        self, method: str, path: str, body: bytes | None, head: Mapping[str, str]
    ) -> tuple[bytes, http.client.HTTPMessage]:
        user = json.loads((self.credential / "config.json").read_text())["auths"][self.host]["auth"]
        with contextlib.closing(http.client.HTTPConnection(self.host, timeout=60)) as connection:
            connection.request(method, path, body, {"Authorization": f"Basic {user}", **head})
            answer = connection.getresponse()
            content = answer.read()
        assert answer.status < 300, (method, path, answer.status, content[:500])
        return content, answer.headers


def _layer(note: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        entry = tarfile.TarInfo("note")
        entry.size = len(note.encode())
        tar.addfile(entry, io.BytesIO(note.encode()))
    return file.getvalue()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tag_of(digest: str, kind: str) -> str:
    """Where cosign keeps what is said of an image."""
    return f"{digest.replace(':', '-')}.{kind}"
