"""The base image for models' images: the user's own (`BASE_IMAGE`), or one made here without any image registry."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.files import DIGEST, write_text
from hallmark.process import run
from laptop import root_filesystem, serving_packages
from laptop.console import Say
from laptop.containers import buildah, remove
from laptop.errors import LaptopError
from laptop.registry import Registry
from laptop.root_filesystem import Release

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "images" / "model-base"
LOCK = ROOT / "requirements.lock"
REPOSITORY = "base/python-sklearn"
LOCAL_NAME = "localhost/model-base"
EPOCH = 1767225600
"""Seconds since 1970 (2026-01-01) that every file and the image are dated: equal contents are equal bits."""

LOOPBACK = re.compile(r"(127(\.\d+){3}|localhost|\[::1\])(:\d+)?/")


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """What `FROM` names.

    `reference` is `repository@sha256:...`. `store` is a folder laid out like /var/lib/containers that holds the image
    unpacked (`storage`, an additional image store) and where its layers can be had (`cache`); None: it must be pulled.
    """

    reference: str
    store: Path | None


@dataclass(frozen=True, kw_only=True)
class _Made:
    """An image in the cache: its OCI layout and its manifest's digest."""

    layout: Path
    digest: str


def ensure(
    registry: Registry,
    cache: Path,
    say: Say,
    *,
    environment: Mapping[str, str] = os.environ,
    recipe: Path = RECIPE,
    unpacked: bool = True,
) -> BaseImage:
    """The base image, in the registry and unpacked; made if nothing of it is there, which takes a minute or two.

    Args:
        registry: holds it afterwards, as `base/python-sklearn`; it has to be running.
        cache: kept from run to run. Each combination of recipe, locked versions and release has a folder there.
        environment: where `BASE_IMAGE` is looked up. It is used as given, and resolved to a digest once.
        unpacked: whether builds on this machine will read the image from a store.

    Raises:
        BadInputError: `BASE_IMAGE` cannot be resolved, or this machine is neither Debian nor Ubuntu.
        ToolFailedError: a tool failed, or a package registry did not answer.
    """
    if given := environment.get("BASE_IMAGE"):
        return BaseImage(reference=resolve(given), store=None)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        release = root_filesystem.this_release()
        home = cache.resolve() / _key(recipe, release)
        made = _read(home) or _make(home, recipe, release, say)
        if not registry.holds(REPOSITORY, made.digest):
            _push(made, registry, home.name)
        reference = f"{registry.address}/{REPOSITORY}@{made.digest}"
        return BaseImage(reference=reference, store=_store(registry, reference, say) if unpacked else None)


def resolve(image: str) -> str:
    """`repository@sha256:...` for an image reference; one that has a digest already is not looked up.

    Raises:
        BadInputError: its registry does not know it, or does not answer.
    """
    repository, separator, digest = image.partition("@")
    if separator and DIGEST.fullmatch(digest):
        return image
    insecure = ["--tls-verify=false"] if LOOPBACK.match(image) else []
    argv = ["skopeo", "inspect", *insecure, "--format", "{{.Digest}}", f"docker://{image}"]
    done = run(argv, env=os.environ, accept=None, timeout=120)
    if done.exit_code or not DIGEST.fullmatch(done.stdout.strip()):
        raise BadInputError(
            f"BASE_IMAGE {image} cannot be resolved to a digest: {done.last_words}",
            solution="check its name, and log in to its registry with `skopeo login`; unset it to have one made",
        )
    name = repository.rpartition(":")[0] if ":" in repository.rpartition("/")[2] else repository
    return f"{name}@{done.stdout.strip()}"


def _key(recipe: Path, release: Release) -> str:
    """Names the inputs of an image that is made here: the recipe, the locked versions, the release."""
    inputs = [release.codename, release.architecture, *[path.read_text() for path in sorted(recipe.iterdir())]]
    names = serving_packages.read_names(recipe / "python-packages.txt")
    inputs += serving_packages.locked(LOCK.read_text(), names)
    return hashlib.sha256(json.dumps([EPOCH, *inputs]).encode()).hexdigest()[:16]


