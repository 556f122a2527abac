"""`python3 -m serving`: load the model beside this package, then answer requests until SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from .loading import Description, load
from .metrics import Metrics
from .server import Server

ENDING = (signal.SIGTERM, signal.SIGINT)
FOLDER = Path(__file__).resolve().parent.parent / "model"


def main() -> int:
    """Serve until SIGTERM or SIGINT; 0 once every request that had begun was answered."""
    # Blocked here and in every thread from now on, so that whenever one comes it waits for `sigwait`. A handler that
    # sets an Event would lock itself out where it interrupts the same thread's `wait`.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    description = Description.read(Path(os.environ.get("MODEL_FOLDER", FOLDER)))
    server = Server(int(os.environ.get("PORT", description.port)), description, Metrics(description.name))
    # It listens before the model is loaded, so that "not ready yet" can be told from "not there".
    accepting = threading.Thread(target=server.serve_forever, args=(0.1,), name="accepting", daemon=True)
    accepting.start()
    server.take(load(description))
    print(f"serving {description.name} {description.version} on port {server.server_port}", file=sys.stderr, flush=True)
    signal.sigwait(ENDING)
    done = server.drain(float(os.environ.get("DRAIN_SECONDS", "20")))
    print("ended in order" if done else "ended with requests under way", file=sys.stderr, flush=True)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
