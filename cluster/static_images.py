"""Images of static programs and nothing else, written as files that containerd imports: no image builder takes part."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from hallmark.errors import BadInputError
from hallmark.files import atomic_path

NOBODY = "65532:65532"
"""The user of images that need no other: not root, so that a pod may insist on that."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The machine as the kernel names it, and as images do."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/ko-app"


def archive(
    target: Path, *, reference: str, files: Mapping[str, Path], entrypoint: Sequence[str], user: str = NOBODY
) -> Path:
    """Write an image to `target`, in the form of `docker save`. The same files give the same bytes.

    It is imported with `ctr --namespace k8s.io images import TARGET`.

    Args:
        reference: the image's name with its tag, `hallmark.test/tekton-controller:built`.
        files: absolute path in the image -> file of this machine. Executable there if it is here. A file that is given
            under several names, as busybox is, takes its room once. There is also an empty /tmp for everybody.
        entrypoint: the program and its arguments; a pod's `args` come after them.
        user: `UID:GID`.

    Returns:
        `target`.

    Raises:
        BadInputError: one of the files is missing.
        ToolFailedError: `target` cannot be written.
    """
    with atomic_path(target) as partial, tempfile.TemporaryFile(dir=target.parent) as layer:
        with tarfile.open(fileobj=layer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            _add_files(tar, files)
        layer.seek(0)
        digest = hashlib.file_digest(layer, "sha256").hexdigest()
        config = _config(digest, entrypoint, user)
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = _json([{"Config": name, "RepoTags": [reference], "Layers": [f"{digest}.tar"]}])
        with tarfile.open(partial, mode="w", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, f"{digest}.tar", layer, layer.seek(0, io.SEEK_END))
            _add(tar, name, io.BytesIO(config), len(config))
            _add(tar, "manifest.json", io.BytesIO(manifest), len(manifest))
    return target


def _add_files(tar: tarfile.TarFile, files: Mapping[str, Path]) -> None:
    for folder in sorted({parent for name in files for parent in _parents(name)} | {"tmp"}):
        entry = tarfile.TarInfo(folder)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
        tar.addfile(entry)
    first: dict[Path, str] = {}
    for name, source in sorted(files.items()):
        entry = tarfile.TarInfo(name.lstrip("/"))
        try:
            mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
            if source in first:
                # Whoever unpacks the link gives its mode to the file.
                entry.type, entry.linkname, entry.mode = tarfile.LNKTYPE, first[source], mode
                tar.addfile(entry)
                continue
            first[source] = entry.name
            with source.open("rb") as file:
                _add(tar, entry.name, file, source.stat().st_size, mode)
        except FileNotFoundError as error:
            raise BadInputError(
                f"{source} is to be in an image and is not there", solution="build it first: `make cluster-up` does"
            ) from error


def _parents(name: str) -> Iterator[str]:
    return (str(parent) for parent in PurePosixPath(name.lstrip("/")).parents if parent.name)


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int, mode: int = 0o644) -> None:
    """One regular file of root's, dated 1970."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    content.seek(0)
    tar.addfile(entry, content)


def _config(layer: str, entrypoint: Sequence[str], user: str) -> bytes:
    machine = platform.machine()
    return _json(
        {
            "architecture": ARCHITECTURES.get(machine, machine),
            "os": "linux",
            "config": {"Entrypoint": list(entrypoint), "Env": [f"PATH={PATH}"], "User": user, "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        }
    )


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True).encode()
