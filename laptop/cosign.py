"""cosign: the machine's own where it is new enough, else built from tools/go.mod."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from hallmark.errors import BadInputError, ToolFailedError
from hallmark.files import sha256_bytes, write_text
from hallmark.process import run
from laptop.console import Say

OLDEST, TOO_NEW = (2, 4), (4, 0)
"""From 2.4 on, `--tlog-upload=false` and bundles are known; version 4 drops the signatures that admission reads."""

PACKAGE = "github.com/sigstore/cosign/v2/cmd/cosign"
BUILD_SECONDS = 3600.0


def ensure(tools: Path, built: Path, say: Say) -> Path:
    """A cosign that works: its absolute path.

    Args:
        tools: the folder with go.mod, which pins cosign's version and that of everything in it.
        built: the folder for programs built here, `.tools/bin` by convention.
        say: told before the build, which takes minutes the first time.

    Raises:
        BadInputError: no cosign of a known version, and no Go to build one.
        ToolFailedError: the build failed, for instance because the module proxy did not answer.
    """
    target = built / "cosign"
    stamp = built / "cosign.inputs"
    inputs = sha256_bytes((tools / "go.mod").read_bytes() + (tools / "go.sum").read_bytes())
    if target.exists() and stamp.exists() and stamp.read_text() == inputs:
        return target.resolve()
    found = shutil.which("cosign")
    if found and Path(found).resolve() != target.resolve() and usable(version_of(Path(found))):
        return Path(found).resolve()
    if not shutil.which("go"):
        raise BadInputError(
            "there is no cosign from 2.4 to 3.x on PATH, and no Go to build one",
            solution=f"install Go {_go_version(tools)} or newer, or cosign, and put it on PATH",
        )
    say("building cosign from source (2 to 5 minutes, once)")
    built.mkdir(parents=True, exist_ok=True)
    build(tools, PACKAGE, target)
    if not usable(version_of(target)):
        raise ToolFailedError(
            f"{target} was built and does not tell a version from 2.4 to 3.x", solution="see tools/go.mod"
        )
    write_text(stamp, inputs)
    return target.resolve()


def build(module: Path, package: str, target: Path) -> None:
    """Compile a Go command of `module` to `target`: static, without paths of this machine."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    flags = ["-trimpath", "-ldflags", "-s -w"]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    try:
        argv = ["go", "build", *flags, "-o", str(partial.resolve()), package]
        run(argv, cwd=module, env=environment, timeout=BUILD_SECONDS)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def version_of(cosign: Path) -> tuple[int, int] | None:
    """The major and minor version that a cosign tells, or None."""
    told = run([str(cosign), "version", "--json"], accept=None, timeout=60)
    try:
        text = json.loads(told.stdout)["gitVersion"]
    except (ValueError, KeyError, TypeError):
        return None
    found = re.match(r"v(\d+)\.(\d+)\.", text)
    return (int(found[1]), int(found[2])) if found else None


def usable(version: tuple[int, int] | None) -> bool:
    """Whether the pipeline's cosign commands are known to work with this version."""
    return version is not None and OLDEST <= version < TOO_NEW


def _go_version(tools: Path) -> str:
    found = re.search(r"^go (\S+)$", (tools / "go.mod").read_text(), re.MULTILINE)
    return found[1] if found else ""
