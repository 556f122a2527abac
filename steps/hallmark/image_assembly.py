"""Puts layers of files on top of a base image without unpacking it, as an OCI image layout.

https://github.com/opencontainers/image-spec (manifest.md, config.md, layer.md, image-layout.md)
Only the base's manifest and configuration are read; of a list of images, those of each that is wanted. A layer is a tar
archive whose bytes depend on nothing but names, modes and contents of its files: it is dated 1970, owned by root, and
not packed, for what a packer writes changes with its version. So the same model gives the same layer, whichever commit,
folder, machine or platform it is for.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from hallmark.errors import BadInputError
from hallmark.files import DIGEST
from hallmark.platforms import PROPERTIES, covers, name_of

OCI, DOCKER = "application/vnd.oci.image.", "application/vnd.docker."
_TO_OCI = {
    f"{DOCKER}image.rootfs.diff.tar.gzip": f"{OCI}layer.v1.tar+gzip",
    f"{DOCKER}image.rootfs.diff.tar": f"{OCI}layer.v1.tar",
}
REF = "it"
"""The image's name inside its layout."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Files to add, by their absolute path in the image: bytes, or a file whose content is copied."""

    files: Mapping[str, bytes | Path]
    created_by: str
    """For the image's history."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the image's configuration says beside what the base's says."""

    created: int
    """Seconds since 1970."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    entrypoint: Sequence[str]
    working_directory: str
    user: str
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Base:
    """An image to lay layers on."""

    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    platform: Mapping[str, Any] | None = None
    """As the list tells it that has the image; None: it is by itself, and so will be what is laid on it."""


def of_list(index: Mapping[str, Any], wanted: str) -> tuple[dict[str, Any], str]:
    """The platform and the digest of the image for `wanted` in a list of images.

    That is the one of just that name, or else the first of its variants.

    Raises:
        BadInputError: the list has none.
    """
    entries = [entry for entry in index.get("manifests") or [] if isinstance(entry, dict)]
    fitting = [
        entry
        for entry in entries
        if covers(wanted, name_of(entry.get("platform"))) and DIGEST.fullmatch(str(entry.get("digest")))
    ]
    best = min(fitting, key=lambda entry: name_of(entry["platform"]) != wanted, default=None)
    if best is not None:
        return {key: best["platform"][key] for key in PROPERTIES if key in best["platform"]}, str(best["digest"])
    found = ", ".join(sorted(filter(None, (name_of(entry.get("platform")) for entry in entries)))[:8])
    raise BadInputError(
        f"the base image has nothing for {wanted}{found and f', but for {found}'}",
        solution="name a base image that was made for the machines that models are delivered on",
    )


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """What is in a layout."""

    digest: str
    platforms: Mapping[str, str]
    """Of a list of images: the digest of each, by its platform; empty of a single image."""


def assemble(bases: Sequence[Base], layers: Sequence[Layer], settings: Settings, folder: Path) -> Assembled:
    """Write an OCI layout to the new `folder`, without the bases' layers.

    It has one image, where there is one base by itself; else a list of images, one on each base, in their order.

    Raises:
        BadInputError: a base has a layer of a kind that an OCI manifest cannot name.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    written = [(layer, _write_layer(layer, blobs)) for layer in layers]
    images = [_image(base, written, settings, blobs) for base in bases]
    top, platforms = images[0], {}
    if bases[0].platform is not None:
        manifests = [{**one, "platform": base.platform} for one, base in zip(images, bases, strict=True)]
        platforms = {name_of(one["platform"]): str(one["digest"]) for one in manifests}
        content = {"manifests": manifests, "annotations": dict(settings.annotations)}
        index = {"schemaVersion": 2, "mediaType": f"{OCI}index.v1+json", **content}
        top = {"mediaType": index["mediaType"], **_write(_json(index), blobs)}
    named = {**top, "annotations": {"org.opencontainers.image.ref.name": REF}}
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [named]}))
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    return Assembled(digest=str(top["digest"]), platforms=platforms)


