"""The images that the Tasks' steps run in: Hallmark's code as the last layer on what `cluster.step_tools` makes.

`python -m cluster.step_images` makes them and prints their sizes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import step_tools
from cluster.step_tools import NAMES, RECIPE, Tools
from hallmark.files import write_text
from hallmark.process import run
from laptop import registry, serving_packages
from laptop.console import Say, exit_code_of, say
from laptop.containers import buildah
from laptop.registry import Registry
from laptop.setup import ROOT, TOOLS

CODE = ROOT / "steps" / "hallmark"
CACHE = TOOLS / "step-images"


@dataclass(frozen=True, kw_only=True)
class StepImage:
    """An image in an OCI layout, where its tag is its name; `packed` and `unpacked` are sizes in bytes."""

    name: str
    layout: Path
    digest: str
    packed: int
    unpacked: int

    @property
    def source(self) -> str:
        """What skopeo copies it from."""
        return f"oci:{self.layout}:{self.name}"


def ensure(cache: Path, say: Say, *, environment: Mapping[str, str] = os.environ) -> dict[str, StepImage]:
    """All step images by their name. Seconds after a change of Hallmark's code, minutes after any other.

    Args:
        cache: kept from call to call; several processes may ask at the same time.
        environment: where `STEP_BASE_IMAGE` is looked up: the image to build on, instead of one made here.

    Raises:
        BadInputError: that image cannot be had, or this machine is neither Debian nor Ubuntu.
        ToolFailedError: a tool failed, or a package registry did not answer.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tools = step_tools.ensure(cache, say, environment=environment)
        record, layout, code = tools.home / "images.json", tools.home / "oci", key()
        if not (record.exists() and json.loads(record.read_text())["code"] == code):
            digests = _build(tools, layout, say)
            write_text(record, json.dumps({"code": code, "digests": digests}))
        digests = json.loads(record.read_text())["digests"]
        return {name: read(name, layout, digests[name]) for name in NAMES}


def table(images: Mapping[str, StepImage]) -> str:
    """Their sizes for people. A layer that they share is counted in each, and once in the sum."""
    lines = [f"{'image':<10}{'packed':>10}{'unpacked':>11}  digest"]
    lines += [f"{i.name:<10}{_mb(i.packed)}{_mb(i.unpacked):>11}  {i.digest}" for i in images.values()]
    blobs = {blob["digest"]: blob["size"] for i in images.values() for blob in _layers(i.layout, i.digest)}
    return "\n".join([*lines, f"{'together':<10}{_mb(sum(blobs.values()))}"])


def _mb(size: int) -> str:
    return f"{size / 1e6:>7.1f} MB"


def key() -> str:
    """Names the code, and how it is put into the images."""
    digest = hashlib.sha256()
    for path in [RECIPE / "code.Containerfile", RECIPE / "hallmark", *sorted(RECIPE.glob("*/commands.txt")), *_code()]:
        digest.update(f"{path.relative_to(ROOT)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _code() -> list[Path]:
    return sorted(path for path in CODE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _build(tools: Tools, layout: Path, say: Say) -> dict[str, str]:
    """Build the images and lay them out; their digests.

    They go through a registry, because only a push to one finds what was pushed before, and need not pack it again.
    """
    digests = {}
    with tempfile.TemporaryDirectory(prefix="hallmark-code-") as folder:
        context = Path(folder)
        shutil.copytree(CODE, context / "hallmark", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copyfile(RECIPE / "hallmark", context / "command")
        with registry.running(tools.home / "registry") as shelf:
            for name in NAMES:
                say(f"step image {name}: Hallmark's code, as it is in this checkout")
                _build_one(name, tools, context)
                digests[name] = _lay_out(name, tools, shelf, layout)
    buildah(tools.state, ["rmi", "--prune"])
    _remove_unused(layout, digests)
    return digests


def _build_one(name: str, tools: Tools, context: Path) -> None:
    arguments = {
        "BASE_IMAGE": step_tools.image(name),
        "PYTHON": tools.python,
        "COMMANDS": " ".join(serving_packages.read_names(RECIPE / name / "commands.txt")),
        "TITLE": f"Hallmark's step image {name}",
    }
    step_tools.build(tools.state, RECIPE / "code.Containerfile", context, _local(name), arguments)


def _lay_out(name: str, tools: Tools, shelf: Registry, layout: Path) -> str:
    target = f"docker://{shelf.address}/steps/{name}"
    with tempfile.TemporaryDirectory(prefix="hallmark-push-") as folder:
        file = Path(folder) / "digest"
        access = ["--tls-verify=false", "--authfile", str(shelf.auth_file)]
        buildah(tools.state, ["push", "--quiet", *access, "--digestfile", str(file), _local(name), f"{target}:latest"])
        digest = file.read_text().strip()
    argv = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests"]
    argv += ["--src-tls-verify=false", f"--src-authfile={shelf.auth_file}"]
    run([*argv, f"{target}@{digest}", f"oci:{layout}:{name}"], env=os.environ, timeout=900)
    return digest


def _local(name: str) -> str:
    return f"localhost/step-{name}"


def read(name: str, layout: Path, digest: str) -> StepImage:
    """The image with the digest of a layout, measured."""
    layers = _layers(layout, digest)
    unpacked = sum(_unpacked_size(_blob(layout, layer["digest"])) for layer in layers)
    packed = sum(int(layer["size"]) for layer in layers)
    return StepImage(name=name, layout=layout, digest=digest, packed=packed, unpacked=unpacked)


def _layers(layout: Path, digest: str) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = json.loads(_blob(layout, digest).read_text())["layers"]
    return layers


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _unpacked_size(blob: Path) -> int:
    """A gzip file of less than 4 GB ends with the size of what is in it (RFC 1952)."""
    with blob.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(4), "little")


def _remove_unused(layout: Path, digests: Mapping[str, str]) -> None:
    """Remove what older code has left in the layout."""
    used = {_blob(layout, digest) for manifest in digests.values() for digest in _references(layout, manifest)}
    for blob in (layout / "blobs" / "sha256").iterdir():
        if blob not in used:
            blob.unlink()


def _references(layout: Path, manifest: str) -> Iterator[str]:
    content = json.loads(_blob(layout, manifest).read_text())
    yield from (manifest, content["config"]["digest"], *(layer["digest"] for layer in content["layers"]))


def main() -> None:
    print(table(ensure(CACHE, say)))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
