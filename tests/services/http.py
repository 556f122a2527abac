"""A web server that answers as it is told to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class WebServer:
    port: int
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    """By path; the last of each is given again and again."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and `Authorization` of each request."""
    server: ThreadingHTTPServer | None = None
    """For tests that wrap its socket."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


def content(body: bytes, status: int = 200, **headers: str) -> Answer:
    """A whole answer; an underscore in a header's name stands for a hyphen."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


@contextlib.contextmanager
def serving(server: HTTPServer) -> Iterator[None]:
    """Have `server` answer, in a thread of its own, until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def web_server() -> Iterator[WebServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append((self.path, self.headers.get("Authorization", "")))
            answers = found.answers.get(self.path) or [content(b"", 404)]
            (answers.pop(0) if len(answers) > 1 else answers[0])(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that has heard enough hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    found = WebServer(server.server_address[1], server=server)
    with serving(server):
        yield found
