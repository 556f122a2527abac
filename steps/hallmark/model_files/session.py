"""The step's side of `hallmark.model_files.serve`: processes that hold models, each behind a socket.

Nothing here runs a model's code or believes what one says. How long something takes is read from this process's clock,
how much memory a process has from the kernel, which also tells which process it was that spoke.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hallmark.guard import THREAD_LIMITS, GuardedRun, private_folder, run_untrusted
from hallmark.model_files import answers, wire

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

MEMORY_BYTES = 8 << 30
"""Of data that one process with a model may hold; the pod's limit is usually lower."""
CHUNK_ROWS = 1 << 18
"""Rows of a file that a model is asked about at once: as many as a row group of the files that the steps write."""
QUESTION_BYTES = 256 << 20
"""Where so many rows are longer than this, fewer are asked about at once."""
_SHORT = 1 << 20
"""Bytes of an answer that is a sentence or a short list."""
_CREDENTIALS = struct.Struct("3i")
_LIBRARIES = {
    "skops": ["numpy", "polars", "pandas", "pyarrow", "skops.io", "hallmark.model_files.audit"],
    "pickle": ["numpy", "polars", "pandas", "pyarrow", "sklearn.utils", "sklearn.base", "sklearn.pipeline"],
    "onnx": ["numpy", "polars", "onnx", "onnxruntime", "hallmark.model_files.onnx_model"],
}
_LIBRARIES["joblib"] = _LIBRARIES["pickle"]


class RefusedByModelError(Exception):
    """The process said that it cannot: a broken file, a model that fails, an answer that is none."""


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model file and how it is asked."""

    path: Path
    format: str
    task: str
    columns: tuple[str, ...]
    """The features in their order."""
    trusted: tuple[str, ...] = ()
    """Types beyond the loader's own, by full name: the policy's."""
    threads: int = 1
    quantiles: int | None = 0
    """That a regression gives beside each number; None: nobody knows, and they are left out."""


@dataclass(frozen=True, kw_only=True)
class Ended(Generic[T]):
    """How a session ended: `said` is what the conversation returned, `error` what it raised."""

    run: GuardedRun
    said: T | None
    error: Exception | None


class Session:
    """The conversation with a server whose libraries are loaded."""

    def __init__(self, control: socket.socket, started: float, timeout: float) -> None:
        self._control = control
        self._timeout = timeout
        control.settimeout(timeout)
        with _as_refusal():
            wire.receive(control, limit=0)
        self.start_seconds = time.monotonic() - started
        """From the start of the program until its libraries were loaded; no model was read yet."""

    @contextlib.contextmanager
    def process(self) -> Iterator[ModelProcess]:
        """A new process for one model; it ends with the block. Raises RefusedByModelError where there is none."""
        ours, theirs = socket.socketpair()
        with ours:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            ours.settimeout(self._timeout)
            with theirs, _as_refusal():
                socket.send_fds(self._control, [b"!"], [theirs.fileno()])
            yield ModelProcess(ours)


class ModelProcess:
    """A process that holds at most one model."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        with _as_refusal():
            wire.send(connection, wire.HELLO)
            # The kernel, not the process, says who sent this.
            _, ancillary, _, _ = connection.recvmsg(1 << 10, socket.CMSG_SPACE(_CREDENTIALS.size))
        found = [data for _, kind, data in ancillary if kind == socket.SCM_CREDENTIALS]
        self.pid = _CREDENTIALS.unpack(found[0])[0] if found else 0
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        if self.pid <= 0:
            raise RefusedByModelError("its process ended without an answer")

    def audit(self, file: ModelFile) -> dict[str, Any]:
        """What `hallmark.model_files.audit` finds. Raises RefusedByModelError where it cannot tell."""
        request = {"path": str(file.path), "format": file.format, "trusted": file.trusted}
        found = json.loads(self._ask(wire.AUDIT, json.dumps(request).encode()))
        if not isinstance(found, dict):
            raise RefusedByModelError("the audit gave no answer")
        return found

    def load(self, file: ModelFile) -> None:
        """Load the model. Raises RefusedByModelError with the process's own words."""
        names = ("path", "format", "task", "trusted", "columns", "threads", "quantiles")
        request = {name: getattr(file, name) for name in names} | {"path": str(file.path)}
        self._ask(wire.LOAD, json.dumps(request).encode())

    def answer_file(self, path: Path, *, columns: Sequence[str], rows: int, task: str) -> answers.Answer:
        """The model's answers for all rows of a Parquet file, `CHUNK_ROWS` at a time, so that memory is bounded.

        The file is read here: the process with the model can read no file of rows.

        Raises RefusedByModelError and UnfitAnswerError.
        """
        import polars as pl

        table = pl.scan_parquet(path).select(columns)
        chunks = (table.slice(first, min(CHUNK_ROWS, rows - first)) for first in range(0, rows, CHUNK_ROWS))
        return answers.together([answer for chunk in chunks for answer in self._answers(chunk.collect(), task)])

    def _answers(self, frame: pl.DataFrame, task: str) -> Iterator[answers.Answer]:
        """Of several questions, where one would be too long."""
        question = as_question(frame)
        if len(question) > QUESTION_BYTES and frame.height > 1:
            half = frame.height // 2
            yield from self._answers(frame[:half], task)
            yield from self._answers(frame[half:], task)
            return
        data = self._ask(wire.ROWS, question, limit=answers.maximum_bytes(frame.height))
        yield answers.decode(data, rows=frame.height, task=task)

    def timed(self, question: bytes, *, rows: int) -> tuple[float, bytearray]:
        """Seconds from the first byte of a question (`as_question`) to the last of its answer, and the answer."""
        limit = answers.maximum_bytes(rows)
        started = time.perf_counter()
        data = self._ask(wire.ROWS, question, limit=limit)
        return time.perf_counter() - started, data

    def reference(self) -> float:
        """Seconds that the same small work takes, asked and answered like a question."""
        started = time.perf_counter()
        self._ask(wire.REFERENCE, b"")
        return time.perf_counter() - started

    def memory(self) -> tuple[int, int]:
        """Bytes that the process and its descendants have in memory now, and had at most: VmRSS, VmHWM of proc(5).

        Raises RefusedByModelError where the process is gone.
        """
        sizes = [_memory(pid) for pid in _tree(self.pid)]
        if sizes[0] is None:
            raise RefusedByModelError("its process ended without an answer")
        there = [size for size in sizes if size is not None]
        return sum(now for now, _ in there), sum(most for _, most in there)

    def _ask(self, tag: bytes, body: bytes, *, limit: int = _SHORT) -> bytearray:
        with _as_refusal():
            wire.send(self._connection, tag, body)
            said, answer = wire.receive(self._connection, limit=limit)
        if said != wire.OK:
            raise RefusedByModelError(bytes(answer[:_SHORT]).decode(errors="replace") or "it gave no answer")
        return answer


