"""Calls a model server over HTTP/1.1 and believes nothing about it: it may hang, lie or flood.

V1: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
V2: https://github.com/kserve/open-inference-protocol, where the path ends with `/infer`
"""

from __future__ import annotations

import http.client
import json
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from hallmark.labels import MAXIMUM_LENGTH, canonical
from hallmark.redaction import printable

HOST = "127.0.0.1"
"""The container runs beside the step, in the same pod."""
PROBE_SECONDS, PAUSE_SECONDS = 2.0, 0.1
REQUEST_SECONDS = 30.0
ANSWER_BYTES, ANSWER_BYTES_A_ROW = 4096, 12 * MAXIMUM_LENGTH
"""The longest answer that is read: a label's longest JSON has every character escaped."""
QUOTED_CHARACTERS = 200
"""Of the body of an error."""


HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}


class BadAnswerError(Exception):
    """The server did not answer as the protocol says; the message tells how.

    Of what it sent, only the start of an error's body is quoted, without control characters and values of the rows.
    """


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the container listens, and what `hallmark.yaml` says about it."""

    port: int
    readiness: str
    predict: str
    features: tuple[str, ...]

    def wait_until_ready(
        self, seconds: float, say: Callable[[str], None], ended: Callable[[], bool] = lambda: False
    ) -> tuple[float | None, str]:
        """Ask until the readiness path answers 200, or the container has ended.

        Returns:
            The seconds that it took, None if it took longer than `seconds`; and the last answer.
        """
        start = time.monotonic()
        told, last = start, "nothing was asked"
        while (now := time.monotonic()) - start < seconds and not ended():
            try:
                status, answer = self.ask("GET", self.readiness, seconds=PROBE_SECONDS)
                last = described(status, answer)
                if status == http.client.OK:
                    return time.monotonic() - start, last
            except BadAnswerError as error:
                last = str(error)
            if now - told > 2:
                told = now
                say(f"waiting for the container, {now - start:.0f} of {seconds:g} s: {last}")
            time.sleep(PAUSE_SECONDS)
        return None, last

    def predictions(self, rows: Sequence[Sequence[object]]) -> tuple[list[str], float]:
        """The server's canonical label for each of `rows`, and the seconds from the request to the whole answer.

        Raises:
            BadAnswerError: no answer, too late, too long, not status 200, or not one label for each row.
        """
        body = self.question(rows)
        start = time.perf_counter()
        limit = ANSWER_BYTES + len(rows) * ANSWER_BYTES_A_ROW
        status, answer = self.ask("POST", self.predict, body, seconds=REQUEST_SECONDS, limit=limit)
        seconds = time.perf_counter() - start
        if status != http.client.OK:
            raise BadAnswerError(described(status, answer, rows))
        parse = parse_outputs if self.is_v2 else parse_predictions
        return parse(answer, len(rows)), seconds

    @property
    def is_v2(self) -> bool:
        """Whether predictions are asked for by the Open Inference Protocol."""
        return self.predict.endswith("/infer")

    def question(self, rows: Sequence[Sequence[object]]) -> bytes:
        """The body that asks about `rows`."""
        if not self.is_v2:
            return json.dumps({"instances": [list(row) for row in rows]}, allow_nan=False).encode()
        inputs = [_tensor(name, [row[place] for row in rows]) for place, name in enumerate(self.features)]
        return json.dumps({"inputs": inputs}, allow_nan=False).encode()

    def ask(
        self, method: str, path: str, body: bytes = b"", *, seconds: float, limit: int = ANSWER_BYTES
    ) -> tuple[int, bytes]:
        """One request on a connection of its own, which is cut after `seconds` however much has come by then.

        Raises:
            BadAnswerError: no answer, too late, or longer than `limit` bytes.
        """
        with self._connected(seconds) as connection:
            connection.request(method, path, body=body or None, headers=HEADERS)
            return _read(connection, limit)

    def ask_too_much(self, size: int, *, seconds: float) -> int | None:
        """The status for a body of `size` spaces, which the server need not take to its end; None where it hung up.

        Raises:
            BadAnswerError: no answer, or too late.
        """
        chunk = b" " * (1 << 16)
        with self._connected(seconds) as connection:
            connection.putrequest("POST", self.predict)
            for name, value in {**HEADERS, "Content-Length": str(size)}.items():
                connection.putheader(name, value)
            try:
                connection.endheaders()
                for _ in range(size // len(chunk)):
                    # Who answers before the end does not want the rest.
                    if select.select([connection.sock], [], [], 0)[0]:
                        break
                    connection.send(chunk)
            except (BrokenPipeError, ConnectionResetError):
                pass
            try:
                return _read(connection, ANSWER_BYTES)[0]
            except (ConnectionResetError, http.client.RemoteDisconnected):
                return None

    @contextmanager
    def _connected(self, seconds: float) -> Iterator[http.client.HTTPConnection]:
        """A connection that is cut after `seconds`; whatever goes wrong in the block is a BadAnswerError."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=seconds)
        cut: threading.Timer | None = None
        deadline = time.monotonic() + seconds
        try:
            connection.connect()
            # Once the headers are read, http.client no longer has the socket, and the body may still trickle.
            cut = threading.Timer(seconds, _cut, (connection.sock,))
            cut.daemon = True
            cut.start()
            yield connection
            # A cut connection looks like an answer that has ended.
            if time.monotonic() >= deadline:
                raise TimeoutError
        except TimeoutError as error:
            raise BadAnswerError(f"no answer within {seconds:g} s") from error
        except ConnectionRefusedError as error:
            raise BadAnswerError(
                f"nothing listens on port {self.port} (image.port in hallmark.yaml); the container's own log says why"
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            if time.monotonic() >= deadline:
                raise BadAnswerError(f"no answer within {seconds:g} s") from error
            name = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise BadAnswerError(f"no answer: {name}") from error
        finally:
            if cut is not None:
                cut.cancel()
            connection.close()


def _read(connection: http.client.HTTPConnection, limit: int) -> tuple[int, bytes]:
    response = connection.getresponse()
    data = response.read(limit + 1)
    if len(data) > limit:
        raise BadAnswerError(f"an answer of more than {limit} bytes")
    return response.status, data


def described(status: int, body: bytes, rows: Sequence[Sequence[object]] = ()) -> str:
    """The status and the start of the body, in which an error may well repeat the rows that it was about."""
    text = body[:ANSWER_BYTES].decode(errors="replace")
    if sent := {str(value) for row in rows for value in row}:
        longest_first = "|".join(re.escape(value) for value in sorted(sent, key=len, reverse=True))
        text = re.sub(rf"(?<!\w)(?:{longest_first})(?!\w)", "…", text)
    said = " ".join(printable(text).split())
    more = "…" if len(said) > QUOTED_CHARACTERS else ""
    return f"status {status}: {said[:QUOTED_CHARACTERS]}{more}" if said else f"status {status}"


def parse_predictions(answer: bytes, rows: int) -> list[str]:
    """The canonical labels in the JSON `{"predictions": [...]}`.

    Raises:
        BadAnswerError: it is not that, or has not one label for each of `rows` rows.
    """
    try:
        content = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError("the answer is not JSON") from error
    found = content.get("predictions") if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise BadAnswerError('the answer is not {"predictions": [...]}')
    if len(found) != rows:
        raise BadAnswerError(f"{len(found)} predictions for {rows} rows")
    try:
        return canonical(found)
    except ValueError as error:
        raise BadAnswerError(str(error)) from error


def parse_outputs(answer: bytes, rows: int) -> list[str]:
    """The canonical labels in the first of V2's `{"outputs": [{"data": [...]}]}`. Raises as `parse_predictions`."""
    try:
        content = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError("the answer is not JSON") from error
    outputs = content.get("outputs") if isinstance(content, dict) else None
    first = outputs[0] if isinstance(outputs, list) and outputs else None
    if not isinstance(first, dict) or not isinstance(first.get("data"), list):
        raise BadAnswerError('the answer is not {"outputs": [{"name": ..., "data": [...]}]}')
    return parse_predictions(json.dumps({"predictions": first["data"]}).encode(), rows)


def _tensor(name: str, values: list[object]) -> dict[str, object]:
    """A feature's values as a tensor of V2 of the shape (rows, 1)."""
    given = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in given):
        datatype = "BYTES"
    elif given and all(isinstance(value, bool) for value in given):
        datatype = "BOOL"
    else:
        datatype = "FP64"
    return {"name": name, "shape": [len(values), 1], "datatype": datatype, "data": values}


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
