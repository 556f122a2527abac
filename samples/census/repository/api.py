"""Serves the model over HTTP on port 8080.

GET  /v2/health/live, /v2/health/ready     200 when the process runs, and once the model is loaded
POST /v1/models/census:predict             {"instances": [[42, "north", ...]]} -> {"predictions": ["above"]}
"""

import json
import math
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import skops.io

MODEL = Path(os.environ.get("MODEL", "/app/model/model.skops"))
PREDICT = "/v1/models/census:predict"
MAXIMUM_BYTES = 1 << 20
TEXTS = (1, 2, 3)
FEATURES = 7


class BadRequest(ValueError):
    """What the caller sent cannot be answered."""


def parse(body: bytes) -> np.ndarray:
    """The rows of a request, as an array of objects of shape (rows, 7): numbers, and texts at TEXTS."""
    try:
        rows = [list(row) for row in json.loads(body)["instances"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest('send {"instances": [[age, region, ..., commute_minutes], ...]}') from error
    for row in rows:
        if len(row) != FEATURES or not all(map(fits, range(FEATURES), row)):
            raise BadRequest(f"each instance needs {FEATURES} values: finite numbers, and texts at {TEXTS} from 0")
    return np.array(rows, dtype=object).reshape(len(rows), FEATURES)


def fits(place: int, value: object) -> bool:
    """Whether a value is of its column's type."""
    if place in TEXTS:
        return isinstance(value, str)
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def handler_for(model: object) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = self.path in ("/v2/health/live", "/v2/health/ready")
            self.answer(200 if found else 404, {})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if self.path != PREDICT or length > MAXIMUM_BYTES:
                self.close_connection = True
                self.answer(404 if self.path != PREDICT else 413, {})
                return
            try:
                rows = parse(self.rfile.read(length))
            except BadRequest as error:
                self.answer(400, {"error": str(error)})
                return
            self.answer(200, {"predictions": model.predict(rows).tolist()})

        def answer(self, status: int, content: dict) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Requests are not logged: rows are personal data."""

    return Handler


def main() -> None:
    model = skops.io.load(MODEL, trusted=[])
    server = ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8080"))), handler_for(model))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"serving {MODEL} on port {server.server_port}", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
