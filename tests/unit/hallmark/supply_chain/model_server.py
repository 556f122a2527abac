"""A model server of one's own process, honest or not: `python model_server.py PORT BEHAVIOUR`.

The honest answer to [width, length] is "wide" if the width is larger, else "long".
"""

from __future__ import annotations

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BEHAVIOUR = sys.argv[2]
STARTED = time.monotonic()


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


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if BEHAVIOUR == "slow-start" and time.monotonic() - STARTED < 0.5:
            self.answer(503, b"{}")
        elif BEHAVIOUR == "redirects":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
        else:
            self.answer(500 if BEHAVIOUR == "never-ready" else 200, b"no \x1b[31mmodel\x00 here\n" + b"x" * 300)

    def do_POST(self) -> None:
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        body = json.dumps({"predictions": predict(rows)}).encode()
        if BEHAVIOUR == "floods":
            self.send_response(200)
            self.end_headers()
            for _ in range(1000):
                self.wfile.write(b" " * (1 << 20))
        elif BEHAVIOUR == "trickles":
            self.send_response(200)
            self.end_headers()
            for _ in range(600):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.1)
        elif BEHAVIOUR == "hangs":
            time.sleep(60)
        elif BEHAVIOUR == "hangs-up":
            self.connection.close()
        elif BEHAVIOUR == "deep":
            self.answer(200, b"[" * 3000)
        elif BEHAVIOUR == "fails":
            self.answer(500, f"cannot read {rows[0]}, the first of {len(rows)}".encode())
        elif self.path != "/v1/models/iris:predict":
            self.answer(404, b"{}")
        else:
            self.answer(200, b"<html>" if BEHAVIOUR == "not-json" else body)

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
