"""The HTTP/1.1 side: one process, a thread for each connection, everything that a client can ask for bounded.

Requests are not logged: rows may be personal data.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from . import bodies, protocol
from .loading import Description, Model
from .metrics import CONTENT_TYPE, Metrics

MAXIMUM_BYTES = 8 << 20
"""Of a request's body."""
CONNECTIONS = 64
"""At the same time; more are told 503."""
IDLE_SECONDS = 30.0
"""That a connection may be silent, also in the middle of a request."""
LINGER_SECONDS = 0.5
REFUSED_CONNECTION = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Server(ThreadingHTTPServer):
    """Listens at once, and is ready once it was given its model."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, description: Description, metrics: Metrics) -> None:
        super().__init__(("0.0.0.0", port), _Handler)  # noqa: S104 - a pod's network is all there is around it
        self.description, self.metrics = description, metrics
        self.model: Model | None = None
        self.ending = False
        self.predicting = threading.Lock()
        """One worker: rows are predicted one request after the other."""
        self._places = threading.BoundedSemaphore(CONNECTIONS)
        self._busy = 0
        self._change = threading.Condition()

    @property
    def ready(self) -> bool:
        """Whether it has its model, and was not told to end."""
        return self.model is not None and not self.ending

    def take(self, model: Model) -> None:
        """Be ready."""
        self.model = model

    def drain(self, seconds: float) -> bool:
        """Take no more connections, and wait for the requests under way; False if they took longer than `seconds`.

        What comes within `LINGER_SECONDS` is answered: whoever sends requests has to hear first that it is ending.
        """
        self.ending = True
        time.sleep(LINGER_SECONDS)
        self.shutdown()
        self.server_close()
        with self._change:
            return self._change.wait_for(lambda: self._busy == 0, seconds)

    def busy(self, by: int) -> None:
        """Tell that a request has begun (1) or was answered (-1)."""
        with self._change:
            self._busy += by
            self._change.notify_all()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            with contextlib.suppress(OSError):
                request.sendall(REFUSED_CONNECTION)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is none of the log's business; anything else is told by its kind alone."""
        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"a request failed: {type(error).__name__}", file=sys.stderr, flush=True)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "hallmark", ""
    timeout = IDLE_SECONDS
    # Head and body leave in one packet; written one by one the body would wait for the head's acknowledgement.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        # A body is not read here, and would be taken for the next request.
        self.close_connection |= bodies.announced(self.headers)
        self._timed(self._get)

    def do_POST(self) -> None:
        # Who speaks HTTP/1.0 knows of no chunks, and may see the body's end elsewhere (RFC 9112, section 6.1).
        self.close_connection |= self.request_version == "HTTP/1.0" and "Transfer-Encoding" in self.headers
        self._timed(self._post)

    def handle_expect_100(self) -> bool:
        """Send `100 Continue` only for a body that will be read."""
        try:
            bodies.refuse(self.headers, MAXIMUM_BYTES)
        except bodies.UnreadBodyError:
            return True
        return super().handle_expect_100()

    def _timed(self, respond: Callable[[], tuple[str, int]]) -> None:
        began = time.perf_counter()
        self.server.busy(1)
        try:
            path, status = respond()
            self.server.metrics.answered(path, status, time.perf_counter() - began)
            self.wfile.flush()
        finally:
            self.server.busy(-1)

    def _get(self) -> tuple[str, int]:
        path, told, model = self.path.partition("?")[0], self.server.description, f"/v2/models/{self._name}"
        if path in ("/v2/health/ready", f"{model}/ready", f"/v1/models/{self._name}"):
            ready = self.server.ready
            content = {"name": told.name, "ready": ready} if path.startswith("/v1") else {"ready": ready}
            return path, self._answer(200 if ready else 503, content)
        if path == "/v2/health/live":
            return path, self._answer(200, {"live": True})
        if path == "/v2":
            return path, self._answer(200, {"name": "hallmark", "version": told.version, "extensions": []})
        if path == model:
            return path, self._answer(200, _metadata(self.server.description))
        if path == "/metrics":
            return path, self._send(200, self.server.metrics.text(ready=self.server.ready).encode(), CONTENT_TYPE)
        return "", self._answer(405 if path in self._predicting else 404, {"error": f"there is no GET {path[:100]}"})

    def _post(self) -> tuple[str, int]:
        path = self.path.partition("?")[0]
        known = path if path in self._predicting else ""
        try:
            bodies.refuse(self.headers, MAXIMUM_BYTES)
            if not known:
                raise bodies.UnreadBodyError(404, f"there is no POST {path[:100]}")
            body = bodies.read(self.rfile, self.headers, MAXIMUM_BYTES)
        except bodies.UnreadBodyError as error:
            # What is not read would be taken for the next request.
            self.close_connection = True
            return known, self._answer(error.status, {"error": str(error)})
        model = self.server.model
        if model is None:
            return path, self._answer(503, {"error": "the model is not loaded yet"})
        try:
            return path, self._answer(200, self._predict(model, path, body))
        except protocol.BadRequestError as error:
            return path, self._answer(400, {"error": str(error)})
        except Exception as error:  # whatever a model raises, the caller learns no more than its kind
            print(f"the model failed: {type(error).__name__}", file=sys.stderr, flush=True)
            return path, self._answer(500, {"error": "the model failed"})

    def _predict(self, model: Model, path: str, body: bytes) -> dict[str, Any]:
        told, content = self.server.description, protocol.parse_json(body)
        v2 = path == self._predicting[1]
        rows = (protocol.v2_rows if v2 else protocol.v1_rows)(content, told.features)
        try:
            with self.server.predicting:
                predictions = model.predict(rows)
        except (ValueError, TypeError) as error:
            # How libraries tell that a text stands where a number belongs, or that a category or a gap is unknown.
            raise protocol.BadRequestError("the model cannot take these values") from error
        self.server.metrics.predicted(len(predictions))
        return (
            protocol.v2_answer(predictions, content, told.name, told.version) if v2 else protocol.v1_answer(predictions)
        )

    @property
    def _name(self) -> str:
        return self.server.description.name

    @property
    def _predicting(self) -> tuple[str, str]:
        return f"/v1/models/{self._name}:predict", f"/v2/models/{self._name}/infer"

    def _answer(self, status: int, content: dict[str, Any]) -> int:
        return self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> int:
        if self.server.ending:
            self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        return status

    def log_message(self, *_: object) -> None:
        """Nothing: a request's line may hold what its rows do."""


def _metadata(told: Description) -> dict[str, Any]:
    """The model's metadata in V2. Nobody has told which features are texts; those take BYTES."""
    answer = "FP64" if told.task == "regression" else "BYTES"
    return {
        "name": told.name,
        "versions": [told.version],
        "platform": told.format,
        "inputs": [{"name": name, "datatype": "FP64", "shape": [-1]} for name in told.features],
        "outputs": [{"name": protocol.OUTPUT, "datatype": answer, "shape": [-1]}],
    }
