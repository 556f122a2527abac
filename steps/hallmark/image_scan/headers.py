"""Headers of a layer's archive that everybody reads alike; every other one is refused.

Who scans an image and who runs it read its layers with different programs: tarfile here, Go's archive/tar in containerd
and CRI-O. Where the two would see another name, mode or length, or another end of the archive, what was scanned is not
what runs. None of these is written by a tool that makes images, and each was read differently (Go 1.24, Python 3.11):
numbers that do not begin with their first digit, a prefix of the name in a format that has none, global headers, sparse
files, an empty name or an odd number in an extended header, several extended headers for one file; and tarfile takes a
header that it does not understand for the end.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Mapping
from typing import Any, Self

from hallmark.errors import BadInputError
from hallmark.image_layers import _EXTENDED, _BoundedHeader

_NUMBERS = ((100, 108), (108, 116), (116, 124), (124, 136), (136, 148), (148, 156))
"""Mode, owner, group, length, time and sum of the header."""
_OCTAL = re.compile(rb" *[0-7]*[ \0]*")
_BINARY = (0x80, 0xFF)
_USTAR, _STAR = b"ustar\0", b"tar\0"
_LONG = {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
_ODD_TYPES = (tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_SPARSE)


class PlainHeader(_BoundedHeader):
    """A header about which no two programs can differ. Raises BadInputError where it is another one."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        if len(buf) == tarfile.BLOCKSIZE and any(buf):
            _require_plain(bytes(buf))
        try:
            return super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise odd("a header that is damaged") from error

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        before: list[bytes] = vars(archive).setdefault("_before", [])
        if self.type in _ODD_TYPES:
            raise odd(f"an entry of the type {self.type!r}")
        if self.type in _EXTENDED:
            if self.type in before or (before and not {self.type, *before} <= _LONG):
                raise odd("several extended headers for one file")
            before.append(self.type)
        else:
            if before and self.type == tarfile.AREGTYPE:
                raise odd("an extended header for a file of the oldest format")
            before.clear()
        return super()._proc_member(archive)

    def _apply_pax_info(self, pax_headers: Mapping[str, str], encoding: str, errors: str) -> None:
        for name, value in pax_headers.items():
            if name.startswith("GNU.sparse."):
                raise odd("a sparse file")
            if name in tarfile.PAX_FIELDS and not value:
                raise odd(f"an extended header with an empty {name}")
            if name in ("size", "uid", "gid") and not (value.isascii() and value.isdigit()):
                raise odd(f"an extended header whose {name} is no plain number")
        super()._apply_pax_info(pax_headers, encoding, errors)  # type: ignore[misc]


def odd(what: str) -> BadInputError:
    return BadInputError(
        f"a layer of the image has {what}, which not every program reads alike",
        solution="build the image, or its base, anew with a tool that writes proper layers",
    )


def _require_plain(header: bytes) -> None:
    for start, end in _NUMBERS:
        field = header[start:end]
        if field[0] not in _BINARY and not _OCTAL.fullmatch(field):
            raise odd("a header with a number that is none")
    ustar = header[257:263] == _USTAR
    if (not ustar and any(header[345:500])) or (ustar and header[508:512] == _STAR):
        raise odd("a header of a format that has no long names, with one")
