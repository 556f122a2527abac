"""Images whose layers are made by hand: what a distribution, an installer or somebody hostile would leave there."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .supply_chain_images import Registries

OS_RELEASE = b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\n'
STATUS = b"""\
Package: openssl
Status: install ok installed
Architecture: amd64
Version: 3.0.11-1~deb12u2
Description: a toolkit

Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl
Version: 3.0.11-1~deb12u2
Description: a library

Package: libgone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0-1
Description: it was removed
"""
Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, data: bytes = b"", **attributes: Any) -> Member:
    """An entry of an archive, a regular file unless `type` says otherwise."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def layer(members: Iterable[Member]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return archive.getvalue()


def distribution(name: str, version: str, *fields: str, **files: bytes) -> list[Member]:
    """A distribution of Python, as an installer lays it out: module, METADATA, and RECORD with digests."""
    site = "usr/lib/python3/site-packages"
    folder = f"{site}/{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *fields]
    texts = {f"{site}/{name}/{file}.py": data for file, data in {"__init__": b"", **files}.items()}
    texts[f"{folder}/METADATA"] = ("\n".join(lines) + "\n\n").encode()
    record = "".join(
        f"{path.removeprefix(f'{site}/')},sha256={_digest(data)},{len(data)}\n" for path, data in texts.items()
    )
    return [member(path, data) for path, data in {**texts, f"{folder}/RECORD": record.encode()}.items()]


def debian(*more: Member) -> list[Member]:
    """A root file system of two packages of Debian's, and one that was removed."""
    return [
        member("usr/lib/os-release", OS_RELEASE),
        member("etc/passwd", b"root:x:0:0::/root:/bin/sh\nmodel:x:1001:0::/app:/bin/false\n"),
        member("var/lib/dpkg/status", STATUS),
        *more,
    ]


def advisory(
    name: str,
    package: str,
    ecosystem: str,
    fixed: str = "",
    *,
    severity: str = "HIGH",
    modified: str = "2026-01-01",
    **more: Any,
) -> dict[str, Any]:
    """An entry of OSV's database: every version before `fixed` is affected, or every one."""
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    affected = {
        "package": {"name": package, "ecosystem": ecosystem},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {
        "id": name,
        "modified": f"{modified}T00:00:00Z",
        "summary": f"{package} is broken",
        "affected": [affected],
        **({"database_specific": {"severity": severity}} if severity else {}),
        **more,
    }


def database(folder: Path, *entries: dict[str, Any]) -> Path:
    """A folder with these entries."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        (folder / f"{entry['id']}.json").write_text(json.dumps(entry))
    return folder


def push(registries: Registries, layers: Iterable[bytes], user: str) -> str:
    """Push an image of these layers to the candidates, as it is, and return its digest."""
    folder = registries.folder / f"layout-{len(list(registries.folder.glob('layout-*')))}"
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes | dict[str, Any], kind: str) -> dict[str, Any]:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{name}", "size": len(data)}

    packed = [put(data, "layer.v1.tar") for data in layers]
    settings = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {"User": user},
        "rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in packed]},
    }
    top = put(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": put(settings, "config.v1+json"),
            "layers": packed,
        },
        "manifest.v1+json",
    )
    name = {"org.opencontainers.image.ref.name": "it"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [{**top, "annotations": name}]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    argv = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false"]
    argv += [f"--dest-authfile={registries.candidates.auth_file}"]
    subprocess.run([*argv, f"oci:{folder}:it", f"docker://{registries.candidate}:it"], check=True, capture_output=True)
    return str(top["digest"])


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
