"""Reads or sets the digest of one image in the text of a kustomization, and changes nothing else.

The YAML is only read to find the characters of that one value; all others are kept as they stand, comments and line
ends included. What came out is then read again and compared, so that an odd form is refused and never spoilt.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NoReturn

from ruamel.yaml import YAML, MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.error import YAMLError

from hallmark.errors import BadInputError
from hallmark.files import DIGEST

MAXIMUM_CHARACTERS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Edited:
    """The digest that stood there (None: no digest), and the whole text with the new one."""

    before: str | None
    text: str


NO_IMAGE = f"sha256:{'0' * 64}"
"""What may stand in place of a digest until the first delivery."""


def digest_of(text: str, *, name: str, repository: str) -> str | None:
    """`images[name].digest`, None where it is missing or `NO_IMAGE`; `set_digest` has the arguments.

    Raises:
        BadInputError: no YAML, not exactly one such entry, another repository, what stands there is no digest, or there
            is none but a tag: then something runs, and nobody can tell what.
    """
    document = _load(text)
    entry = document["images"][_entry(document, name, repository, NO_IMAGE)]
    found, tag = entry.get("digest"), entry.get("newTag")
    if found is None and tag is not None:
        raise BadInputError(
            f"images[{name}] in the kustomization names the tag {tag} and no digest: nobody can tell which image runs",
            solution="write the digest of what runs; where nothing runs yet, take newTag away",
        )
    if found is None or found == NO_IMAGE:
        return None
    if not isinstance(found, str) or not DIGEST.fullmatch(found):
        raise BadInputError(
            f"images[{name}].digest in the kustomization is no digest",
            solution="write `sha256:` and 64 hexadecimal digits, or leave it out until the first delivery",
        )
    return found


def set_digest(text: str, *, name: str, repository: str, digest: str) -> Edited:
    """`text` with `images[name].digest` set to `digest`.

    Args:
        name: the `name` of the entry in `images`.
        repository: what its `newName` has to be; it is checked and never changed.

    Raises:
        BadInputError: no YAML, not exactly one such entry, another repository, or a form that cannot be edited.
    """
    before = _load(text)
    index = _entry(before, name, repository, digest)
    entry = before["images"][index]
    found = entry.get("digest")
    if found == digest:
        return Edited(before=digest, text=text)
    edited = _edit(text, index, digest)
    expected = copy.deepcopy(before)
    expected["images"][index]["digest"] = digest
    shared = _references(before, before["images"]) > 1 or _references(before, entry) > 1
    if shared or edited is None or _load_edited(edited) != expected:
        raise BadInputError(
            f"images[{name}].digest is written in a form that cannot be changed without changing something else",
            solution="write it as a plain value on a line of its own, without anchor or alias",
        )
    return Edited(before=None if found is None else str(found), text=edited)


def _load(text: str) -> Any:
    if len(text) > MAXIMUM_CHARACTERS:
        raise BadInputError("the kustomization is larger than 1 MiB", solution="is the path right?")
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise BadInputError(
            f"the kustomization is not YAML: {' '.join(str(error).split())[:300]}", solution="mend it at that line"
        ) from error


def _load_edited(text: str) -> Any:
    """The edited text as data; None, which equals no kustomization, where the edit has broken it."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return None


def _entry(document: Any, name: str, repository: str, digest: str) -> int:
    """The index of the one entry for `name`, which must already point to `repository`."""
    images = document.get("images") if isinstance(document, dict) else None
    entries = images if isinstance(images, list) else []
    found = [index for index, entry in enumerate(entries) if isinstance(entry, dict) and entry.get("name") == name]
    if not found:
        _refuse(f"the kustomization has no entry for the image {name}", name, repository, digest)
    if len(found) > 1:
        _refuse(f"the kustomization has {len(found)} entries for the image {name}", name, repository, digest)
    new_name = entries[found[0]].get("newName")
    if new_name != repository:
        stands = "has no newName" if new_name is None else f"has newName {new_name}"
        _refuse(f"the entry for {name} {stands}, but images are released to {repository}", name, repository, digest)
    return found[0]


def _refuse(message: str, name: str, repository: str, digest: str) -> NoReturn:
    raise BadInputError(
        message,
        solution=f"write under `images:` once: {{name: {name}, newName: {repository}, digest: {digest}}}",
    )


def _edit(text: str, index: int, digest: str) -> str | None:
    """`text` with the characters of the value replaced or inserted; None where there is no place for them."""
    entry = _value(YAML(pure=True).compose(text), "images")
    entry = entry.value[index] if isinstance(entry, SequenceNode) else None
    if not isinstance(entry, MappingNode):
        return None
    node = _value(entry, "digest")
    if node is None:
        return _insert(text, entry, digest)
    if not isinstance(node, ScalarNode) or node.style in ("|", ">"):
        return None
    start, end = node.start_mark.index, node.end_mark.index
    if start == end:
        return _fill(text, entry, digest)
    quote = text[start] if text[start] in "'\"" else ""
    return f"{text[:start]}{quote}{digest}{quote}{text[end:]}"


def _fill(text: str, entry: MappingNode, digest: str) -> str | None:
    """`text` with the value written after a `digest:` that has none."""
    colon = next(key.end_mark.index for key, _ in entry.value if key.value == "digest")
    return f"{text[: colon + 1]} {digest}{text[colon + 1 :]}" if text[colon] == ":" else None


def _insert(text: str, entry: MappingNode, digest: str) -> str | None:
    """`text` with a new key `digest` right after the key `newName`."""
    key = next(key for key, _ in entry.value if key.value == "newName")
    end = _value(entry, "newName").end_mark.index
    if entry.flow_style:
        return f"{text[:end]}, digest: {digest}{text[end:]}"
    line_end = text.find("\n", end)
    if line_end < 0:
        return f"{text}\n{' ' * key.start_mark.column}digest: {digest}"
    newline = "\r\n" if text[line_end - 1] == "\r" else "\n"
    return f"{text[: line_end + 1]}{' ' * key.start_mark.column}digest: {digest}{newline}{text[line_end + 1 :]}"


def _references(root: Any, target: Any) -> int:
    """How often the object `target` stands in `root`: more than once where an alias leads to it."""
    count, seen, waiting = 0, set[int](), [root]
    while waiting:
        current = waiting.pop()
        count += current is target
        if id(current) not in seen:
            seen.add(id(current))
            waiting += current.values() if isinstance(current, dict) else current if isinstance(current, list) else []
    return count


def _value(node: Any, name: str) -> Any:
    """The value node of a key in a mapping node, None where it has none."""
    if not isinstance(node, MappingNode):
        return None
    return next((value for key, value in node.value if key.value == name), None)
