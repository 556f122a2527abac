"""Makes a model file's bytes depend on the model alone, so that the same training gives the same digest twice.

skops names arrays by the memory address of the object that it saved, numbers objects likewise, names byte strings
at random and dates every member of its zip; sets come in the order of the process's hash seed. All of that goes.
What the file says about the model stays, so it loads to an equal model. The file is never loaded here: it is read
as a zip and as JSON, because whoever made it may mean harm.

Pickle and joblib files are left as they are: rewriting them means understanding them, and that means running them. ONNX
files hold neither dates nor addresses.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

from hallmark.errors import BadInputError
from hallmark.files import atomic_path
from hallmark.model_files.archive import SCHEMA, open_archive, read_schema
from hallmark.model_files.padding import copy_without_padding

_EARLIEST = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_ADDRESSES = {"_stop_words_id": "0"}
"""Attributes in which scikit-learn keeps a memory address, and what stands for it: `CountVectorizer` remembers whether
it has checked this very list of stop words, which is never true again after loading."""


def canonicalise(path: Path, format: str) -> None:  # noqa: A002 - the word that hallmark.yaml uses
    """Rewrite the model file `path` in place; a file that is canonical keeps its bytes.

    Args:
        format: `skops` (rewritten); `pickle`, `joblib` and `onnx` are left as they are.

    Raises:
        BadInputError: a skops file that is broken, too large, or holds what skops would not have written.
    """
    if format != "skops":
        return
    with open_archive(path) as archive:
        renaming = _Renaming(path, archive)
        try:
            schema = json.dumps(renaming.apply(read_schema(path, archive)), separators=(",", ":"))
        except RecursionError as error:
            raise BadInputError(
                f"{path.name} nests its objects too deeply", solution="save a model with fewer nested objects"
            ) from error
        renaming.require_all_used()
        with atomic_path(path) as temporary:
            _write(temporary, archive, schema, {new: old for old, new in renaming.files.items()})


def _write(target: Path, archive: zipfile.ZipFile, schema: str, members: dict[str, str]) -> None:
    """Everything is stored, not packed: deflate's output differs between versions of zlib."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as out:
        for name in sorted(members):
            with archive.open(members[name]) as source, out.open(_member(name), "w") as copy:
                copy_without_padding(source, copy)
        out.writestr(_member(SCHEMA), schema)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EARLIEST)
    info.create_system = _UNIX
    info.external_attr = 0o644 << 16
    return info


class _Renaming:
    """Numbers objects and files in the order in which the schema first speaks of them."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.files: dict[str, str] = {}
        self._path = path
        self._archive = archive
        self._available = set(archive.namelist()) - {SCHEMA}
        self._ids: dict[object, int] = {}
        self._digests: dict[str, str] = {}

    def apply(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.apply(item) for item in value]
        if not isinstance(value, dict):
            return value
        if not _is_node(value):
            return {key: self.apply(_without_address(key, item)) for key, item in value.items()}
        node = self._ordered(value)
        renamed = dict(node)
        # Both are named before the node's children, so that the numbers follow the order of reading.
        if "__id__" in node:
            renamed["__id__"] = self._ids.setdefault(self._identity(node), len(self._ids) + 1)
        if "file" in node:
            renamed["file"] = self._file(node["file"])
        return {key: item if key in ("__id__", "file") else self.apply(item) for key, item in renamed.items()}

    def require_all_used(self) -> None:
        """What no object refers to is not part of the model, and nobody would look at it."""
        unused = sorted(self._available - set(self.files))
        if unused:
            raise BadInputError(
                f"{self._path.name} holds {unused[0]}, which is no part of the model",
                solution="write the model with skops.io.dump, and nothing else into it",
            )

    def _identity(self, node: dict[str, Any]) -> object:
        """What makes two nodes the same object.

        For texts and numbers it is their value: whether Python keeps two equal ones as one object is an accident.
        """
        if node["__loader__"] == "JsonNode":
            return ("json", node.get("__module__"), node.get("__class__"), node.get("content"))
        if not isinstance(node["__id__"], int):
            raise self._broken("numbers an object with something other than a whole number")
        return node["__id__"]

    def _file(self, name: object) -> str:
        if not isinstance(name, str) or name not in self._available:
            raise self._broken(f"refers to a member that it does not hold: {str(name)[:80]!r}")
        suffix = Path(name).suffix
        return self.files.setdefault(name, f"{len(self.files) + 1}{suffix}")

    def _ordered(self, node: dict[str, Any]) -> dict[str, Any]:
        """The node, its items sorted where it is a set or what a frozenset is made from."""
        if node["__loader__"] == "SetNode" and isinstance(node.get("content"), list):
            return {**node, "content": sorted(node["content"], key=self._sort_key)}
        if node.get("__class__") == "frozenset" and node["__loader__"] == "ConstructorFromReduceNode":
            return {**node, "content": self._with_sorted_lists(node.get("content"))}
        return node

    def _with_sorted_lists(self, arguments: Any) -> Any:
        """A constructor's arguments, a TupleNode of ListNodes, with each list sorted."""
        if not isinstance(arguments, dict) or not isinstance(arguments.get("content"), list):
            return arguments
        lists = [
            {**item, "content": sorted(item["content"], key=self._sort_key)}
            if isinstance(item, dict) and isinstance(item.get("content"), list)
            else item
            for item in arguments["content"]
        ]
        return {**arguments, "content": lists}

    def _sort_key(self, value: Any) -> str:
        return json.dumps(self._anonymous(value), sort_keys=True)

    def _anonymous(self, value: Any) -> Any:
        """`value` without numbers of objects, and with the digest of a file's bytes in the place of its name."""
        if isinstance(value, list):
            return [self._anonymous(item) for item in value]
        if not isinstance(value, dict):
            return value
        node = self._ordered(value) if _is_node(value) else value
        return {
            key: self._digest(item) if key == "file" and _is_node(node) else self._anonymous(item)
            for key, item in node.items()
            if key != "__id__"
        }

    def _digest(self, name: object) -> str:
        if not isinstance(name, str) or name not in self._available:
            raise self._broken(f"refers to a member that it does not hold: {str(name)[:80]!r}")
        if name not in self._digests:
            with self._archive.open(name) as member:
                self._digests[name] = hashlib.file_digest(member, "sha256").hexdigest()  # type: ignore[arg-type]
        return self._digests[name]

    def _broken(self, what: str) -> BadInputError:
        return BadInputError(f"{self._path.name} {what}", solution="write the model with skops.io.dump")


def _without_address(attribute: str, value: Any) -> Any:
    if attribute in _ADDRESSES and isinstance(value, dict) and value.get("__loader__") == "JsonNode":
        return {**value, "content": _ADDRESSES[attribute]}
    return value


def _is_node(value: dict[str, Any]) -> bool:
    """Whether a JSON object describes a saved object; a saved dict's own keys lead to objects, never to text."""
    return isinstance(value.get("__loader__"), str)
