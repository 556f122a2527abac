"""Runs code of the model's repository as a child of a trusted step, so that it can fail the step but never forge it.

The child can change files only in the folders it is given (Landlock, where the kernel has it), sees an environment of
its own, cannot look into or trace the step, and gains no right by any program it starts. When it ends, takes too long,
or the step is stopped, every descendant is killed and reaped before the step goes on: what the step reads and writes
afterwards, nobody changes any more. It needs no capability and no user of its own.

What this does not do: hide files (the pod mounts only what may be read) and take the network away (the pod's business).
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from hallmark import confine
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.process import shown

SHOWN_CHARACTERS = 2_000_000
"""How much of the output is passed on; the rest is only counted."""
TAIL_CHARACTERS = 4_000
LINE_CHARACTERS = 2_000

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
"""The only variables, beside PATH, that the child has from the step: the pod's author tunes them to its CPU limit."""

_PRIVATE = "hallmark-"
_END_WITHIN = 20.0
"""Seconds in which killed processes have to be gone."""
_POLL = 0.05
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, kw_only=True)
class GuardedRun:
    """How the child ended."""

    exit_code: int
    """The program's own; the negative number of a signal that ended it."""
    timed_out: bool
    output_tail: str
    """The end of what it printed, without control characters: text of the model's repository."""
    landlock: int = 0
    """The Landlock version that confined it; 0: the kernel has none."""

    @property
    def confinement(self) -> str:
        """How it was confined, for the report."""
        return "writing confined by Landlock" if self.landlock else "no Landlock here: writing confined by mounts only"

    @property
    def ending(self) -> str:
        """How it ended, for a sentence: `exit code 1`, `its time ran out`."""
        if self.timed_out:
            return "its time ran out"
        if self.exit_code < 0:
            return f"it was ended by signal {-self.exit_code} ({signal.strsignal(-self.exit_code) or 'unknown'})"
        return f"exit code {self.exit_code}"


def run_untrusted(
    argv: Sequence[str],
    *,
    cwd: Path,
    writable: Sequence[Path],
    env: Mapping[str, str] | None = None,
    timeout: float,
    say: Callable[[str], None],
    handed: Sequence[socket.socket] = (),
) -> GuardedRun:
    """Run a program that may be hostile, and return once nothing of it is left.

    Args:
        argv: the program, looked up on PATH, and its arguments.
        writable: existing folders and files that it may change, beside a private HOME that goes when it ends.
        env: variables for it; it has PATH, LANG, HOME, TMPDIR, `THREAD_LIMITS` and two of Python's own beside them.
        timeout: seconds after which it is killed.
        say: is told each line of its output, marked as such, up to `SHOWN_CHARACTERS`.
        handed: sockets that it inherits by number; they are closed here once it has them.

    Raises:
        ToolFailedError: it could not be started, or not be ended.
    """
    output = _Output(say)
    with _pipe() as (heard, spoken), _pipe() as (told, tell), private_folder() as home:
        settings = {"parent": os.getpid(), "status": tell.fileno(), "writable": [*map(str, writable), str(home)]}
        with _nothing_survives() as children:
            variables = {**_environment(home), **(env or {})}
            descriptors = [tell.fileno(), *(one.fileno() for one in handed)]
            child = _start(argv, json.dumps(settings), cwd, variables, spoken, descriptors)
            children.append(child)
            spoken.close()
            tell.close()
            for end in handed:
                end.close()
            landlock = _started(told, argv)
            timed_out = _follow(child, heard, output, time.monotonic() + timeout)
        output.drain(heard)
    output.finish()
    return GuardedRun(
        exit_code=child.returncode,
        timed_out=timed_out,
        output_tail=without_private_names(output.tail.strip()),
        landlock=landlock,
    )


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A folder only this user can enter, for what a guarded program reads and writes; it goes with all it holds."""
    folder = Path(tempfile.mkdtemp(prefix=_PRIVATE))
    try:
        yield folder.resolve()
    finally:
        _remove(folder)


def without_private_names(text: str) -> str:
    """`text` without the names of private folders: they differ in every run, and reports must not."""
    return re.sub(rf"(/[^\s/]+)*/{_PRIVATE}[a-z0-9_]{{8}}/?", "", text)


def copy_source(source: Path, target: Path) -> Path:
    """A copy of a checked out tree that its owner may write to, whatever the original's modes; links stay links.

    Raises:
        BadInputError: the tree cannot be read or copied.
    """
    try:
        shutil.copytree(source, target, symlinks=True, copy_function=shutil.copy)
        for folder, _, files in os.walk(target):
            Path(folder).chmod(0o755)
            for path in (Path(folder, name) for name in files):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | 0o600)
    except (OSError, shutil.Error) as error:
        raise BadInputError(f"cannot copy {source}: {error}", solution="check that the tree is readable") from error
    return target


def _remove(folder: Path) -> None:
    """Remove a folder that a hostile program has filled: modes may be odd, and paths deeper than Python recurses."""
    with contextlib.suppress(OSError, RecursionError):
        folder.chmod(0o700)
        for path, folders, _ in os.walk(folder):
            for name in folders:
                if not Path(path, name).is_symlink():
                    Path(path, name).chmod(0o700)
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in THREAD_LIMITS if name in os.environ}
    return {
        **kept,
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
    }


def _start(
    argv: Sequence[str], settings: str, cwd: Path, env: Mapping[str, str], spoken: FileIO, descriptors: Sequence[int]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", confine.__file__, settings, *argv],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=spoken,
            stderr=spoken,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolFailedError(f"cannot start Python: {error}", solution="check the step image") from error


def _started(told: FileIO, argv: Sequence[str]) -> int:
    """The Landlock version under which the program started. The other end closes itself when it starts."""
    said = told.readall().decode(errors="replace").strip()
    version = said.removeprefix(confine.STATUS_STARTED)
    if not version.isdigit():
        raise ToolFailedError(
            f"cannot start {shown(argv)}: {said.splitlines()[-1] if said else 'it ended at once'}",
            solution="check the step image and what its sandbox forbids",
        )
    return int(version)


def _follow(child: subprocess.Popen[bytes], heard: FileIO, output: _Output, deadline: float) -> bool:
    """Pass the output on until the child ends or its time runs out; whether it ran out."""
    os.set_blocking(heard.fileno(), False)
    with selectors.DefaultSelector() as ready:
        ready.register(heard, selectors.EVENT_READ)
        while child.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return True
            if not ready.get_map():
                # Not a plain sleep: most programs end right after they have closed their output.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(min(left, _POLL))
            elif ready.select(min(left, _POLL)) and output.take(heard) == b"":
                ready.unregister(heard)
    return False


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()


@contextlib.contextmanager
def _nothing_survives() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Adopt every orphaned descendant, be closed to their eyes, and at the end leave none of them."""
    before = _children()
    subreaper, dumpable = confine.is_subreaper(), confine.prctl(confine.PR_GET_DUMPABLE)
    confine.prctl(confine.PR_SET_CHILD_SUBREAPER, 1)
    confine.prctl(confine.PR_SET_DUMPABLE, 0)
    children: list[subprocess.Popen[bytes]] = []
    try:
        yield children
    finally:
        with _held_back(signal.SIGTERM, signal.SIGINT):
            for child in children:
                _end(child)
            _end_adopted(before)
            confine.prctl(confine.PR_SET_DUMPABLE, dumpable)
            confine.prctl(confine.PR_SET_CHILD_SUBREAPER, subreaper)


