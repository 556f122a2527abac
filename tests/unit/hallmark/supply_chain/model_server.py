"""A model server of one's own process, honest or not: `python model_server.py PORT BEHAVIOUR`.

The honest answer to [width, length] is "wide" if the width is larger, else "long".
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BEHAVIOUR = sys.argv[2]
STARTED = time.monotonic()
ASKED = 0


def predict(rows: list[list[float]]) -> list[Any]:
    if BEHAVIOUR == "ends":
        os._exit(1)
    labels: list[Any] = ["wide" if width > length else "long" for width, length in rows]
    if BEHAVIOUR == "wrong-label" and rows[0][0] == 3.0:
        labels[0] = "other"
    if BEHAVIOUR == "wrong-in-batch" and len(rows) > 1:
        labels.reverse()
    if BEHAVIOUR == "one-too-few":
        labels.pop()
    if BEHAVIOUR == "no-labels":
        labels = [{"label": label} for label in labels]
    return labels


def rows_of(body: bytes) -> list[list[float]]:
    """The rows of either protocol. Raises ValueError, KeyError, TypeError where they are none of two numbers."""
    content = json.loads(body)
    rows: list[list[float]] = []
    if "inputs" in content:
        columns = {tensor["name"]: [float(value) for value in tensor["data"]] for tensor in content["inputs"]}
        rows += [list(row) for row in zip(columns["width"], columns["length"], strict=True)]
        if any(tensor["shape"] != [len(rows), 1] for tensor in content["inputs"]) or len(columns) != 2:
            raise ValueError("wrong tensors")
    else:
        rows += content["instances"]
    if not all(isinstance(row, list) and list(map(type, row)) == [float, float] for row in rows):
        raise ValueError("not two numbers")
    return rows


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/metrics":
            told = b"process_resident_memory_bytes 5.0e+07\nprocess_start_time_seconds 1700000000.5\n"
            self.answer(404 if BEHAVIOUR == "no-metrics" else 200, b"<html>" if BEHAVIOUR == "html" else told)
        elif self.path == "/dead":
            self.answer(500, b"")
        elif BEHAVIOUR == "slow-start" and time.monotonic() - STARTED < 0.5:
            self.answer(503, b"{}")
        elif BEHAVIOUR == "redirects":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
        else:
            self.answer(500 if BEHAVIOUR == "never-ready" else 200, b"no \x1b[31mmodel\x00 here\n" + b"x" * 300)

    def do_POST(self) -> None:
        global ASKED
        ASKED += 1
        size = int(self.headers["Content-Length"] or 0)
        if size < 1 << 20 or BEHAVIOUR == "no-limit":
            received = self.rfile.read(size)
            try:
                self.predict(rows_of(received))
            except (ValueError, KeyError, TypeError):
                self.wrong_input(received)
        elif BEHAVIOUR == "huge-fails":
            self.answer(500, b"too large for me")

    def wrong_input(self, received: bytes) -> None:
        if BEHAVIOUR == "ends-at-wrong-input":
            os._exit(1)
        if BEHAVIOUR == "takes-anything" and b"no_such" in received:
            self.answer(200, b"{}")
        else:
            self.answer(500 if BEHAVIOUR == "wrong-input-fails" else 400, b"{}")

    def predict(self, rows: list[list[float]]) -> None:
        if BEHAVIOUR == "slow" and ASKED > 12:
            time.sleep(0.05)
        if BEHAVIOUR == "wrong-under-load" and ASKED > 100:
            rows = [row[::-1] for row in rows]
        body = json.dumps({"predictions": predict(rows)}).encode()
        if BEHAVIOUR in UNUSUAL:
            UNUSUAL[BEHAVIOUR](self, rows)
        elif self.path == "/v2/models/iris/infer":
            self.answer(200, json.dumps({"outputs": [{"name": "predict", "data": predict(rows)}]}).encode())
        elif self.path != "/v1/models/iris:predict":
            self.answer(404, b"{}")
        else:
            self.answer(200, body)

    def flood(self, _: object) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(1000):
            self.wfile.write(b" " * (1 << 20))

    def trickle(self, _: object) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(600):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.1)

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


UNUSUAL: dict[str, Callable[[Handler, list[list[float]]], None]] = {
    "floods": Handler.flood,
    "trickles": Handler.trickle,
    "hangs": lambda *_: time.sleep(60),
    "hangs-up": lambda handler, _: handler.connection.close(),
    "deep": lambda handler, _: handler.answer(200, b"[" * 3000),
    "fails": lambda handler, rows: handler.answer(500, f"cannot read {rows[0]}, the first of {len(rows)}".encode()),
    "not-json": lambda handler, _: handler.answer(200, b"<html>"),
}

if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
