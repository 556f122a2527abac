"""Go commands that are built from pinned sources, once."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.files import sha256_bytes, write_text
from hallmark.process import run

BUILD_SECONDS = 3600.0
NONE: Mapping[str, str] = {}


def is_built(module: Path, package: str, target: Path) -> bool:
    """Whether `target` was built from what pins the command `package` of a Go module now."""
    stamp = _stamp(target)
    return target.exists() and stamp.exists() and stamp.read_text() == _inputs(module, package)


def build(
    module: Path, package: str, target: Path, *, tags: str = "", cgo: bool = False, values: Mapping[str, str] = NONE
) -> None:
    """Compile the command `package` of a Go module to `target`: static (unless `cgo`), without paths of this machine.

    Args:
        module: the folder with go.mod and go.sum, which pin everything that is compiled.
        package: an import path, or `./cmd/<name>`.
        tags: build tags, separated by spaces.
        cgo: whether C is compiled too, which needs a C compiler.
        values: string variables that the linker sets, `import/path.name` to value; a version, usually.

    Raises:
        BadInputError: there is no Go.
        ToolFailedError: the build failed, for instance because the module proxy did not answer.
    """
    if not shutil.which("go"):
        raise BadInputError(
            f"{target.name} has to be built, and go is not on PATH",
            solution=f"install Go {_go_version(module)} or newer, and put it on PATH",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}").resolve()
    link = " ".join(["-s", "-w", *(f"-X={name}={value}" for name, value in values.items())])
    flags = ["-trimpath", "-ldflags", link, "-o", str(partial), *(["-tags", tags] if tags else [])]
    inputs = _inputs(module, package)
    try:
        run(
            ["go", "build", *flags, package],
            cwd=module,
            env={**os.environ, "CGO_ENABLED": str(int(cgo))},
            timeout=BUILD_SECONDS,
        )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    write_text(_stamp(target), inputs)


def _stamp(target: Path) -> Path:
    return target.with_name(f"{target.name}.inputs")


def _inputs(module: Path, package: str) -> str:
    """A digest of what pins the module's dependencies and of the package's source, if that is the module's own."""
    own = sorted((module / package).glob("*.go")) if package.startswith("./") else []
    files = [module / "go.mod", module / "go.sum", *own]
    return sha256_bytes(b"".join(path.read_bytes() for path in files))


def _go_version(module: Path) -> str:
    found = re.search(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)
    return found[1] if found else ""
