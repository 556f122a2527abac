"""Offers a model to the container beside a step, by HTTP on the pod's loopback: so a model that is fetched is fetched
in the test too, and the container sees no folder of the run."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hallmark.errors import BadInputError

PORT = 8079
"""As the Task test-image tells the container."""
ADDRESS = "127.0.0.1"
SILENT_SECONDS = 30.0


@contextlib.contextmanager
def offered(model: Path, digest: str, *, port: int) -> Iterator[int]:
    """Answer `GET /DIGEST` with the model's file, and nothing else; yields the port.

    Raises:
        BadInputError: something listens there already.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = SILENT_SECONDS

        def do_GET(self) -> None:
            if self.path != f"/{digest}":
                self.send_error(404)
                return
            with model.open("rb") as file:
                self.send_response(200)
                self.send_header("Content-Type", "application/octet-stream")
                self.send_header("Content-Length", str(model.stat().st_size))
                self.end_headers()
                shutil.copyfileobj(file, self.wfile, 1 << 20)

        def log_message(self, *_: object) -> None:
            """Nothing: the container says itself what it gets."""

    class Offering(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A container that hangs up is none of the step's business."""

    try:
        server = Offering((ADDRESS, port), Handler)
    except OSError as error:
        raise BadInputError(
            f"the model cannot be offered to the container: port {port} of the pod is taken ({error.strerror})",
            solution=f"give image.port in hallmark.yaml another number than {port}",
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="offering the model", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
