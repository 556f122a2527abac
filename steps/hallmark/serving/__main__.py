"""`python3 -m serving`: check and load the model, then answer requests until SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from .errors import CannotListenError, CannotServeError
from .fetching import Fetching
from .kept import read_file, words
from .loading import Description, load
from .metrics import Metrics
from .server import Server
from .settings import Settings, drain_seconds, listening_port
from .signature import require_signed

ENDING = (signal.SIGTERM, signal.SIGINT)
FOLDER = Path(__file__).resolve().parent.parent / "model"
LOOK_SECONDS = 0.1


class Starting(threading.Thread):
    """Gets the model, checks it, and hands it to the server; beside the thread that hears the signals."""

    def __init__(self, server: Server, settings: Settings) -> None:
        super().__init__(name="starting", daemon=True)
        self._server, self._settings = server, settings
        self._fetching = Fetching(settings=settings)
        self.loading = False
        """Whether libraries are at work, which cannot be ended in their midst."""
        self.problem: BaseException | None = None

    def run(self) -> None:
        try:
            told = self._server.description
            if self._settings.key is not None:
                require_signed(told.file.parent, self._settings.key, file=told.file.name, digest=told.digest)
            fetched = told.kept == "fetched"
            data = self._fetching.model(told.wanted) if fetched else read_file(told.file, told.wanted)
            self.loading = True
            self._server.take(load(data, told))
        except BaseException as error:
            self.problem = error

    def require_time(self) -> None:
        """Raises StoreFailedError where the fetching takes longer than it may."""
        self._fetching.require_time()

    def end(self, seconds: float) -> bool:
        """Have it end before it is done; False: libraries needed longer than `seconds`."""
        self._fetching.stop.set()
        # A read from a silent store cannot be ended, but nothing is lost where it ends with the process.
        self.join(seconds if self.loading else LOOK_SECONDS)
        return not (self.is_alive() and self.loading)


def main() -> int:
    """Serve until SIGTERM or SIGINT; 0 once every request that had begun was answered, else as `errors` has them."""
    # Blocked here and in every thread from now on, so that whenever one comes it waits for `sigwait`. A handler that
    # sets an Event would lock itself out where it interrupts the same thread's `wait`.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        return _serve()
    except CannotServeError as error:
        print(f"cannot serve: {error}", file=sys.stderr, flush=True)
        return error.exit_code


def _serve() -> int:
    settings = Settings.read(os.environ)
    description = Description.read(Path(os.environ.get("MODEL_FOLDER", FOLDER)))
    port, patience = listening_port(os.environ, description.port), drain_seconds(os.environ)
    try:
        server = Server(port, description, Metrics(description.name))
    except OSError as error:
        raise CannotListenError(f"cannot listen on port {port}: {words(error)}") from None
    # It listens before the model is loaded, so that "not ready yet" can be told from "not there".
    accepting = threading.Thread(target=server.serve_forever, args=(0.1,), name="accepting", daemon=True)
    accepting.start()
    starting = Starting(server, settings)
    starting.start()
    while starting.is_alive():
        if signal.sigtimedwait(ENDING, LOOK_SECONDS) is not None:
            return _ended(server, starting, patience)
        starting.require_time()
    if starting.problem is not None:
        raise starting.problem
    print(f"serving {description.name} {description.version} on port {server.server_port}", file=sys.stderr, flush=True)
    signal.sigwait(ENDING)
    return _drained(server, patience)


def _ended(server: Server, starting: Starting, patience: float) -> int:
    """Told to end before the model was there."""
    done = starting.end(patience)
    code = _drained(server, patience)
    if starting.is_alive():
        # Neither is waited for: a library in its midst, or a store that says nothing. There is nothing to tidy.
        os._exit(code if done else 1)
    return code


def _drained(server: Server, patience: float) -> int:
    done = server.drain(patience)
    print("ended in order" if done else "ended with requests under way", file=sys.stderr, flush=True)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
