"""The Debian packages that the laptop's part needs: which are missing, and how they are installed.

The names are those of Debian 12 and newer and of Ubuntu 22.04 and newer, where they are the same.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.process import run
from laptop.console import Say

COMMANDS: Mapping[str, str] = {
    "buildah": "buildah",
    "podman": "podman",
    "skopeo": "skopeo",
    "docker-registry": "docker-registry",
    "bwrap": "bubblewrap",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
    "htpasswd": "apache2-utils",
    "newuidmap": "uidmap",
    "git": "git",
    "git-lfs": "git-lfs",
}
"""Each command that is run, and the package that brings it."""

NO_FILES: Mapping[str, str] = {}

SERVICES: Mapping[str, Sequence[str]] = {
    "docker-registry": ["docker-registry.service"],
    "podman": [
        "podman.socket",
        "podman.service",
        "podman-restart.service",
        "podman-auto-update.service",
        "podman-auto-update.timer",
    ],
    "etcd-server": ["etcd.service"],
    "containerd": ["containerd.service"],
}
"""What a package would start by itself, now and at the next boot. Nobody asked for it: the laptop starts its own."""

APT_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
APT_OPTIONS = ["-qq", "-o", "DPkg::Lock::Timeout=300"]
POLICY = Path("/usr/sbin/policy-rc.d")
MINUTES = 60.0


def missing(
    path: str | None = None, commands: Mapping[str, str] | None = None, files: Mapping[str, str] = NO_FILES
) -> list[str]:
    """The packages whose command or file is not found, sorted.

    Args:
        path: folders to search, as in PATH (default: this process's). The folders of the administrator's commands
            are always searched, because an ordinary user's PATH leaves them out.
        commands: each command that is needed, and its package (default: those of the laptop's part).
        files: the same for files with an absolute path.
    """
    searched = os.pathsep.join([os.environ.get("PATH", "") if path is None else path, "/usr/sbin", "/sbin"])
    absent = {
        package for command, package in (commands or COMMANDS).items() if not shutil.which(command, path=searched)
    }
    return sorted(absent | {package for file, package in files.items() if not Path(file).exists()})


def ensure(say: Say, commands: Mapping[str, str] | None = None, files: Mapping[str, str] = NO_FILES) -> None:
    """Install what is missing; nothing is run when nothing is. Arguments as in :func:`missing`.

    Raises:
        BadInputError: something is missing and this user cannot install it, or this is no Debian.
        ToolFailedError: apt-get failed.
    """
    packages = missing(None, commands, files)
    if not packages:
        return
    say(f"installing {', '.join(packages)} (a minute)")
    root = _as_root(packages)
    run([*root, "apt-get", "update", *APT_OPTIONS], env=os.environ, timeout=10 * MINUTES)
    with _services_held_back(root):
        command = ["apt-get", "install", "--yes", "--no-install-recommends", *APT_OPTIONS, *packages]
        run([*root, *command], env={**os.environ, **APT_ENVIRONMENT}, timeout=30 * MINUTES)
    _disable(root, [unit for package in packages for unit in SERVICES.get(package, ())])


def update(why: str) -> None:
    """Fetch the package lists, for `why`. Errors as in :func:`ensure`."""
    root = _as_root([], why)
    run([*root, "apt-get", "update", *APT_OPTIONS], env=os.environ, timeout=10 * MINUTES)


def _as_root(packages: Sequence[str], why: str = "") -> list[str]:
    """What stands before a command so that it runs as root: nothing, or sudo where it asks no password."""
    install = f"apt-get update && apt-get install --no-install-recommends {shlex.join(packages)}".strip()
    command = install if packages else "apt-get update"
    why = why or f"missing: {', '.join(packages)}"
    if not shutil.which("apt-get"):
        raise BadInputError(
            f"{why}, and this is neither Debian nor Ubuntu",
            solution=f"install what brings these commands: {', '.join(COMMANDS)}",
        )
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and run(["sudo", "-n", "true"], accept=None).exit_code == 0:
        return ["sudo", "-n", *[f"{name}={value}" for name, value in APT_ENVIRONMENT.items()]]
    raise BadInputError(f"{why}, and this user may not install packages", solution=f"as root, run: {command}")


@contextlib.contextmanager
def _services_held_back(root: Sequence[str]) -> Iterator[None]:
    """Debian's own switch against services that start when they are installed: a policy that says no (101).

    https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt; a policy of the machine's own is kept.
    """
    if POLICY.exists():
        yield
        return
    with tempfile.NamedTemporaryFile("w", prefix="policy-rc.d.") as policy:
        policy.write("#!/bin/sh\nexit 101\n")
        policy.flush()
        run([*root, "install", "-m", "755", policy.name, str(POLICY)])
    try:
        yield
    finally:
        run([*root, "rm", "-f", str(POLICY)])


def _disable(root: Sequence[str], units: Sequence[str]) -> None:
    """Keep `units` from starting at the next boot."""
    if units and shutil.which("systemctl"):
        run([*root, "systemctl", "--quiet", "disable", *units], timeout=MINUTES)
