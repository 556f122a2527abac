"""The one place that starts other programs: streamed output, deadlines, and an orderly end.

A program is asked to end (SIGTERM), and killed if it is still there after a grace period.
"""

from __future__ import annotations

import ctypes
import enum
import errno
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tkn_solo.errors import InfrastructureError

GRACE_SECONDS = 5.0
_DRAIN_SECONDS = 2.0
_SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}
_KEYCTL_JOIN_SESSION_KEYRING = 1


class Ending(enum.Enum):
    """Why a program ended."""

    ITSELF = enum.auto()
    DEADLINE = enum.auto()
    STOPPED = enum.auto()


@dataclass(frozen=True)
class Exit:
    """The exit code (128 + n after signal n) and why the program ended."""

    code: int
    ending: Ending


class StopSignal:
    """A request to stop, from any thread, that a waiting `run` sees at once."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self.message: str | None = None

    def stop(self, message: str) -> None:
        """Ask for the end; the first message counts."""
        with self._lock:
            if self.message is None and self._event >= 0:
                self.message = message
                os.eventfd_write(self._event, 1)

    @property
    def requested(self) -> bool:
        return self.message is not None

    def fileno(self) -> int:
        return self._event

    def wait(self, seconds: float) -> bool:
        """Sleep, but not longer than until the request; True if there is one."""
        return bool(select.select([self._event], [], [], max(0.0, seconds))[0])

    def close(self) -> None:
        with self._lock:
            if self._event >= 0:
                os.close(self._event)
                self._event = -1


def find(tool: str, package: str) -> str:
    """The path of a tool; raises InfrastructureError that says what to install."""
    path = shutil.which(tool)
    if path is None:
        raise InfrastructureError(f"{tool} is not installed", solution=f"Install the package {package}.")
    return path


def start(
    argv: Sequence[str], env: Mapping[str, str], *, pass_fds: Sequence[int] = (), output: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a program with its standard output and error in one pipe (or in the descriptor `output`).

    It gets an empty session keyring: no other program's and not the caller's, whose keys it could read and add to.
    """
    try:
        _join_new_session_keyring()
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if output is None else output,
            stderr=subprocess.STDOUT,
            env=env,
            pass_fds=pass_fds,
            bufsize=0,
            # Ctrl-C is for tkn-solo, which passes on what is meant for a program.
            process_group=0,
        )
    except OSError as error:
        raise InfrastructureError(f"cannot start {argv[0]}: {error.strerror}") from error


def _join_new_session_keyring() -> None:
    """Give this thread, and so what it starts next, an anonymous keyring (keyctl_join_session_keyring(3)).

    A keyring belongs to a thread's credentials, so that no code between fork and exec is needed, and threads that start
    programs at the same time do not meet. Where a kernel or a filter around this process has no keyrings, programs have
    none to share either.
    """
    number = _SYS_KEYCTL.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, f"the number of keyctl on {os.uname().machine} is not known here")
    if ctypes.CDLL(None, use_errno=True).syscall(number, _KEYCTL_JOIN_SESSION_KEYRING, None) < 0:
        failed = ctypes.get_errno()
        if failed not in (errno.ENOSYS, errno.EPERM):
            raise OSError(failed, f"no session keyring of its own: {os.strerror(failed)}")


def supervise(
    process: subprocess.Popen[bytes],
    sink: Callable[[bytes], None],
    *,
    stop: StopSignal,
    deadline: float | None = None,
    kill_at: float | None = None,
    ask: Callable[[], None] | None = None,
) -> Exit:
    """Pass the output on until the program has ended, also its descendants that still hold the pipe.

    At `deadline` (monotonic seconds), or at a stop request, the program is asked to end by `ask` (default:
    SIGTERM) and killed after `GRACE_SECONDS`; at `kill_at` it is killed at once. The latter two report DEADLINE.
    """
    ending = Ending.ITSELF
    watched = _Watch(process, stop)
    try:
        while not watched.over:
            if ending is Ending.ITSELF and watched.alive:
                now = time.monotonic()
                if kill_at is not None and now >= kill_at:
                    ending = Ending.DEADLINE
                    watched.kill()
                elif stop.requested or (deadline is not None and now >= deadline):
                    ending = Ending.STOPPED if stop.requested else Ending.DEADLINE
                    (ask or process.terminate)()
                    watched.kill_later(GRACE_SECONDS)
            limits = (deadline, kill_at) if ending is Ending.ITSELF else ()
            watched.step([limit for limit in limits if limit is not None], sink, hear=ending is Ending.ITSELF)
    finally:
        watched.close()
    code = process.wait()
    return Exit(code if code >= 0 else 128 - code, ending)


class _Watch:
    """The pipe, the process and the stop request of one program in one poll."""

    def __init__(self, process: subprocess.Popen[bytes], stop: StopSignal) -> None:
        self._process = process
        self._stop = stop
        self._pidfd = os.pidfd_open(process.pid)
        self._poll = select.poll()
        self._poll.register(self._pidfd, select.POLLIN)
        self._pipe = process.stdout.fileno() if process.stdout else None
        if self._pipe is not None:
            self._poll.register(self._pipe, select.POLLIN)
        self._poll.register(stop.fileno(), select.POLLIN)
        self._hearing = True
        self._kill_at: float | None = None
        self._drain_until: float | None = None
        self.alive = True

    @property
    def over(self) -> bool:
        if self.alive:
            return False
        return self._pipe is None or (self._drain_until is not None and time.monotonic() >= self._drain_until)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()

    def kill_later(self, seconds: float) -> None:
        self._kill_at = time.monotonic() + seconds

    def step(self, limits: list[float], sink: Callable[[bytes], None], *, hear: bool) -> None:
        """Wait for the next thing to happen, and handle it."""
        if self._hearing and not hear:
            self._poll.unregister(self._stop.fileno())
            self._hearing = False
        moments = limits if self.alive else []
        moments += [moment for moment in (self._kill_at, self._drain_until) if moment is not None]
        timeout = max(0.0, min(moments) - time.monotonic()) * 1000 + 1 if moments else None
        for descriptor, _ in self._poll.poll(timeout):
            if descriptor == self._pidfd and self.alive:
                self.alive = False
                self._kill_at = None
                self._drain_until = time.monotonic() + _DRAIN_SECONDS
                self._poll.unregister(self._pidfd)
            elif descriptor == self._pipe:
                data = os.read(descriptor, 65536)
                if data:
                    sink(data)
                else:
                    self._poll.unregister(descriptor)
                    self._pipe = None
        if self._kill_at is not None and self.alive and time.monotonic() >= self._kill_at:
            self._kill_at = None
            self.kill()

    def close(self) -> None:
        if self.alive and self._process.poll() is None:
            # Only after an exception in a sink: nothing may be left running.
            self.kill()
        self._process.wait()
        os.close(self._pidfd)
        if self._process.stdout:
            self._process.stdout.close()


@dataclass(frozen=True)
class Captured:
    """The outcome of a short tool call."""

    code: int
    output: str


def capture(argv: Sequence[str], env: Mapping[str, str], *, stop: StopSignal, seconds: float) -> Captured:
    """Run a tool to its end and keep its output, at most a megabyte of it."""
    chunks: list[bytes] = []
    kept = 0

    def keep(data: bytes) -> None:
        nonlocal kept
        if kept < 1_000_000:
            chunks.append(data)
            kept += len(data)

    ended = supervise(start(argv, env), keep, stop=stop, deadline=time.monotonic() + seconds)
    return Captured(ended.code, b"".join(chunks).decode(errors="replace").strip())


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and its group, if they are still there."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
