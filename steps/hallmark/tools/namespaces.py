"""Runs Buildah in mount and network namespaces of its own: `... [--no-network] TOOL ARG...`.

With `--no-network` only a loopback device that is down is left, which is how `RUN` of a build gets no network:
Buildah's own `--network=none` does not work with `--isolation=chroot`. Such a namespace takes CAP_SYS_ADMIN, or a user
namespace around it. A pod's build step has not the first; `buildah unshare` makes the second only with ranges in
/etc/subuid, which an image need not have. So it is made here, with the same users as outside. Inside it nothing more
is allowed on the machine than outside (user_namespaces(7)).

Without `--no-network`, root of the machine only gets a mount namespace, so that what the tool mounts goes with it. A
pod's root gets none: Buildah makes a user namespace for itself, and knows then that it may make no device files.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import NoReturn

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
CAP_SYS_ADMIN = 21
CANNOT = 125
"""Exit code where the namespaces cannot be made; the tool was not started."""


def main() -> NoReturn:
    """The command line: becomes the tool."""
    argv = sys.argv[1:]
    no_network = argv[:1] == ["--no-network"]
    argv = argv[no_network:]
    flags = CLONE_NEWNS | (CLONE_NEWNET if no_network else 0)
    try:
        if _may_mount():
            _unshare(flags)
            # Or what the tool mounts would show outside, and stay there.
            _check(_libc().mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
        elif no_network:
            _unshare_as_the_same_users(flags)
    except OSError as error:
        print(f"cannot make a namespace: {error.strerror}", file=sys.stderr)
        sys.exit(CANNOT)
    os.execvp(argv[0], argv)  # noqa: S606 # nosec B606


def _may_mount() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> CAP_SYS_ADMIN & 1)


def _unshare_as_the_same_users(flags: int) -> None:
    """Enter a new user namespace in which every user is who it was.

    A process cannot write such maps for itself; a child that has stayed outside does, once the namespace is there.
    """
    process = os.getpid()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        entered = os.read(read, 1)
        os._exit(0 if entered and _write_maps(process) else 1)
    os.close(read)
    try:
        _unshare(flags | CLONE_NEWUSER)
        os.write(write, b"x")
    finally:
        os.close(write)
        _, status = os.waitpid(child, 0)
    if status != 0:
        raise PermissionError(1, "the users of this one cannot be mapped into it (CAP_SETUID and CAP_SETGID do that)")


def _write_maps(process: int) -> bool:
    try:
        for kind in ("uid_map", "gid_map"):
            ranges = [line.split() for line in Path(f"/proc/self/{kind}").read_text(encoding="ascii").splitlines()]
            same = "\n".join(f"{inside} {inside} {length}" for inside, _, length in ranges)
            Path(f"/proc/{process}/{kind}").write_text(same, encoding="ascii")
    except OSError:
        return False
    return True


def _unshare(flags: int) -> None:
    _check(_libc().unshare(flags))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main()
