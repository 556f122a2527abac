"""The body of a request, by its Content-Length or in chunks (RFC 9112, sections 6 and 7.1), within bounds."""

from __future__ import annotations

import re
from email.message import Message
from io import BufferedIOBase

LINE = 4096
"""Bytes of a chunk's size with what else stands in its line, and of a trailer."""
TRAILERS = 32
SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")


class UnreadBodyError(Exception):
    """The body was not read to its end, so that what comes next on the connection is no request."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def announced(headers: Message) -> bool:
    """Whether the headers tell of a body."""
    return "Transfer-Encoding" in headers or any(told != "0" for told in headers.get_all("Content-Length") or [])


def refuse(headers: Message, maximum: int) -> None:
    """Say no to what the headers alone tell. Raises UnreadBodyError."""
    codings, lengths = headers.get_all("Transfer-Encoding") or [], headers.get_all("Content-Length") or []
    if codings and lengths:
        # Two readers of one request that end it at different places: how requests are smuggled (section 6.3).
        raise UnreadBodyError(400, "send a Content-Length or chunks, not both")
    if codings:
        if [coding.strip(" \t").lower() for coding in codings] != ["chunked"]:
            raise UnreadBodyError(501, "no Transfer-Encoding but chunked is read here")
        return
    if not lengths:
        raise UnreadBodyError(411, "send the body with a Content-Length, or in chunks")
    if len(lengths) > 1 or not lengths[0].isascii() or not lengths[0].isdigit():
        raise UnreadBodyError(400, "Content-Length is no number")
    if len(lengths[0]) > 15 or int(lengths[0]) > maximum:
        raise _too_large(maximum)


def read(stream: BufferedIOBase, headers: Message, maximum: int) -> bytes:
    """The body of at most `maximum` bytes, where :func:`refuse` has nothing against it. Raises UnreadBodyError."""
    if "Transfer-Encoding" not in headers:
        return stream.read(int(headers["Content-Length"]))
    body = bytearray()
    while size := _size(_line(stream)):
        if len(body) + size > maximum:
            raise _too_large(maximum)
        chunk = stream.read(size)
        if len(chunk) < size or _line(stream):
            raise UnreadBodyError(400, "a chunk is not as long as it says")
        body += chunk
    for _ in range(TRAILERS):
        if not _line(stream):
            return bytes(body)
    raise UnreadBodyError(400, "the body has too many trailers")


def _line(stream: BufferedIOBase) -> bytes:
    line = stream.readline(LINE)
    if not line.endswith(b"\r\n"):
        raise UnreadBodyError(400, "a line between the chunks does not end")
    return line[:-2]


def _size(line: bytes) -> int:
    """In bytes; what may follow it after a semicolon is nobody's here."""
    found = line.partition(b";")[0].rstrip(b" \t")
    if not SIZE.fullmatch(found):
        raise UnreadBodyError(400, "a chunk's size is no hexadecimal number")
    return int(found, 16)


def _too_large(maximum: int) -> UnreadBodyError:
    return UnreadBodyError(413, f"the body is larger than {maximum} bytes")
