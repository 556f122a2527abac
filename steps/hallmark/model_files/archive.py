"""Opens a skops file, which is a zip that somebody else wrote: bounded, flat, and with nothing beside the model."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hallmark import zips
from hallmark.errors import BadInputError
from hallmark.model_files.formats import open_regular

SCHEMA = "schema.json"
MAXIMUM_BYTES = 2_000_000_000
"""Of the file and of everything in it together: below what needs zip's 64-bit form."""
MAXIMUM_SCHEMA_BYTES = 64 << 20
MAXIMUM_DIRECTORY_BYTES = 16 << 20

_END_OF_DIRECTORY = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR_BYTES = 20
_FLAT_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,250}")
_ENCRYPTED = 0x1


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip in the file `path`, after its directory was found to be in order.

    A broken zip raises BadInputError also where it only shows while the block reads a member.

    Raises:
        BadInputError: no zip, too large (also unpacked: zip bombs), or a member that skops would not have written:
            absolute, with a folder, a link, twice, encrypted, or packed by a method that cannot be bounded.
    """
    try:
        with open_regular(path) as descriptor:
            _require_plain_end(path, descriptor)
            with os.fdopen(descriptor, "rb", closefd=False) as file, zipfile.ZipFile(file) as archive:
                _require_order(path, archive.infolist())
                yield archive
    except zips.BROKEN as error:
        raise _bad(path, f"is no zip that can be read: {error}") from error


def read_schema(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    """The description of the model's objects, skops' `schema.json`, as parsed JSON.

    Raises:
        BadInputError: it is missing, too large, too deep, or no JSON object.
    """
    if SCHEMA not in archive.namelist():
        raise _bad(path, f"holds no {SCHEMA}")
    if archive.getinfo(SCHEMA).file_size > MAXIMUM_SCHEMA_BYTES:
        raise _bad(path, f"has a {SCHEMA} of more than {MAXIMUM_SCHEMA_BYTES} bytes")
    try:
        schema = json.loads(archive.read(SCHEMA))
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"has a {SCHEMA} that is no JSON: {error}") from error
    if not isinstance(schema, dict):
        raise _bad(path, f"has a {SCHEMA} that is no JSON object")
    return schema


def _require_plain_end(path: Path, descriptor: int) -> None:
    """Bound the directory before `zipfile` reads it whole: two gigabytes of entries would take tens of memory."""
    size = os.fstat(descriptor).st_size
    if size > MAXIMUM_BYTES:
        raise _bad(path, f"is larger than {MAXIMUM_BYTES} bytes")
    tail = os.pread(descriptor, 1 << 10, max(0, size - (1 << 10)))
    if len(tail) < _END_OF_DIRECTORY.size:
        raise _bad(path, "is too short for a zip")
    signature, *_, directory_bytes, _start, comment_bytes = _END_OF_DIRECTORY.unpack(tail[-_END_OF_DIRECTORY.size :])
    if signature != b"PK\x05\x06" or comment_bytes:
        raise _bad(path, "does not end with a zip's directory")
    if tail[-_END_OF_DIRECTORY.size - _ZIP64_LOCATOR_BYTES :].startswith(b"PK\x06\x07"):
        raise _bad(path, "is a 64-bit zip, larger than a model may be")
    if directory_bytes > MAXIMUM_DIRECTORY_BYTES:
        raise _bad(path, f"has a directory of more than {MAXIMUM_DIRECTORY_BYTES} bytes")


def _require_order(path: Path, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        name = member.orig_filename
        kind = stat.S_IFMT(member.external_attr >> 16)
        if not _FLAT_NAME.fullmatch(name):
            raise _bad(path, f"holds a member with the odd name {name[:80]!r}")
        if kind not in (0, stat.S_IFREG):
            raise _bad(path, f"holds {name}, which is a link or another special file")
        if member.flag_bits & _ENCRYPTED:
            raise _bad(path, f"holds {name} encrypted")
        # bzip2 and LZMA are unpacked without a bound by zipfile: some kilobytes become gigabytes in one read.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _bad(path, f"holds {name} packed by a method other than store or deflate")
    twice = [name for name, count in Counter(member.filename for member in members).items() if count > 1]
    if twice:
        raise _bad(path, f"holds {twice[0]} twice")
    if sum(member.file_size for member in members) > MAXIMUM_BYTES:
        raise _bad(path, f"unpacks to more than {MAXIMUM_BYTES} bytes")


def _bad(path: Path, what: str) -> BadInputError:
    return BadInputError(f"{path.name} {what}", solution="write the model with skops.io.dump, and nothing else into it")
