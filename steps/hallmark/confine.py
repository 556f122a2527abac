"""Gives up every right the program does not need, then becomes that program: the child's side of `hallmark.guard`.

The guard runs this file by its path with `python -I -S`, which starts in a few milliseconds and sees nothing of the
model's repository. It therefore imports the standard library only.
usage: confine.py SETTINGS PROGRAM [ARGUMENT ...], where SETTINGS is a JSON object with
`parent` (process id), `status` (file descriptor that takes the answer) and `writable` (list of paths).

Landlock's interface: https://docs.kernel.org/userspace-api/landlock.html (system calls 444 to 446 everywhere).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import stat
import sys
from collections.abc import Iterable

PR_SET_PDEATHSIG = 1
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37
PR_SET_NO_NEW_PRIVS = 38

STATUS_STARTED = "started "
"""What `status` says before the program starts, followed by the Landlock version (0: the kernel has none)."""

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_RULE_PATH_BENEATH = 1
_NO_LANDLOCK = (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
"""Too old a kernel, switched off at boot, or kept away by a seccomp profile that does not know it."""

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))
"""Remove and make entries of every type."""
_REFER = 1 << 13
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/shm")  # noqa: S108  # nosec B108: semaphores live in shm
"""What every program may write to beside its own folders, where it exists."""
SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/sys"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys", "/proc/version", "/proc/filesystems"),
    *(*DEVICES, "/dev/random", "/dev/urandom"),
)
"""What every program may read to run, where it exists: no workspace, no Secret, no other process."""

_CAPABILITY_VERSION_3 = 0x20080522


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> None:
    """Confine this process as the settings say and replace it by the program; on failure tell the parent why."""
    settings = json.loads(arguments[0])
    status: int = settings["status"]
    os.set_inheritable(status, False)
    try:
        _end_with_parent(settings["parent"])
        _drop_privileges()
        version = restrict_writing(settings["writable"])
        os.write(status, f"{STATUS_STARTED}{version}\n".encode())
        os.execvpe(arguments[1], arguments[1:], os.environ)  # noqa: S606  # nosec B606: it has no shell, and needs none
    except OSError as error:
        os.write(status, f"{arguments[1]}: {error}\n".encode())
        os._exit(127)


def prctl(option: int, value: int = 0) -> int:
    """prctl(2) with one argument. Raises OSError."""
    return _checked(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def is_subreaper() -> bool:
    """Whether orphaned descendants become this process's children."""
    value = ctypes.c_int()
    _checked(_libc.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(value), 0, 0, 0))
    return bool(value.value)


def landlock_version() -> int:
    """The kernel's Landlock version, 0 where it cannot be used here."""
    try:
        return _syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION)
    except OSError as error:
        if error.errno in _NO_LANDLOCK:
            return 0
        raise


def restrict_writing(writable: Iterable[str]) -> int:
    """Let this process and its descendants change files only in and below `writable` and `DEVICES`, for good.

    From version 6 on they can no longer signal processes outside either. Reading stays as it is (`restrict_reading`);
    that a pod shows only what may be read is the business of its mounts. Needs no_new_privs.

    Returns:
        The Landlock version in force; 0 where the kernel has none, and nothing was restricted.
    """
    version = landlock_version()
    if version == 0:
        return 0
    on_files = _WRITE_FILE | (_TRUNCATE if version >= 3 else 0) | (_IOCTL_DEVICE if version >= 5 else 0)
    in_folders = on_files | _CHANGE_FOLDER | (_REFER if version >= 2 else 0)
    _restrict(version, [*writable], DEVICES, on_files, in_folders, _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS)
    return version


def restrict_reading(readable: Iterable[str]) -> int:
    """Let this thread and what it starts read and execute only what is in and below `readable` and `SYSTEM`, for good.

    What is open already stays so. Threads that run already are not restricted. Needs no_new_privs.

    Returns:
        The Landlock version in force; 0 where the kernel has none, and nothing was restricted.

    Raises:
        OSError: one of `readable` is not there, or the kernel does not do it.
    """
    version = landlock_version()
    if version:
        on_files = _EXECUTE | _READ_FILE
        _restrict(version, readable, SYSTEM, on_files, on_files | _READ_FOLDER, 0)
    return version


def _restrict(
    version: int, paths: Iterable[str], where_there: Iterable[str], on_files: int, in_folders: int, scoped: int
) -> None:
    rules = _Ruleset(fs=in_folders, net=0, scoped=scoped)
    size = ctypes.sizeof(rules) if version >= 6 else ctypes.sizeof(ctypes.c_uint64)
    ruleset = _syscall(_LANDLOCK_CREATE_RULESET, ctypes.byref(rules), size, 0)
    for path in paths:
        _allow(ruleset, path, on_files, in_folders)
    for path in where_there:
        with contextlib.suppress(FileNotFoundError):
            _allow(ruleset, path, on_files, in_folders)
    _syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, on_files: int, in_folders: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        allowed = in_folders if stat.S_ISDIR(os.fstat(handle).st_mode) else on_files
        rule = _PathBeneath(allowed=allowed, folder=handle)
        _syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(handle)


def _end_with_parent(parent: int) -> None:
    """Die when the guard dies, so that nothing goes on without it."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(127)


def _drop_privileges() -> None:
    """No new rights by any program that is started, no capability, no core dump, and an ordinary file mode mask."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref(nothing)))


def _syscall(number: int, *arguments: object) -> int:
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *wide))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


if __name__ == "__main__":
    main(sys.argv[1:])
