"""Frames on the socket between the step and the processes that hold a model: a tag of four bytes, a length, a body.

Both ends speak it. The step's end believes nothing: it says beforehand how long a body may be, and every answer is
looked at by `hallmark.model_files.answers`.
"""

from __future__ import annotations

import socket
import struct

OK, REFUSED = b"ok..", b"no.."
HELLO, AUDIT, LOAD, ROWS, REFERENCE = b"hi..", b"audt", b"load", b"rows", b"ref."
"""What is asked: are you there, what does the file hold, load it, answer for these rows, and the same small work that
every process does alike."""

_HEADER = struct.Struct("!4sQ")
_CHUNK_BYTES = 1 << 20


class BrokenFrameError(Exception):
    """The other end is gone, or said something that is no frame."""


def send(to: socket.socket, tag: bytes, body: bytes = b"") -> None:
    """Send one frame. Raises OSError where the other end is gone."""
    to.sendall(_HEADER.pack(tag, len(body)) + body if len(body) < _CHUNK_BYTES else _HEADER.pack(tag, len(body)))
    if len(body) >= _CHUNK_BYTES:
        to.sendall(body)


def receive(source: socket.socket, *, limit: int) -> tuple[bytes, bytearray]:
    """The next frame's tag and body.

    Args:
        limit: bytes that the body may have; nothing is set aside for bytes that do not come.

    Raises:
        BrokenFrameError: the connection ended, or the body is longer.
        OSError: the connection broke, or timed out.
    """
    tag, length = _HEADER.unpack(_exactly(source, _HEADER.size))
    if length > limit:
        raise BrokenFrameError(f"an answer of {length} bytes, where at most {limit} are right")
    return tag, _exactly(source, length)


def _exactly(source: socket.socket, length: int) -> bytearray:
    data = bytearray()
    while len(data) < length:
        piece = source.recv(min(_CHUNK_BYTES, length - len(data)))
        if not piece:
            raise BrokenFrameError("its process ended without an answer")
        data += piece
    return data