def _end_adopted(before: frozenset[int]) -> None:
    """Kill and reap children until there is none left: each one's own children become ours when it dies."""
    deadline = time.monotonic() + _END_WITHIN
    while left := _children() - before:
        for child in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        for child in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)
        if time.monotonic() > deadline:
            raise ToolFailedError(
                f"{len(left)} processes of the model's repository could not be ended",
                solution="look for a fork bomb in its code; limit the pod's processes",
            )


def _children() -> frozenset[int]:
    """The process ids of this process's children, of all its threads (proc(5), `children`).

    Raises:
        ToolFailedError: this system does not list them, so nobody could tell whether something is left.
    """
    own = str(os.getpid())
    found: set[int] = set()
    try:
        if Path("/proc/self").readlink().name != own:
            raise FileNotFoundError(f"/proc is not of this process's namespace ({own})")
        for thread in (path.name for path in Path("/proc/self/task").iterdir()):
            try:
                found.update(map(int, Path(f"/proc/self/task/{thread}/children").read_text().split()))
            except (FileNotFoundError, ProcessLookupError):
                if thread == own:
                    raise
    except OSError as error:
        raise ToolFailedError(
            f"cannot list child processes: {error}", solution="run on a kernel with CONFIG_PROC_CHILDREN and /proc"
        ) from error
    return frozenset(found)


@contextlib.contextmanager
def _held_back(*signals: signal.Signals) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """Both ends of a pipe: the one to read, the one to write."""
    reading, writing = os.pipe()
    with FileIO(reading, "rb") as source, FileIO(writing, "wb") as sink:
        yield source, sink


class _Output:
    """A hostile program's output on its way to people: whole lines, no control characters, and not too much."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.tail = ""
        self._say = say
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._line = ""
        self._left = SHOWN_CHARACTERS
        self._omitted = 0

    def take(self, source: FileIO) -> bytes | None:
        """Pass on what is there now; b"" at the end of the stream, None where there is nothing yet."""
        chunk = source.read(1 << 16)
        if chunk:
            text = self._decode(chunk).replace("\r\n", "\n").replace("\r", "\n")
            *lines, self._line = (self._line + text).split("\n")
            for line in lines:
                self._tell(line)
            if len(self._line) > LINE_CHARACTERS:
                self._tell(self._line)
                self._line = ""
        return chunk

    def drain(self, source: FileIO) -> None:
        """Take what the pipe still holds, once nobody is left who could write more."""
        while self.take(source):
            pass

    def finish(self) -> None:
        """Tell the last line, and how much was left out."""
        if self._line:
            self._tell(self._line)
        if self._omitted:
            self._say(f"{self._omitted} more characters of output are not shown")

    def _tell(self, line: str) -> None:
        clean = _CONTROL.sub("", line)
        self.tail = f"{self.tail}{clean}\n"[-TAIL_CHARACTERS:]
        if self._left < len(clean):
            self._left = 0
            self._omitted += len(clean)
            return
        self._left -= len(clean) + 1
        for start in range(0, max(1, len(clean)), LINE_CHARACTERS):
            self._say(f"| {clean[start : start + LINE_CHARACTERS]}".rstrip())