def _image(
    base: Base, layers: Sequence[tuple[Layer, Mapping[str, Any]]], settings: Settings, blobs: Path
) -> dict[str, Any]:
    """Write the manifest and the configuration of one image, and return what describes it."""
    config = json.loads(json.dumps(base.config))
    described = [_as_oci(layer) for layer in base.manifest["layers"]]
    created = datetime.fromtimestamp(settings.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config.setdefault("history", [])
    for layer, written in layers:
        described.append({"mediaType": f"{OCI}layer.v1.tar", **written})
        config["rootfs"]["diff_ids"].append(written["digest"])
        config["history"].append({"created": created, "created_by": layer.created_by})
    config["created"] = created
    _configure(config.setdefault("config", {}), settings)
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}manifest.v1+json",
        "config": {"mediaType": f"{OCI}config.v1+json", **_write(_json(config), blobs)},
        "layers": described,
        "annotations": dict(settings.annotations),
    }
    return {"mediaType": manifest["mediaType"], **_write(_json(manifest), blobs)}


def _configure(config: dict[str, Any], settings: Settings) -> None:
    """Change the part of the configuration that a container is started by."""
    kept = [entry for entry in config.get("Env") or [] if entry.partition("=")[0] not in settings.environment]
    config["Env"] = kept + [f"{name}={value}" for name, value in settings.environment.items()]
    config["Labels"] = {**(config.get("Labels") or {}), **settings.labels}
    config["Entrypoint"] = list(settings.entrypoint)
    config["WorkingDir"], config["User"] = settings.working_directory, settings.user
    config["ExposedPorts"] = {f"{settings.port}/tcp": {}}
    # The base's arguments and its health check are meant for what the base runs.
    for name in ("Cmd", "Healthcheck"):
        config.pop(name, None)


def _write_layer(layer: Layer, blobs: Path) -> dict[str, Any]:
    """Write a layer's archive and name it by its digest."""
    temporary = blobs / "layer"
    with temporary.open("wb") as raw:
        hashing = _Hashing(raw)
        with tarfile.open(fileobj=cast("Any", hashing), mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for folder in _folders(layer.files):
                archive.addfile(_entry(folder, tarfile.DIRTYPE, 0o755))
            for path in sorted(layer.files):
                _add(archive, path, layer.files[path])
    digest = hashing.digest.hexdigest()
    size = temporary.stat().st_size
    temporary.rename(blobs / digest)
    return {"digest": f"sha256:{digest}", "size": size}


def _add(archive: tarfile.TarFile, path: str, content: bytes | Path) -> None:
    entry = _entry(path, tarfile.REGTYPE, 0o644)
    if isinstance(content, bytes):
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
        return
    entry.size = content.stat().st_size
    with content.open("rb") as file:
        archive.addfile(entry, file)


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.mode = kind, mode
    return entry


def _folders(files: Mapping[str, object]) -> list[str]:
    """The folders that the files lie in, each after the one that it lies in.

    >>> _folders({"/app/model/m": b"", "/app/x": b""})
    ['/app', '/app/model']
    """
    found = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    return sorted(found - {"/"})


class _Hashing:
    """A stream that knows the SHA-256 of what was written to it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._stream.write(data)


def _as_oci(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A layer's description with OCI's name for its kind. The bytes, and so the digest, stay the same."""
    kind = _TO_OCI.get(str(layer.get("mediaType")), str(layer.get("mediaType")))
    if not kind.startswith(f"{OCI}layer."):
        raise BadInputError(
            f"the base image has a layer of the kind {kind}",
            solution="name a base image with ordinary layers, in docker's or OCI's format",
        )
    return {"mediaType": kind, "digest": layer["digest"], "size": layer["size"]}


def _write(content: bytes, blobs: Path) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
