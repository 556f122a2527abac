"""Runs a tool in namespaces of its own: `... [--alone [--read=PATH]... [--write=PATH]...] TOOL ARG...`.

With `--alone` the tool runs code that nobody trusts. It gets no network but a loopback device that is down; a root of
its own with the system's folders and the named ones, all read-only but those given with `--write`; and it is the first
process of a PID namespace, so that the kernel ends whatever it leaves behind. The network goes this way because
Buildah's own `--network=none` does not work with `--isolation=chroot`; the files go this way so that a hole in what
Buildah mounts for `RUN` (CVE-2024-1753, CVE-2024-9675) leads to nothing worth having. Such namespaces take
CAP_SYS_ADMIN, or a user namespace around them. A pod's build step has not the first; `buildah unshare` makes the
second only with ranges in /etc/subuid, which an image need not have. So it is made here, with the same users as
outside. Inside it nothing more is allowed on the machine than outside (user_namespaces(7)).

Without `--alone`, root of the machine only gets a mount namespace, so that what the tool mounts goes with it. A
pod's root gets none: Buildah makes a user namespace for itself, and knows then that it may make no device files.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
CAP_SYS_ADMIN = 21
CANNOT = 125
"""Exit code where the namespaces cannot be made; the tool was not started."""

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc")
"""What a tool needs of the step's root. Read-only: the steps' own programs and settings are among it."""


def main() -> NoReturn:
    """The command line: becomes the tool, or waits for it."""
    parser = argparse.ArgumentParser(prog="namespaces", allow_abbrev=False)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--read", action="append", type=Path, default=[])
    parser.add_argument("--write", action="append", type=Path, default=[])
    parser.add_argument("argv", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    try:
        if given.alone:
            _alone(given.argv, given.read, given.write)
        if _may_mount():
            _unshare(CLONE_NEWNS)
            # Or what the tool mounts would show outside, and stay there.
            _mount("none", "/", MS_REC | MS_PRIVATE)
    except OSError as error:
        _cannot(error)
    os.execvp(given.argv[0], given.argv)  # noqa: S606 # nosec B606


def _alone(argv: Sequence[str], read: Sequence[Path], write: Sequence[Path]) -> NoReturn:
    """Run the tool in all of its namespaces and end with its exit code, when none of its processes is left."""
    flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID
    owned = _may_mount()
    if owned:
        _unshare(flags)
    else:
        _unshare_as_the_same_users(flags)
    child = os.fork()
    if child == 0:
        try:
            # Who ends this program, for having taken too long, means the tool.
            _check(_libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
            executable = shutil.which(argv[0]) or argv[0]
            _enter_root([*read, Path(executable).resolve()], write, need_proc=owned)
            os.execv(executable, list(argv))  # noqa: S606 # nosec B606
        except OSError as error:
            _cannot(error)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    sys.exit(code if code >= 0 else 128 - code)


def _enter_root(read: Sequence[Path], write: Sequence[Path], *, need_proc: bool) -> None:
    """Make a root of the system's folders and the named ones, at their own paths, and leave the old one for good.

    Args:
        need_proc: fail without a /proc of the new PID namespace. A user namespace may not mount one where parts of the
            pod's are covered; the pod's own then stays, whose processes a user namespace keeps from the tool.
    """
    _mount("none", "/", MS_REC | MS_PRIVATE)
    # Every root has this mount point, and nothing else is wanted from below it.
    root = Path("/sys")
    old, covered = os.open("/", os.O_PATH), os.open(root, os.O_PATH)
    _mount("tmpfs", str(root), MS_NOSUID | MS_NODEV, "tmpfs", "size=64m,mode=755")
    for name in SYSTEM:
        folder = Path("/") / name
        if folder.is_symlink():
            (root / name).symlink_to(folder.readlink())
        elif folder.is_dir():
            _bind(str(folder), root / name, read_only=True)
    _bind("/dev", root / "dev", read_only=False)
    _bind(f"/proc/self/fd/{covered}", root / "sys", read_only=True)
    os.close(covered)
    for path in (*read, *write):
        target = root / path.relative_to("/")
        if not target.exists():
            _bind(str(path), target, read_only=path not in write)
    _proc(root / "proc", needed=need_proc)
    os.chdir(root)
    _check(_libc().pivot_root(b".", b"."))
    os.fchdir(old)
    os.close(old)
    _check(_libc().umount2(b".", MNT_DETACH))
    os.chdir("/")


def _bind(source: str, target: Path, *, read_only: bool) -> None:
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(source, str(target), MS_BIND | MS_REC)
    if read_only:
        attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, 0, 0)
        size = ctypes.c_size_t(ctypes.sizeof(attributes))
        path = os.fsencode(target)
        _check(_libc().syscall(SYS_MOUNT_SETATTR, AT_FDCWD, path, AT_RECURSIVE, ctypes.byref(attributes), size))


def _proc(target: Path, *, needed: bool) -> None:
    target.mkdir()
    try:
        _mount("proc", str(target), MS_NOSUID | MS_NODEV | MS_NOEXEC, "proc")
    except PermissionError:
        if needed:
            raise
        _mount("/proc", str(target), MS_BIND | MS_REC)


def _mount(source: str, target: str, flags: int, kind: str | None = None, data: str | None = None) -> None:
    kind_bytes, data_bytes = kind.encode() if kind else None, data.encode() if data else None
    _check(_libc().mount(os.fsencode(source), os.fsencode(target), kind_bytes, flags, data_bytes))


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


def _cannot(error: OSError) -> NoReturn:
    print(f"cannot make a namespace: {error.strerror}", file=sys.stderr)
    sys.exit(CANNOT)


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
