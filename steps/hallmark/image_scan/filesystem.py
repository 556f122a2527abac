"""An image's layers as a list of files, and the root file system that they make together; nothing is run or followed.

A layer is a tar archive (OCI image specification, layer.md); what stands in it was written by somebody else. So no
name in it ever becomes a path here: contents that are worth reading are kept under numbers in a folder of our own, and
only regular files below known names are laid out for a tool, without links. How many entries, bytes and seconds
reading costs is bounded. A name that leads out of the root, a layer that cannot be read to its end, or one that others
would read differently (`headers`) is bad input: who looked at a part of an image has not looked at it.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import time
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, cast

from hallmark.errors import BadInputError
from hallmark.image_layers import CHUNK_BYTES, _readable, _unpacking
from hallmark.image_scan.headers import PlainHeader, odd

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
"""How a layer says that a file, or all that a folder had before, is gone (layer.md, "Whiteouts")."""
CAPABILITIES = "SCHILY.xattr.security.capability"
BLOCK = 1 << 16
"""Bytes that tarfile reads at once, and copies for each header: small ones are quicker."""
_HEAD = 8192
"""Bytes in which a text has no NUL; git and grep tell binaries so too."""

Kind = Literal["file", "folder", "link", "device"]


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What reading one image may cost."""

    unpacked_bytes: int = 16 << 30
    kept_bytes: int = 4 << 30
    """Of the contents that are kept on disk for a while."""
    text_bytes: int = 5 << 20
    """Larger texts are not looked through for secrets; how many there were is told."""
    entries: int = 1_000_000
    seconds: float = 900


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What stands at a path."""

    path: str
    """With slashes, from the root, without a leading one."""
    layer: int
    """From the bottom, from 1."""
    kind: Kind
    mode: int
    owner: int = 0
    size: int = 0
    capabilities: bool = False
    """Whether the file gives Linux capabilities to whoever runs it."""
    content: Path | None = None
    """Where its bytes are kept; None where they are not."""
    text: bool = False
    """Whether the content is kept, and a text."""
    sha256: str = ""
    """Hexadecimal, of a content that is kept; so is `md5`."""
    md5: str = ""


@dataclass(frozen=True, kw_only=True)
class FileSystem:
    """All that was read."""

    entries: Sequence[Entry]
    """Of all layers, also what a later one replaced or removed."""
    root: Mapping[str, Entry]
    """What a container sees, by path."""
    left_out: int
    """Regular files that are no texts, or too large ones."""
    diff_ids: tuple[str, ...] = ()
    """The digest of each layer unpacked, by which container runtimes know it."""


def read(
    layers: Sequence[Path],
    kept: Path,
    wanted: Callable[[str], bool],
    bounds: Bounds | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> FileSystem:
    """Read the layers, the lowest first.

    Args:
        kept: an empty folder, where contents are kept.
        wanted: whether the content of a path is kept even if it is no text.

    Raises:
        BadInputError: a layer is damaged or packed in a way that is not read, a name leads out of the root, or the
            bounds are reached.
    """
    reading = _Reading(kept, wanted, bounds or Bounds(), clock)
    root: dict[str, Entry] = {}
    for number, layer in enumerate(layers, start=1):
        what = f"layer {number} of {len(layers)}"
        with _readable(what):
            _apply(root, list(reading.layer(layer, number, what, root)))
    return FileSystem(entries=reading.entries, root=root, left_out=reading.left_out, diff_ids=tuple(reading.diff_ids))


def lowest(files: FileSystem, layers: int) -> dict[str, Entry]:
    """What the lowest layers make together, by path: of as many layers as the base has, what a container of it sees."""
    root: dict[str, Entry] = {}
    for number in range(1, layers + 1):
        _apply(root, [entry for entry in files.entries if entry.layer == number])
    return root


def below_links(files: FileSystem, layers: int) -> list[str]:
    """Names in the layers above the lowest `layers` that lie below a link: whoever unpacks them writes somewhere else.

    `x/status` after a link `x` to `/var/lib/dpkg` is that folder's file for a container, and another one here. Builds
    write down where a file really lies; only who makes an archive by hand writes such names.
    """
    links = {path for path, entry in lowest(files, layers).items() if entry.kind == "link"}
    found = []
    for number in range(layers + 1, max((entry.layer for entry in files.entries), default=0) + 1):
        mine = [entry for entry in files.entries if entry.layer == number]
        # Wherever its markers stand, they hide what is below the layer, and nothing of its own (layer.md, whiteouts).
        for entry in mine:
            folder, name = _split(entry.path)
            hidden = folder if name == OPAQUE else f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/")
            if name == OPAQUE or name.startswith(WHITEOUT):
                links = {path for path in links if not _is_in(path, hidden, itself=name != OPAQUE)}
        for entry in mine:
            if not links.isdisjoint(_folders_of(entry.path)):
                found.append(entry.path)
            elif entry.kind == "link":
                links.add(entry.path)
            elif not entry.path.rpartition("/")[2].startswith(WHITEOUT):
                links.discard(entry.path)
    return found


def _is_in(path: str, folder: str, *, itself: bool) -> bool:
    """Whether a path lies below `folder`, which is the root if it is empty, or is it."""
    return not folder or path.startswith(f"{folder}/") or (itself and path == folder)


def _folders_of(path: str) -> list[str]:
    """The folders that a path lies in, without the root."""
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]


def lay_out(files: Mapping[str, Entry], folder: Path) -> None:
    """Make the kept files a tree below the new `folder`: regular files and folders only, readable by us alone.

    Raises:
        BadInputError: a name is used as a file and as a folder, or no file system here can hold it.
    """
    folder.mkdir()
    for path, entry in sorted(files.items()):
        if entry.content is None:
            continue
        target = folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(entry.content, target)
        except (OSError, ValueError) as error:
            raise BadInputError(
                f"the image's layers have a name that cannot be laid out: {path[:200]!r}",
                solution="build the image anew with a tool that writes proper layers",
            ) from error


def clean(name: str) -> str:
    """A path of an archive as one from the root: `./usr//bin/` is `usr/bin`; empty for the root itself.

    Bytes that are no UTF-8 are told as `\\xff`: reports are UTF-8.

    Raises:
        BadInputError: it leads out of the root.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise BadInputError(
            f"a layer of the image holds the name {name[:200]!r}, which leads out of its root",
            solution="build the image anew with a tool that writes proper layers",
        )
    return "/".join(parts).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _apply(root: dict[str, Entry], layer: Sequence[Entry]) -> None:
    """Put a layer on top: first what it takes away from the layers below, then what it adds, in whatever order."""
    names = [(entry, *_split(entry.path)) for entry in layer]
    gone = {folder for _, folder, name in names if name == OPAQUE}
    removed = {
        f"{folder}/{name[len(WHITEOUT) :]}".lstrip("/")
        for _, folder, name in names
        if name.startswith(WHITEOUT) and name != OPAQUE
    }
    replaced = {entry.path for entry in layer if entry.kind != "folder"}
    if gone or removed or replaced:
        for path in [path for path in root if _covered(path, gone, removed | replaced)]:
            del root[path]
    for entry, _, name in names:
        if not name.startswith(WHITEOUT):
            root[entry.path] = entry


