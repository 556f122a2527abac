"""Linux capabilities of a step, from its securityContext."""

from __future__ import annotations

from tkn_solo.errors import InputError
from tkn_solo.kubernetes import Capabilities

# containerd's default set without MKNOD, NET_RAW, AUDIT_WRITE and SETFCAP, most of which CRI-O does not grant either.
_DEFAULT = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETGID SETPCAP SETUID SYS_CHROOT"
DEFAULT = frozenset(_DEFAULT.split())
# What a step may ask for beyond it. Anything more (SYS_ADMIN, MKNOD, ...) would open the sandbox: root in it is root
# of this machine.
ADDABLE = DEFAULT | {"SETFCAP"}


def granted(asked: Capabilities | None, *, root: bool, where: str) -> frozenset[str]:
    """The capabilities of a step: none unless it runs as root, else the default set and what it adds or drops.

    Raises InputError if it asks for more than a sandbox can give.
    """
    if not root:
        return frozenset()
    drop = {_plain(name) for name in asked.drop} if asked else set()
    add = {_plain(name) for name in asked.add} if asked else set()
    if refused := sorted(add - ADDABLE):
        raise InputError(
            f"the capability {refused[0]} cannot be added on one machine",
            where=where,
            solution=f"A root step may have: {', '.join(sorted(ADDABLE))}.",
        )
    base = frozenset() if "ALL" in drop else DEFAULT - drop
    return base | add


def _plain(name: str) -> str:
    return name.upper().removeprefix("CAP_")
