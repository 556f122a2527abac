"""`python -m laptop.setup`: the Debian packages, cosign and gitleaks, as far as they are missing."""

from __future__ import annotations

import sys
from pathlib import Path

from laptop import cosign, gitleaks, packages
from laptop.console import exit_code_of, say

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / ".tools"
"""What is built here and kept: programs in `bin`, base images. `make clean` leaves it alone."""


def main() -> None:
    packages.ensure(say)
    cosign.ensure(ROOT / "tools", TOOLS / "bin", say)
    gitleaks.ensure(ROOT / "tools", TOOLS / "bin", say)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
