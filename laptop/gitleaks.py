"""gitleaks, built from tools/gitleaks/go.mod, which pins its version."""

from __future__ import annotations

import re
from pathlib import Path

from laptop import go_tools
from laptop.console import Say

PACKAGE = "github.com/zricethezav/gitleaks/v8"
_VERSION = re.compile(rf"^\s*{re.escape(PACKAGE)} v(\S+)", re.MULTILINE)


def ensure(tools: Path, built: Path, say: Say) -> Path:
    """The pinned gitleaks: its absolute path.

    Args:
        tools: the folder with the Go modules of programs; `gitleaks` below it pins this one.
        built: the folder for programs built here, `.tools/bin` by convention.
        say: told before the build, which takes half a minute the first time.

    Raises:
        BadInputError: it has to be built, and there is no Go.
        ToolFailedError: the build failed, for instance because the module proxy did not answer.
    """
    module, target = tools / "gitleaks", (built / "gitleaks").resolve()
    if not go_tools.is_built(module, PACKAGE, target):
        say("building gitleaks from source (half a minute, once)")
        found = _VERSION.search((module / "go.mod").read_text(encoding="utf-8"))
        version = {f"{PACKAGE}/version.Version": found[1]} if found else {}
        go_tools.build(module, PACKAGE, target, values=version)
    return target
