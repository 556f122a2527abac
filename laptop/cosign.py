"""cosign: the machine's own where it is of a known version, else built from tools/go.mod."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from hallmark.errors import ToolFailedError
from hallmark.process import run
from laptop import go_tools
from laptop.console import Say

OLDEST, TOO_NEW = (2, 4), (4, 0)
"""From 2.4 on cosign knows bundles; version 4 drops the signatures that admission controllers read."""

PACKAGE = "github.com/sigstore/cosign/v2/cmd/cosign"


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
    target = (built / "cosign").resolve()
    if go_tools.is_built(tools, PACKAGE, target):
        return target
    found = shutil.which("cosign")
    if found and Path(found).resolve() != target and usable(version_of(Path(found))):
        return Path(found).resolve()
    say("building cosign from source (2 to 5 minutes, once)")
    go_tools.build(tools, PACKAGE, target)
    if not usable(version_of(target)):
        raise ToolFailedError(
            f"{target} was built and does not tell a version from 2.4 to 3.x", solution="see tools/go.mod"
        )
    return target


def version_of(cosign: Path) -> tuple[int, int] | None:
    """The major and minor version that a cosign tells, or None."""
    told = run([str(cosign), "version", "--json"], accept=None, timeout=60)
    try:
        text = str(json.loads(told.stdout)["gitVersion"])
    except (ValueError, KeyError, TypeError):
        return None
    found = re.match(r"v(\d+)\.(\d+)\.", text)
    return (int(found[1]), int(found[2])) if found else None


def usable(version: tuple[int, int] | None) -> bool:
    """Whether the pipeline's cosign commands are known to work with this version."""
    return version is not None and OLDEST <= version < TOO_NEW
