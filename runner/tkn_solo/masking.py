"""Keeping secrets out of every output: each known value becomes `***`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

SHORTEST = 6
_MASK = "***"


class Masker:
    """Replaces secret values in text. A value of several lines is masked line by line."""

    def __init__(self, values: Iterable[str]) -> None:
        parts = {part.strip() for value in values for part in (value, *value.splitlines())}
        # Longest first: a value that is part of another must not leave the rest of it readable.
        secrets = sorted((part for part in parts if len(part) >= SHORTEST), key=len, reverse=True)
        self.longest = max((len(secret.encode()) for secret in secrets), default=0)
        self._text = re.compile("|".join(map(re.escape, secrets))) if secrets else None
        self._bytes = re.compile(b"|".join(re.escape(secret.encode()) for secret in secrets)) if secrets else None

    def text(self, text: str) -> str:
        return self._text.sub(_MASK, text) if self._text else text

    def data(self, data: Any) -> Any:
        """What JSON or YAML is to hold, with each text in it masked.

        Once they are written, values may be escaped or broken into lines; and a mask is no YAML unless it is quoted.
        """
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, dict):
            return {self.data(key): self.data(value) for key, value in data.items()}
        return [self.data(one) for one in data] if isinstance(data, list | tuple) else data

    def bytes(self, data: bytes) -> bytes:
        return self._bytes.sub(_MASK.encode(), data) if self._bytes else data


class LineStream:
    """Cuts a byte stream into masked lines; a line longer than `limit` bytes comes in pieces.

    A secret is found also where two reads meet: nothing is passed on before its line is complete, and of a
    line that is too long the last bytes, in which a secret may have begun, are held back.
    """

    def __init__(self, masker: Masker, limit: int = 65536) -> None:
        self._masker = masker
        self._limit = limit
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The complete lines, each with its newline."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        pieces = [self._masker.bytes(line) + b"\n" for line in lines]
        if len(self._rest) > self._limit + self._masker.longest:
            masked = self._masker.bytes(self._rest)
            keep = self._masker.longest
            cut = len(masked) - keep
            pieces.append(masked[:cut])
            self._rest = masked[cut:]
        return pieces

    def end(self) -> list[bytes]:
        """What is left, without a newline."""
        rest, self._rest = self._rest, b""
        return [self._masker.bytes(rest)] if rest else []
