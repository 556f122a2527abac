"""Looks through the bytes of CSV and JSON Lines before they are parsed, in constant memory.

A parser that is handed such a file guesses: polars fills short rows with nulls, keeps NUL characters and takes a
quote that never ends for one long value. Here each of these is an error with its line. A file is read in blocks that
end with a line, whose bytes numpy counts; only where a count is wrong are the lines looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hallmark.errors import BadInputError
from hallmark.inputs.formats import BOM

BLOCK_BYTES = 1 << 18
RECORD_BYTES = 32 << 20
"""The longest row or object: a quote that never ends is told after so much, however large the file is."""
HEADER_BYTES = 1 << 20
_LF, _CR, _QUOTE = 10, 13, 34

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class Text:
    """What was counted in a file that is sound."""

    bom: bool
    records: int
    """Rows with the header, or lines."""


def first_line(path: Path, what: str) -> bytes:
    """The first line without its end and without a byte order mark.

    Raises:
        BadInputError: it is longer than `HEADER_BYTES`; no more than that was read.
    """
    with path.open("rb") as file:
        line = file.readline(HEADER_BYTES + 1)
    if len(line) > HEADER_BYTES:
        raise BadInputError(
            f"{what}: line 1 is longer than {HEADER_BYTES} bytes, which no header of a table should be",
            solution="check the file's format; a table of so many columns is better kept as rows of name and value",
        )
    return line.removeprefix(BOM).rstrip(b"\r\n")


def scan(path: Path, what: str, *, delimiter: str | None = None, columns: int = 1, exact: bool = False) -> Text:
    """Look through the whole file.

    Args:
        delimiter: of CSV; None for JSON Lines, where quotes and fields are the parser's business.
        columns: the fields that each row has.
        exact: compare each row's number of fields, instead of a block's sum.

    Raises:
        BadInputError: with the line: NUL characters, not UTF-8, mixed line ends, a quote that never ends, a row with
            another number of fields than the header, an endless line.
    """
    scanner = _Scanner(what, delimiter, columns, exact)
    start = True
    bom = False
    with path.open("rb") as file:
        for block in _blocks(file, what):
            if start:
                bom, start = block.startswith(BOM), False
                block = block.removeprefix(BOM)
            if block:
                scanner.take(block)
    scanner.finish()
    return Text(bom=bom, records=scanner.records)


def _blocks(file: Any, what: str) -> Iterator[bytes]:
    """The file in blocks that end with a line feed, but for the last."""
    held = b""
    while read := file.read(BLOCK_BYTES):
        cut = read.rfind(b"\n") + 1
        if cut:
            yield held + read[:cut]
            held = read[cut:]
        else:
            held += read
        if len(held) > RECORD_BYTES:
            raise BadInputError(f"{what} has a line of more than {RECORD_BYTES} bytes", solution="check its format")
    if held:
        yield held


class _Scanner:
    def __init__(self, what: str, delimiter: str | None, columns: int, exact: bool) -> None:
        self.what = what
        self.delimiter = ord(delimiter) if delimiter is not None else None
        self.expected = columns - 1
        self.exact = exact
        self.records = 0
        self.line = 1
        """The number of the next block's first line."""
        self.inside = False
        """Whether the next block begins inside quotes."""
        self.quoted_since = 0
        """The line of the quote that is open."""
        self.open_bytes = 0
        """Bytes since the last row's end."""
        self.fields_left = 0
        """Delimiters of a row that goes on in the next block."""
        self.crlf: bool | None = None

    def take(self, block: bytes) -> None:
        self._characters(block)
        bytes_ = np.frombuffer(block, np.uint8)
        outside = self._outside(block, bytes_)
        if outside is None and not self.exact and self._counts_fit(block, bytes_):
            return
        feeds = bytes_ == _LF if outside is None else (bytes_ == _LF) & outside
        if not block.endswith(b"\n") and not self.inside:
            # The last row needs no line feed.
            feeds = np.append(feeds, True)
        rows = int(np.count_nonzero(feeds))
        self._line_ends(block, bytes_, outside, feeds[: len(bytes_)])
        if self.delimiter is not None:
            self._fields(bytes_, outside, feeds, rows)
        self.records += rows
        self._bound(len(block), feeds)
        self.line += block.count(b"\n")

    def finish(self) -> None:
        if self.inside:
            raise self._endless()

    def _counts_fit(self, block: bytes, bytes_: Bytes) -> bool:
        """Whether a block without quotes has as many delimiters and line ends as its rows need: then it is taken.

        Counting is ten times as fast as telling which row they belong to. A row that is too short beside one that is
        too long is left to the parser, which refuses the longer one.
        """
        feeds = int(np.count_nonzero(bytes_ == _LF))
        returns = block.count(b"\r") if b"\r" in block else 0
        crlf = bool(returns) if self.crlf is None else self.crlf
        if returns != (feeds if crlf else 0) or (crlf and block.count(b"\r\n") != feeds):
            return False
        rows = feeds + (not block.endswith(b"\n"))
        if self.delimiter is not None and np.count_nonzero(bytes_ == self.delimiter) != rows * self.expected:
            return False
        self.crlf = crlf
        self.records += rows
        self.line += feeds
        return True

    def _characters(self, block: bytes) -> None:
        if (at := block.find(b"\0")) >= 0:
            raise self._bad(
                block, at, "has a NUL character", "write the file as text in UTF-8; NULs hint at UTF-16 or damage"
            )
        if not block.isascii():
            try:
                block.decode("utf-8")
            except UnicodeDecodeError as error:
                raise self._bad(block, error.start, "is not UTF-8", "write the file in UTF-8") from error

    def _outside(self, block: bytes, bytes_: Bytes) -> Mask | None:
        """Which bytes stand outside of quotes; None if all do. A doubled quote leaves and enters again."""
        if self.delimiter is None or (not self.inside and b'"' not in block):
            return None
        quotes = bytes_ == _QUOTE
        parity = np.cumsum(quotes, dtype=np.uint8) & 1
        outside: Mask = parity == int(self.inside)
        self._require_places(block, bytes_, quotes, outside)
        self.inside = not bool(outside[-1])
        if self.inside and quotes.any():
            self.quoted_since = self.line + block.count(b"\n", 0, int(np.flatnonzero(quotes)[-1]))
        return outside

    def _require_places(self, block: bytes, bytes_: Bytes, quotes: Mask, outside: Mask) -> None:
        """A quote opens at the begin of a value and closes at its end; two in a row are one of the value's own."""
        around = np.frombuffer(b"\n" + block + b"\n", np.uint8)
        opens, closes = np.flatnonzero(quotes & ~outside), np.flatnonzero(quotes & outside)
        bad = [
            *opens[~np.isin(around[opens], (_LF, _QUOTE, self.delimiter or _LF))][:1],
            *closes[~np.isin(around[closes + 2], (_LF, _CR, _QUOTE, self.delimiter or _LF))][:1],
        ]
        if bad:
            raise self._bad(
                block,
                int(min(bad)),
                "has a quote inside a value",
                'write it twice, and the value in quotes: "5"" pipe"',
            )

    def _bound(self, length: int, feeds: Mask) -> None:
        """A row that is longer than any should be has lost the end of its quotes."""
        if not self.inside:
            self.open_bytes = 0
            return
        self.open_bytes = length - int(np.flatnonzero(feeds)[-1]) if feeds.any() else self.open_bytes + length
        if self.open_bytes > RECORD_BYTES:
            raise self._endless()

    def _line_ends(self, block: bytes, bytes_: Bytes, outside: Mask | None, feeds: Mask) -> None:
        """All rows end as the first one does. Line ends inside quotes are a value's own."""
        returns = np.zeros(len(bytes_), dtype=np.bool_)
        if b"\r" in block:
            returns = bytes_ == _CR if outside is None else (bytes_ == _CR) & outside
        before = np.append(False, returns[:-1])
        places = feeds & before
        if self.crlf is None and feeds.any():
            self.crlf = bool(places[int(np.argmax(feeds))])
        wrong = feeds & (before != bool(self.crlf))
        lone = returns & ~np.append(feeds[1:], False)
        if (bad := wrong | lone).any():
            raise self._bad(
                block,
                int(np.argmax(bad)),
                "ends another way than the lines before it: line ends are mixed",
                "write all line ends alike (LF, or CR LF)",
            )

    def _fields(self, bytes_: Bytes, outside: Mask | None, feeds: Mask, rows: int) -> None:
        delimiters = bytes_ == self.delimiter if outside is None else (bytes_ == self.delimiter) & outside
        count = int(np.count_nonzero(delimiters))
        last = int(np.flatnonzero(feeds)[-1]) if rows and self.inside else len(bytes_)
        left = int(np.count_nonzero(delimiters[last:])) if rows else self.fields_left + count
        if self.exact or (rows and self.fields_left + count - left != rows * self.expected):
            self._compare_rows(bytes_, delimiters, feeds)
        self.fields_left = left if self.inside else 0

    def _compare_rows(self, bytes_: Bytes, delimiters: Mask, feeds: Mask) -> None:
        ends = np.flatnonzero(feeds)
        counts = np.diff(np.searchsorted(np.flatnonzero(delimiters), ends), prepend=-self.fields_left)
        wrong = np.flatnonzero(counts != self.expected)
        if not len(wrong):
            return
        row = int(wrong[0])
        begins = int(ends[row - 1]) + 1 if row else 0
        line = self.line + int(np.count_nonzero(bytes_[:begins] == _LF))
        found = "is blank" if int(ends[row]) - begins == int(bool(self.crlf)) else f"has {counts[row] + 1} fields"
        raise BadInputError(
            f"{self.what}: line {line} {found}, the header has {self.expected + 1}",
            solution="mend that line; a value that holds the delimiter or a line break stands in double quotes",
        )

    def _endless(self) -> BadInputError:
        return BadInputError(
            f"{self.what}: a quote is opened in line {self.quoted_since} and never closed",
            solution='close it; a double quote inside a value is written twice, and the value in quotes: "5"" pipe"',
        )

    def _bad(self, block: bytes, at: int, found: str, solution: str) -> BadInputError:
        line = self.line + block.count(b"\n", 0, at)
        return BadInputError(f"{self.what}: line {line} {found}", solution=solution)