def _covered(path: str, emptied: set[str], removed: set[str]) -> bool:
    """Whether the path, or a folder above it, was removed; or it lies in a folder that was emptied."""
    if path in removed or "" in emptied:
        return True
    above = path
    while above := above.rpartition("/")[0]:
        if above in removed or above in emptied:
            return True
    return False


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


class _Reading:
    """Reads layers until the bounds are reached."""

    def __init__(self, kept: Path, wanted: Callable[[str], bool], bounds: Bounds, clock: Callable[[], float]) -> None:
        self.entries: list[Entry] = []
        self.left_out = 0
        self.diff_ids: list[str] = []
        self._kept, self._wanted, self._bounds, self._clock = kept, wanted, bounds, clock
        self._unpacked, self._room, self._until = bounds.unpacked_bytes, bounds.kept_bytes, clock() + bounds.seconds

    def layer(self, file: Path, number: int, what: str, below: Mapping[str, Entry]) -> Iterator[Entry]:
        """The entries of a layer; `below`: what the layers under it make, for hard links into them."""
        here: dict[str, Entry] = {}
        with file.open("rb") as raw, _unpacking(raw, what) as stream:
            counted = _Counted(stream, self)
            yield from self._members(counted, number, here, below)
            self.diff_ids.append(f"sha256:{counted.digest.hexdigest()}")

    def _members(
        self, stream: _Counted, number: int, here: dict[str, Entry], below: Mapping[str, Entry]
    ) -> Iterator[Entry]:
        with tarfile.open(fileobj=cast("Any", stream), mode="r|", tarinfo=PlainHeader, bufsize=BLOCK) as archive:
            while (member := archive.next()) is not None:
                entry = self._entry(archive, member, number, ChainMap(here, cast("dict[str, Entry]", below)))
                # tarfile would keep every header of the archive.
                cast("Any", archive).members.clear()
                if entry is None:
                    continue
                if len(self.entries) >= self._bounds.entries:
                    raise _too_much(f"{self._bounds.entries} files")
                here[entry.path] = entry
                self.entries.append(entry)
                yield entry
            while rest := cast("Any", archive).fileobj.read(CHUNK_BYTES):
                if any(rest):
                    raise odd("something behind its end")

    def _entry(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, layer: int, known: Mapping[str, Entry]
    ) -> Entry | None:
        path = clean(member.name)
        if not path:
            return None
        if member.islnk():
            return self._hard_link(path, member, layer, known)
        kind: Kind = "file" if member.isreg() else "folder" if member.isdir() else "device"
        entry = Entry(
            path=path,
            layer=layer,
            kind="link" if member.issym() else kind,
            mode=member.mode & 0o7777,
            owner=member.uid,
            size=member.size,
            capabilities=CAPABILITIES in member.pax_headers,
        )
        content = archive.extractfile(member) if entry.kind == "file" else None
        return entry if content is None or not member.size else self._content(entry, content)

    def _hard_link(self, path: str, member: tarfile.TarInfo, layer: int, known: Mapping[str, Entry]) -> Entry:
        """The file that it links to; runtimes give it the mode and the capabilities of the link's own header."""
        if (found := known.get(clean(member.linkname))) is None or found.kind == "folder":
            raise BadInputError(
                f"layer {layer} of the image links {path[:200]!r} to a file that is not there",
                solution="build the image anew with a tool that writes proper layers",
            )
        return replace(
            found,
            path=path,
            layer=layer,
            mode=found.mode | (member.mode & 0o7777),
            capabilities=found.capabilities or CAPABILITIES in member.pax_headers,
        )

    def _content(self, entry: Entry, content: IO[bytes]) -> Entry:
        """The entry with its content, if that is worth keeping. What is skipped costs reading all the same."""
        head = content.read(min(entry.size, CHUNK_BYTES))
        text = b"\0" not in head[:_HEAD] and entry.size <= self._bounds.text_bytes
        if not (text or self._wanted(entry.path) or _is_program(entry, head)):
            self.left_out += 1
            return entry
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        target = self._kept / str(len(self.entries))
        with target.open("wb") as file:
            data = head
            while data:
                self._room -= len(data)
                if self._room < 0:
                    raise _too_much(f"{self._bounds.kept_bytes} bytes to be looked at")
                for sink in (sha256.update, md5.update, file.write):
                    sink(data)
                data = content.read(CHUNK_BYTES)
        if not text:
            self.left_out += 1
        return replace(entry, content=target, text=text, sha256=sha256.hexdigest(), md5=md5.hexdigest())

    def count(self, size: int) -> None:
        self._unpacked -= size
        if self._unpacked < 0:
            raise _too_much(f"{self._bounds.unpacked_bytes} bytes")
        if self._clock() > self._until:
            raise _too_much(f"can be read in {self._bounds.seconds:g} seconds")


def _is_program(entry: Entry, head: bytes) -> bool:
    """Whether it is an ELF program: Go and Rust write into theirs which modules they are made of."""
    return head.startswith(b"\x7fELF") and bool(entry.mode & 0o111) and ".so" not in _split(entry.path)[1]


class _Counted:
    """A stream that tells how much of it was read, and its digest."""

    def __init__(self, stream: BinaryIO, reading: _Reading) -> None:
        self._stream, self._reading = stream, reading
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._reading.count(len(data))
        self.digest.update(data)
        return data


def _too_much(bound: str) -> BadInputError:
    return BadInputError(
        f"the image's layers hold more than {bound}, so they were not looked at to their end",
        solution="build the image on a smaller base, and with fewer files",
    )
