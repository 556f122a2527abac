"""buildah(1): pull the base, build without network and without any credential, push. Nothing of it stays behind."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hallmark import process, registry_calls
from hallmark.errors import ToolFailedError
from hallmark.image_reference import Image
from hallmark.registry_auth import require_plain_http

STATE = Path("/var/lib/containers")
"""Where images are unpacked and where Buildah, as root, remembers which registry has which layer (`cache`)."""

IMAGES = "images"
"""Below a session's folder: what a build may write."""

LAYER_HINTS = Path("cache") / "blob-info-cache-v1.boltdb"
DROPPED = ("CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_NET_RAW", "CAP_AUDIT_WRITE")
"""What `RUN` does without: with SYS_CHROOT, root leaves a chroot, and the build's isolation is no more than that."""

BUILD_SECONDS = 3600.0

MOUNTS_MENDED = (1, 38, 1)
MOUNT_HOLES = ("CVE-2024-1753", "CVE-2024-9675", "CVE-2024-11218")
"""`RUN --mount` of an older Buildah reaches out of the build's root. Distributions mend that under the old number too,
which the tool does not tell."""


@dataclass(frozen=True, kw_only=True)
class Buildah:
    """Runs buildah on images of its own; made by :func:`session`."""

    folder: Path
    """Holds the images and the tool's other files."""
    base_store: Path | None
    authfile: Path
    tls_verify: bool

    def pull(self, image: Image) -> bool:
        """Have `image`; False if the store for bases held it already. Raises ToolFailedError."""
        if self._run(["inspect", "--type=image", str(image)], accept=None).exit_code == 0:
            return False
        self._run(["pull", "--quiet", *self._registry(str(image)), str(image)])
        return True

    def mounts_safely(self) -> bool:
        """Whether this Buildah is known to keep what `RUN --mount` mounts inside the build."""
        told = process.run(["buildah", "--version"], timeout=60).stdout
        found = re.search(r"version (\d+)\.(\d+)\.(\d+)", told)
        return found is not None and tuple(map(int, found.groups())) >= MOUNTS_MENDED

    def build(
        self,
        context: Path,
        containerfile: Path,
        name: str,
        *,
        build_args: Mapping[str, str],
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
        timestamp: int,
    ) -> process.Completed:
        """Build the image `name` from a Containerfile that may do anything; the answer tells whether it succeeded.

        Args:
            annotations: of the manifest.
            timestamp: seconds since 1970 that every file and the image are dated.
        """
        arguments = [
            "build",
            "--pull-never",
            "--isolation=chroot",
            f"--timestamp={timestamp}",
            "--layers=false",
            "--identity-label=false",
            *(f"--cap-drop={name}" for name in DROPPED),
            *(f"--build-arg={key}={value}" for key, value in build_args.items()),
            *(f"--label={key}={value}" for key, value in labels.items()),
            *(f"--annotation={key}={value}" for key, value in annotations.items()),
            f"--file={containerfile}",
            f"--tag={name}",
            str(context),
        ]
        return self._run(arguments, alone_with=context, accept=None, timeout=BUILD_SECONDS)

    def push(self, name: str, target: str, tag: str) -> str:
        """Push the image `name` and return the digest that the registry knows it by. Raises ToolFailedError."""
        digestfile = self.folder / "digest"
        arguments = ["push", "--quiet", *self._registry(target), f"--digestfile={digestfile}"]
        self._run([*arguments, name, f"docker://{target}:{tag}"], timeout=1800)
        return digestfile.read_text(encoding="ascii").strip()

    def _registry(self, name: str) -> list[str]:
        if not self.tls_verify:
            require_plain_http(name, self.authfile)
        return [f"--authfile={self.authfile}", f"--tls-verify={str(self.tls_verify).lower()}"]

    def _run(
        self,
        arguments: Sequence[str],
        *,
        alone_with: Path | None = None,
        accept: Sequence[int] | None = (0,),
        timeout: float = 900,
    ) -> process.Completed:
        """Call buildah; with `alone_with`, a build's context, in a root that holds only that, the images and the base.

        What a build can write is given to no other call for its own files: there may be links in it.
        """
        shared = self.folder / IMAGES
        private = shared / "build" if alone_with else self.folder / "private"
        private.mkdir(exist_ok=True)
        storage = [
            "--storage-driver=overlay",
            f"--root={shared / 'storage'}",
            f"--runroot={private / 'run'}",
            *([f"--storage-opt=overlay.imagestore={self.base_store / 'storage'}"] if self.base_store else []),
        ]
        before = launcher()
        if alone_with:
            before = launcher(alone=True, read=[alone_with, *filter(None, [self.base_store])], write=[shared])
        env = {"TMPDIR": str(private), "HOME": str(private)} if alone_with else {"TMPDIR": str(private)}
        argv = [*before, "buildah", *storage, *arguments]
        if arguments[0] in ("pull", "push"):
            return registry_calls.run(argv, [self.authfile], env=env, accept=accept, timeout=timeout)
        return process.run(argv, env=env, accept=accept, timeout=timeout)


def launcher(*, alone: bool = False, read: Sequence[Path] = (), write: Sequence[Path] = ()) -> list[str]:
    """What stands before a tool that needs namespaces of its own; the paths are those it sees when `alone`."""
    argv = [sys.executable, "-I", "-m", "hallmark.tools.namespaces", *(["--alone"] if alone else [])]
    return [*argv, *(f"--read={path}" for path in read), *(f"--write={path}" for path in write)]


def has_mounts(containerfile: str) -> bool:
    """Whether `--mount` stands in it, also across continued lines; rather too much is found than too little.

    Quotes and backslashes go first, as the parser drops them inside flags (imagebuilder's `extractBuilderFlags`).
    """
    lines = [line for line in containerfile.split("\n") if not line.lstrip().startswith("#")]
    return "--mount" in re.sub(r"[\\`'\"\s]", "", "".join(lines)).lower()


@contextlib.contextmanager
def session(authfile: Path, *, tls_verify: bool, base_store: Path | None) -> Iterator[Buildah]:
    """Buildah with an empty folder for its images, which goes when the block ends.

    Args:
        base_store: a folder laid out as :data:`STATE` that holds the base image unpacked; it is only read.

    Raises:
        ToolFailedError: this process may not make the namespaces that a build needs.
    """
    tried = process.run([*launcher(alone=True), "true"], accept=None, timeout=60)
    if tried.exit_code != 0:
        raise ToolFailedError(
            f"images cannot be built here: {tried.last_words}",
            solution="run the step as root with the capabilities that its Task asks for (SETFCAP beside the default "
            "ones), on nodes that allow user namespaces",
        )
    parent = STATE if os.access(STATE, os.W_OK) else None
    base_store = base_store.absolute() if base_store else None
    if base_store is not None and parent is not None:
        _seed(base_store, parent)
    folder = Path(tempfile.mkdtemp(prefix="hallmark-build-", dir=parent))
    (folder / IMAGES).mkdir()
    try:
        yield Buildah(folder=folder, base_store=base_store, authfile=authfile, tls_verify=tls_verify)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _seed(base_store: Path, state: Path) -> None:
    """Hand on which layer of the base lies where, so that the push need not compress it to find out.

    These are only hints: a registry is asked for a layer by its digest. What Buildah knows already is left alone.
    """
    hints, target = base_store / LAYER_HINTS, state / LAYER_HINTS
    if hints.is_file() and not target.exists():
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(hints, target)
