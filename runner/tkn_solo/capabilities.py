"""Linux capabilities of a step, from its securityContext."""

from __future__ import annotations

from tkn_solo.model import Capabilities

# containerd's default set without MKNOD, NET_RAW, AUDIT_WRITE and SETFCAP, which CRI-O does not grant either.
DEFAULT = frozenset(["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"])


def granted(asked: Capabilities | None, *, root: bool) -> frozenset[str]:
    """The capabilities of a step: none unless it runs as root, else the default set and what it adds or drops."""
    if not root:
        return frozenset()
    drop = {_plain(name) for name in asked.drop} if asked else set()
    add = {_plain(name) for name in asked.add} if asked else set()
    base = frozenset() if "ALL" in drop else DEFAULT - drop
    return base | (add - {"ALL"})


def _plain(name: str) -> str:
    return name.upper().removeprefix("CAP_")
