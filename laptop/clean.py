"""`python -m laptop.clean [FOLDER]`: ends what `make run` left running, and removes its folder (default: .hallmark)."""

from __future__ import annotations

import sys
from pathlib import Path

from laptop import registry
from laptop.console import exit_code_of, say
from laptop.containers import remove


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".hallmark")
    for pid_file in sorted(folder.rglob("registry.pid")):
        if registry.stop(pid_file.parent):
            say(f"ended the registry of {pid_file.parent}")
    remove(folder)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