def as_question(frame: pl.DataFrame) -> bytes:
    """Rows as what `ModelProcess.timed` sends: an Arrow stream, so that every type arrives as it is."""
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer)
    return buffer.getvalue()


def with_models(
    talk: Callable[[Session], T], *, formats: set[str], threads: int, timeout: float, say: Callable[[str], None]
) -> Ended[T]:
    """Start a server under the guard, talk to it, and return once nothing of it is left.

    Args:
        talk: leads the conversation, in a thread of its own; what it returns or raises is handed on.
        formats: of the models that will be loaded: their libraries are imported beforehand.
        threads: that numeric libraries may use.
        timeout: seconds for all of it.
        say: is told what the models print.

    Raises:
        ToolFailedError: the server could not be started, or not be ended.
    """
    libraries = sorted({library for name in formats for library in _LIBRARIES[name]})
    said: list[T] = []
    errors: list[Exception] = []
    ours, theirs = socket.socketpair()

    def speak() -> None:
        # Signals are the main thread's, which ends the processes before it ends.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        started = time.monotonic()
        try:
            # The answers need it; it is loaded here while the server loads its libraries.
            importlib.import_module("hallmark.performance.statistics")
            said.append(talk(Session(ours, started, timeout)))
        except Exception as error:
            errors.append(error)
        finally:
            ours.close()

    with theirs, private_folder() as private:
        argv = [sys.executable, "-P", "-m", "hallmark.model_files.serve", f"--control={theirs.fileno()}"]
        argv += [f"--libraries={json.dumps(libraries)}", f"--memory={MEMORY_BYTES}"]
        speaker = threading.Thread(target=speak, name="models")
        speaker.start()
        try:
            run = run_untrusted(
                argv,
                cwd=private,
                writable=[],
                env=dict.fromkeys(THREAD_LIMITS, str(threads)),
                timeout=timeout,
                say=say,
                handed=[theirs],
            )
        finally:
            theirs.close()
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)
            speaker.join()
    return Ended(run=run, said=said[0] if said else None, error=errors[0] if errors else None)


@contextlib.contextmanager
def _as_refusal() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise RefusedByModelError("its time ran out") from error
    except wire.BrokenFrameError as error:
        raise RefusedByModelError(str(error)) from error
    except OSError as error:
        raise RefusedByModelError("its process ended without an answer") from error


def _memory(pid: int) -> tuple[int, int] | None:
    """VmRSS and VmHWM of a process in bytes; None where it has ended, also where nobody has waited for it yet."""
    with contextlib.suppress(OSError, ValueError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        told = dict(line.split(":", 1) for line in lines if line.startswith(("VmRSS:", "VmHWM:")))
        if len(told) == 2:
            return int(told["VmRSS"].split()[0]) << 10, int(told["VmHWM"].split()[0]) << 10
    return None


def _tree(pid: int) -> list[int]:
    """A process and its descendants, as far as they are still there."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError, ValueError):
            for thread in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (thread / "children").read_text().split()]
        if len(found) > 1000:
            break
    return found
