"""`python -m hallmark.model_files.serve`: what the guard starts to hold models, and does nothing else.

It imports the libraries once and then never touches a model itself: for each socket that the step sends it, it forks a
process that audits, loads and asks a model there, so that no model finds another one's process and none outlives its
socket. Several processes cost one start of the libraries that way. Such a process can read its own model's file, the
libraries and its HOME, and no other file (Landlock).
"""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hallmark import confine
from hallmark.model_files import predict, wire

MAXIMUM_REQUEST_BYTES = 1 << 30
MAXIMUM_FILE_BYTES = 256 << 20
"""Of any file that a model writes into its private folder; it needs none."""

_REFERENCE_SIZE = 96


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Serve until the step closes its end of the control socket."""
    parser = argparse.ArgumentParser(prog="hallmark.model_files.serve", allow_abbrev=False)
    parser.add_argument("--control", type=int, required=True, help="file descriptor of a connected socket")
    parser.add_argument("--libraries", type=json.loads, required=True, help="JSON list: modules to import beforehand")
    parser.add_argument("--memory", type=int, required=True, help="bytes of data that a process may hold")
    options = parser.parse_args(argv)
    # The processes that follow are of the same user: none of them may look into this one, or into its brothers.
    confine.prctl(confine.PR_SET_DUMPABLE, 0)
    resource.setrlimit(resource.RLIMIT_DATA, (options.memory, options.memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAXIMUM_FILE_BYTES, MAXIMUM_FILE_BYTES))
    # scikit-learn's own test helpers import it where it is installed, which costs a tenth of the start.
    sys.modules.setdefault("pytest", None)  # type: ignore[arg-type]
    # Nothing of the libraries becomes garbage; looking for it would take a tenth of the start, and in each process that
    # follows it would copy the pages that they share.
    gc.disable()
    for library in options.libraries:
        importlib.import_module(library)
    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=options.control) as control:
        wire.send(control, wire.OK)
        while True:
            message, descriptors, *_ = socket.recv_fds(control, 1, 1)
            if not message or not descriptors:
                # There is nothing to take down: two thousand modules one by one would take longer than an answer.
                _leave(0)
            if os.fork() == 0:
                _child(control, descriptors[0])
            os.close(descriptors[0])


def _child(control: socket.socket, descriptor: int) -> None:
    """Be the process behind one socket, and end with it."""
    code = 1
    try:
        control.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with socket.socket(fileno=descriptor) as step:
            _converse(step)
        code = 0
    finally:
        _leave(code)


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _converse(step: socket.socket) -> None:
    """Answer what is asked until the step hangs up."""
    desk = _Desk()
    while True:
        try:
            asked, body = wire.receive(step, limit=MAXIMUM_REQUEST_BYTES)
        except wire.BrokenFrameError:
            return
        try:
            tag, answer = wire.OK, desk.handlers[asked](body)
        except Exception as error:  # a model may fail in any way; each is a reason to refuse it
            tag, answer = wire.REFUSED, predict.reason(error).encode(errors="replace")
        wire.send(step, tag, answer)


def _read_only(model: str) -> None:
    """Have nothing to read from now on but one model's file, the interpreter and its libraries, and the own HOME.

    What the step reads lies beside it: which rows were changed and of which they were made, and the other model. Where
    the kernel has no Landlock nothing is kept from it, which the step says (`GuardedRun.landlock`).
    """
    libraries = [sys.prefix, sys.base_prefix, str(Path(confine.__file__).parent), *sys.path]
    there = {name for name in (*libraries, os.environ["HOME"], str(Path.cwd())) if name and Path(name).exists()}
    confine.restrict_reading([model, *sorted(there)])


class _Desk:
    """One process's model, and what it can be asked."""

    def __init__(self) -> None:
        self._model: predict.Asked | None = None
        self.handlers: dict[bytes, Callable[[bytearray], bytes]] = {
            wire.HELLO: lambda _: b"",
            wire.AUDIT: self._audit,
            wire.LOAD: self._load,
            wire.ROWS: self._rows,
            wire.REFERENCE: self._reference,
        }

    def _audit(self, body: bytearray) -> bytes:
        """What the file asks to be trusted: read, not built. A process that has audited loads nothing afterwards."""
        from hallmark.model_files.audit import audit

        asked = json.loads(body)
        _read_only(asked["path"])
        return json.dumps(audit(Path(asked["path"]), asked["format"], asked["trusted"])).encode()

    def _load(self, body: bytearray) -> bytes:
        asked: dict[str, Any] = json.loads(body)
        _read_only(asked["path"])
        self._model = predict.load(
            Path(asked["path"]),
            asked["format"],
            asked["task"],
            asked["trusted"],
            asked["columns"],
            asked["threads"],
            asked["quantiles"],
        )
        return b""

    def _rows(self, body: bytearray) -> bytes:
        import polars as pl

        return self._asked().answer(pl.read_ipc_stream(io.BytesIO(body)))

    def _reference(self, _: bytearray) -> bytes:
        """The same work for every process and every machine: what differs in its time is the machine's noise."""
        import numpy as np

        matrix = np.full((_REFERENCE_SIZE, _REFERENCE_SIZE), 1 / _REFERENCE_SIZE)
        for _round in range(4):
            matrix = matrix @ matrix
        return b"" if np.isfinite(matrix).all() else b"?"

    def _asked(self) -> predict.Asked:
        if self._model is None:
            raise predict.UnfitModelError("no model was loaded")
        return self._model


if __name__ == "__main__":
    main()
