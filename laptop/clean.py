"""`python -m laptop.clean [FOLDER]`: ends the registries that were started below a folder (default: .hallmark)."""

from __future__ import annotations

import sys
from pathlib import Path

from laptop import registry
from laptop.console import exit_code_of, say


def main() -> None:
    for pid_file in sorted(Path(sys.argv[1] if len(sys.argv) > 1 else ".hallmark").rglob("registry.pid")):
        if registry.stop(pid_file.parent):
            say(f"ended the registry of {pid_file.parent}")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
