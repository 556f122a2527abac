"""buildah(1): pull the base, build without network and without any credential, push. Nothing of it stays behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hallmark import process
from hallmark.errors import ToolFailedError
from hallmark.image_reference import Image

STATE = Path("/var/lib/containers")
"""Where images are unpacked and where Buildah, as root, remembers which registry has which layer (`cache`)."""

LAYER_HINTS = Path("cache") / "blob-info-cache-v1.boltdb"
DROPPED = ("CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_NET_RAW", "CAP_AUDIT_WRITE")
"""What `RUN` does without: with SYS_CHROOT, root leaves a chroot, and the build's isolation is no more than that."""

BUILD_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Buildah:
    """Runs buildah on images of its own; made by :func:`session`."""

    folder: Path
    """Holds the images, and is the tool's TMPDIR."""
    base_store: Path | None
    authfile: Path
    tls_verify: bool

    def pull(self, image: Image) -> bool:
        """Have `image`; False if the store for bases held it already. Raises ToolFailedError."""
        if self._run(["inspect", "--type=image", str(image)], accept=None).exit_code == 0:
            return False
        self._run(["pull", "--quiet", *self._registry(), str(image)])
        return True

    def build(
        self,
        context: Path,
        containerfile: Path,
        name: str,
        *,
        build_args: Mapping[str, str],
        labels: Mapping[str, str],
        timestamp: int,
    ) -> process.Completed:
        """Build the image `name` from a Containerfile that may do anything; the answer tells whether it succeeded.

        Args:
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
            f"--file={containerfile}",
            f"--tag={name}",
            str(context),
        ]
        return self._run(arguments, network=False, accept=None, timeout=BUILD_SECONDS)

    def push(self, name: str, target: str, tag: str) -> str:
        """Push the image `name` and return the digest that the registry knows it by. Raises ToolFailedError."""
        digestfile = self.folder / "digest"
        arguments = ["push", "--quiet", *self._registry(), f"--digestfile={digestfile}"]
        self._run([*arguments, name, f"docker://{target}:{tag}"], timeout=1800)
        return digestfile.read_text(encoding="ascii").strip()

    def _registry(self) -> list[str]:
        return [f"--authfile={self.authfile}", f"--tls-verify={str(self.tls_verify).lower()}"]

    def _run(
        self,
        arguments: Sequence[str],
        *,
        network: bool = True,
        accept: Sequence[int] | None = (0,),
        timeout: float = 900,
    ) -> process.Completed:
        storage = [
            "--storage-driver=overlay",
            f"--root={self.folder / 'storage'}",
            f"--runroot={self.folder / 'run'}",
            *([f"--storage-opt=overlay.imagestore={self.base_store / 'storage'}"] if self.base_store else []),
        ]
        argv = [*launcher(network=network), "buildah", *storage, *arguments]
        return process.run(argv, env={"TMPDIR": str(self.folder)}, accept=accept, timeout=timeout)


def launcher(*, network: bool) -> list[str]:
    """What stands before a tool that needs namespaces of its own."""
    return [sys.executable, "-I", "-m", "hallmark.tools.namespaces", *([] if network else ["--no-network"])]


@contextlib.contextmanager
def session(authfile: Path, *, tls_verify: bool, base_store: Path | None) -> Iterator[Buildah]:
    """Buildah with an empty folder for its images, which goes when the block ends.

    Args:
        base_store: a folder laid out as :data:`STATE` that holds the base image unpacked; it is only read.

    Raises:
        ToolFailedError: this process may not make the namespaces that a build needs.
    """
    tried = process.run([*launcher(network=False), "true"], accept=None, timeout=60)
    if tried.exit_code != 0:
        raise ToolFailedError(
            f"images cannot be built here: {tried.last_words}",
            solution="run the step as root with the capabilities that its Task asks for (SETFCAP beside the default "
            "ones), on nodes that allow user namespaces",
        )
    parent = STATE if os.access(STATE, os.W_OK) else None
    if base_store is not None and parent is not None:
        _seed(base_store, parent)
    folder = Path(tempfile.mkdtemp(prefix="hallmark-build-", dir=parent))
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
