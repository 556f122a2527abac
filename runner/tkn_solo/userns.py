"""Being root of a user namespace where the run needs it: for steps that run as root, and for containers."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tkn_solo.errors import InfrastructureError
from tkn_solo.process import find

_MARK = "TKN_SOLO_USER_NAMESPACE"


def enter(argv: Sequence[str], stdin: str | None) -> None:
    """Start this command again as root of a user namespace of its own; does not return.

    The user's subordinate IDs (/etc/subuid) are mapped. The process keeps its PID, so that signals reach it.
    `stdin` is what was already read from standard input. Raises InfrastructureError if that is not possible.
    """
    if os.environ.get(_MARK):
        raise InfrastructureError("the user namespace did not make tkn-solo root")
    unshare = find("unshare", "util-linux 2.38 or newer")
    find("newuidmap", "uidmap")
    if not _has_subordinate_ids():
        raise InfrastructureError(
            "this user has no subordinate IDs, which steps that run as root and sidecars need",
            solution="Let an administrator run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER.",
        )
    if stdin is not None:
        descriptor = os.memfd_create("stdin")
        os.write(descriptor, stdin.encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.dup2(descriptor, 0)
    command = [unshare, "--map-root-user", "--map-auto", "--mount", "--", sys.executable, "-m", "tkn_solo.cli", *argv]
    os.execve(unshare, command, {**os.environ, _MARK: "1"})  # noqa: S606 - no shell is meant


def is_initial() -> bool:
    """Whether this is the machine's own user namespace, in which every UID exists."""
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]


def outer_uid() -> int:
    """The UID outside of what is root here."""
    first = Path("/proc/self/uid_map").read_text().split()
    return int(first[1])


def is_mapped(uid: int) -> bool:
    """Whether a UID exists in this user namespace."""
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    ranges = [[int(number) for number in line.split()] for line in lines]
    return any(first <= uid < first + count for first, _, count in ranges)


def _has_subordinate_ids() -> bool:
    import pwd

    uid = os.getuid()
    try:
        names = {pwd.getpwuid(uid).pw_name, str(uid)}
    except KeyError:
        names = {str(uid)}
    try:
        lines = Path("/etc/subuid").read_text().splitlines()
    except OSError:
        return False
    return any(line.split(":")[0] in names for line in lines)
