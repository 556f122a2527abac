"""cosign 3, which is not what is delivered: built from what tools/sigstore pins, to be tested with as well."""

from __future__ import annotations

import fcntl
from pathlib import Path

from laptop import go_tools

ROOT = Path(__file__).parents[2]
MODULE, PACKAGE = ROOT / "tools" / "sigstore", "github.com/sigstore/cosign/v3/cmd/cosign"
PROGRAM = ROOT / ".tools" / "bin" / "cosign3"


def program() -> Path:
    """The program, built (some minutes) if it was not yet; one process builds, others wait for it."""
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    with PROGRAM.with_name(".cosign3.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not go_tools.is_built(MODULE, PACKAGE, PROGRAM):
            go_tools.build(MODULE, PACKAGE, PROGRAM)
    return PROGRAM