def _read(home: Path) -> _Made | None:
    try:
        return _Made(layout=home / "oci", digest=(home / "digest").read_text())
    except FileNotFoundError:
        return None


def _make(home: Path, recipe: Path, release: Release, say: Say) -> _Made:
    """Make the image, and give it its place in the cache when it is whole."""
    python = root_filesystem.python_of_release()
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=home.parent))
    try:
        context, state, layout = scratch / "context", scratch / "state", scratch / "oci"
        context.mkdir()
        state.mkdir()
        say(f"base image 1/3: {release.codename} with Python {python.version} (half a minute)")
        wanted = [python.package, *serving_packages.read_names(recipe / "debian-packages.txt")]
        origins = root_filesystem.sources(release)
        root_filesystem.make(context / "rootfs.tar", release, origins, wanted, epoch=EPOCH)
        say("base image 2/3: numpy, scipy, scikit-learn and skops, as locked")
        names = serving_packages.read_names(recipe / "python-packages.txt")
        requirements = serving_packages.locked(LOCK.read_text(), names)
        chosen = serving_packages.for_python(requirements, python.full_version)
        serving_packages.install(chosen, python.version, context / "site-packages")
        say("base image 3/3: compiling and packing (half a minute)")
        size = _build(recipe / "Containerfile", context, state, layout, python.version)
        index = json.loads((layout / "index.json").read_text())
        digest = str(index["manifests"][0]["digest"])
        write_text(scratch / "digest", digest)
        remove(context, state)
        remove(home)
        scratch.chmod(0o755)
        scratch.rename(home)
    finally:
        remove(scratch)
    packed = sum(path.stat().st_size for path in (home / "oci" / "blobs").rglob("*") if path.is_file())
    say(f"base image: {size} unpacked, {packed / 1e6:.0f} MB compressed, {digest}")
    return _Made(layout=home / "oci", digest=digest)


def _build(containerfile: Path, context: Path, state: Path, layout: Path, python: str) -> str:
    """Build the image into an OCI layout, and return its unpacked size in words."""
    pinned = ["--timestamp", str(EPOCH), "--identity-label=false", "--layers=false", "--format", "oci"]
    argv = ["build", "--quiet", "--isolation", "chroot", *pinned, "--build-arg", f"PYTHON={python}"]
    buildah(state, [*argv, "--tag", LOCAL_NAME, "--file", str(containerfile), str(context)])
    buildah(state, ["push", "--quiet", LOCAL_NAME, f"oci:{layout}:latest"])
    return buildah(state, ["images", "--noheading", "--format", "{{.Size}}", LOCAL_NAME]).stdout.strip()


def _push(made: _Made, registry: Registry, tag: str) -> None:
    target = f"docker://{registry.address}/{REPOSITORY}:{tag}"
    argv = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--dest-authfile", str(registry.auth_file)]
    run([*argv, f"oci:{made.layout}:latest", target], timeout=900)
    if not registry.holds(REPOSITORY, made.digest):
        raise LaptopError(
            f"{target} was pushed and has another digest than {made.digest}",
            solution=f"remove {made.layout.parent} to have it made anew",
        )


def _store(registry: Registry, reference: str, say: Say) -> Path:
    """The image unpacked, beside the registry: pulled from there, its layers are known by their names there.

    Only so a push of an image on top of it finds the base's layers in the registry, and need not pack them again.
    """
    store, marker = registry.directory / "base-store", registry.directory / "base-store.reference"
    if marker.exists() and marker.read_text() == reference:
        return store
    say("base image: unpacking it once for all builds")
    marker.unlink(missing_ok=True)
    remove(store)
    store.mkdir()
    buildah(store, ["pull", "--quiet", "--tls-verify=false", "--authfile", str(registry.auth_file), reference])
    write_text(marker, reference)
    return store
