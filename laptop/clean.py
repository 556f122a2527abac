"""`python -m laptop.clean [FOLDER]`: ends what `make run` left running, and removes its folder (default: .hallmark)."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from hallmark.process import run
from laptop import registry, world
from laptop.console import Say, exit_code_of, say
from laptop.containers import remove

IN_NAMESPACE = ["unshare", "--map-root-user", "--map-auto", "--mount"]
"""How tkn-solo becomes root of a user namespace where the user is not root."""

# Where podman's state of a store lies is tkn-solo's to know; it ends the containers whose tkn-solo is no more.
END_CONTAINERS = (
    "import sys; from pathlib import Path; from tkn_solo.host.podman import Podman; "
    "Podman(Path(sys.argv[1])).remove_orphans()"
)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".hallmark").resolve()
    if not folder.is_dir():
        return
    with world.locked(folder):
        for pid_file in sorted(folder.rglob("registry.pid")):
            if registry.stop(pid_file.parent):
                say(f"ended the registry of {pid_file.parent}")
        if (folder / "podman/graph").is_dir():
            end_containers(folder / "podman")
        unmount_below(folder)
        remove(folder)


def end_containers(store: Path) -> None:
    """End and remove the containers in a store of tkn-solo's that a killed tkn-solo left.

    Raises:
        ToolFailedError: that could not be tried.
    """
    as_root = [] if os.geteuid() == 0 else IN_NAMESPACE
    environment = {name: os.environ[name] for name in ("XDG_RUNTIME_DIR",) if name in os.environ}
    run([*as_root, sys.executable, "-c", END_CONTAINERS, str(store)], env=environment, timeout=120)


def unmount_below(folder: Path, say: Say = say) -> None:
    """Unmount what is mounted below `folder`, the innermost first; mounts in other namespaces end with these."""
    for point in reversed(mounts_below(folder, Path("/proc/self/mountinfo").read_text())):
        run(["umount", "--lazy", str(point)], timeout=60)
        say(f"unmounted {point}")


def mounts_below(folder: Path, mountinfo: str) -> list[Path]:
    """The mount points below a folder among the lines of proc_pid_mountinfo(5), in the order of mounting."""
    points = [Path(_unescaped(line.split(" ")[4])) for line in mountinfo.splitlines()]
    return [point for point in points if folder in point.parents]


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
