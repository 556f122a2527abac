"""One document that extends another, level by level: organisation, team, model. Each level may only tighten.

The levels are merged as YAML nodes, before anything is made of them, so that every value keeps the file and line it
came from. What a level does not name it inherits; what it names again is compared as the key's marker says
(`hallmark.documents.tighter`). What no level names has the document's default, which binds nobody: a level that wants
to bind the lower ones to a default has to name it.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from hallmark.documents.loading import Document, compose, plain, read, validate_part
from hallmark.documents.mistakes import place
from hallmark.documents.tighter import Tighter
from hallmark.errors import BadInputError
from hallmark.files import inside

EXTENDS = "extends"
MAXIMUM_LEVELS = 5


def load_levels(folder: Path, name: str, document: type[Document], *, what: str) -> list[yaml.MappingNode]:
    """The file `name` in `folder` and those that it extends, the highest level first.

    Raises:
        BadInputError: a file is missing or has a mistake, extends one outside the folder, itself, or too many.
    """
    levels: list[yaml.MappingNode] = []
    seen: list[Path] = []
    file = folder / name
    while True:
        root = compose(read(file, what=what), name=name)
        # A document of one file is checked as a whole by whoever reads it.
        above = _value_of(root, EXTENDS)
        if above is not None or levels:
            validate_part(root, document)
        if not isinstance(root, yaml.MappingNode):
            raise BadInputError(f"{place(root.start_mark)}: there are no keys here", solution=f"write {what}")
        levels.insert(0, root)
        seen.append(file.resolve())
        if above is None:
            return levels
        file = _extended(folder, file, above)
        name = file.relative_to(folder).as_posix()
        if file.resolve() in seen or len(levels) == MAXIMUM_LEVELS:
            fault = "extends itself" if file.resolve() in seen else f"is level {MAXIMUM_LEVELS + 1}"
            raise BadInputError(
                f"{place(above.start_mark)}: {name} {fault}", solution=f"have at most {MAXIMUM_LEVELS} levels in a row"
            )


def _extended(folder: Path, file: Path, above: yaml.Node) -> Path:
    """The file that `extends` names, seen from the file it stands in; never outside `folder`."""
    where = place(above.start_mark)
    relative = Path(str(plain(above)))
    parts: list[str] = []
    for part in () if relative.is_absolute() else (*file.relative_to(folder).parts[:-1], *relative.parts):
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            parts.clear()
            break
    if not parts:
        raise BadInputError(
            f"{where}: extends: {relative} leads out of the policy's folder",
            solution="put the higher levels into the policy's folder, which is pinned as a whole",
        )
    found = folder.joinpath(*parts)
    inside(folder, found)  # A link may lead out too.
    if not found.is_file():
        raise BadInputError(
            f"{where}: extends: there is no {Path(*parts)} in the policy's folder",
            solution="put it there, or correct it",
        )
    return found


def merge(levels: list[yaml.MappingNode], document: type[Document]) -> yaml.MappingNode:
    """The levels, the highest first, as one document.

    Raises:
        BadInputError: a level loosens what a higher one asks for; it names all such keys, with both places.
    """
    merged = levels[0]
    for level in levels[1:]:
        found = _Merged.of(merged, level, document)
        if found.faults:
            raise BadInputError(
                "; ".join(found.faults),
                solution="a lower level may only tighten: leave the key out to inherit it, or ask the higher level's "
                "owners to change theirs",
            )
        merged = found.node
    return merged


def marker_of(field: FieldInfo) -> Tighter | None:
    """How a field is marked; None where it is not."""
    return next((mark for mark in field.metadata if isinstance(mark, Tighter)), None)


def sections_of(annotation: Any) -> list[type[Document]]:
    """The documents that a value of this type may be: of `A`, `A | None` or `A | B`, not of `list[A]`."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return sections_of(typing.get_args(annotation)[0])
    if origin in (list, dict, tuple):
        return []
    if isinstance(annotation, type) and issubclass(annotation, Document):
        return [annotation]
    return [section for part in typing.get_args(annotation) for section in sections_of(part)]


@dataclass(frozen=True, kw_only=True)
class _Merged:
    """A merged mapping, and what the lower level must not say."""

    node: yaml.MappingNode
    faults: list[str]

    @classmethod
    def of(cls, high: yaml.MappingNode, low: yaml.MappingNode, *documents: type[Document], at: str = "") -> _Merged:
        fields = {field.alias or name: field for document in documents for name, field in document.model_fields.items()}
        return cls.by_key(high, low, lambda key: fields.get(key), at)

    @classmethod
    def by_key(
        cls, high: yaml.MappingNode, low: yaml.MappingNode, field_of: Callable[[str], FieldInfo | None], at: str
    ) -> _Merged:
        below = {key.value: (key, value) for key, value in low.value}
        entries, faults = [], []
        for key, value in high.value:
            name = key.value
            if name == EXTENDS and not at:
                continue
            if name not in below:
                entries.append((key, value))
                continue
            lower_key, lower = below.pop(name)
            field = field_of(name)
            found = _entry(value, lower, field, f"{at}{name}") if field is not None else (lower, [])
            entries.append((lower_key, found[0]))
            faults += found[1]
        entries += below.values()
        node = yaml.MappingNode(low.tag, entries, low.start_mark, low.end_mark)
        return cls(node=node, faults=faults)


def _entry(high: yaml.Node, low: yaml.Node, field: FieldInfo, path: str) -> tuple[yaml.Node, list[str]]:
    """What both levels together say about one key."""
    marker = marker_of(field)
    sections = [] if marker is Tighter.FREE else sections_of(field.annotation)
    if isinstance(high, yaml.MappingNode) and isinstance(low, yaml.MappingNode):
        if sections:
            found = _Merged.of(high, low, *sections, at=f"{path}.")
            return found.node, found.faults
        if marker is Tighter.EACH:
            inner = FieldInfo.from_annotation(typing.get_args(field.annotation)[1])
            found = _Merged.by_key(high, low, lambda _: inner, f"{path}.")
            return found.node, found.faults
    asked = _asked(marker, plain(high), plain(low), field)
    if asked is None:
        return low, []
    return low, [
        f"{place(low.start_mark)}: {path} is {_shown(plain(low))}, but {place(high.start_mark)} asks for {asked}"
    ]


def _asked(marker: Tighter | None, high: Any, low: Any, field: FieldInfo) -> str | None:
    """What the higher level asks for, where the lower one's value is looser than that; None where it is not."""
    limit, same = _shown(high), _same(high, low)
    if same or marker is Tighter.FREE:
        return None
    if marker in (Tighter.HIGHER, Tighter.LOWER):
        wanted = f"at {'least' if marker is Tighter.HIGHER else 'most'} {limit}"
        tight = high is None or (low is not None and (low >= high if marker is Tighter.HIGHER else low <= high))
    elif marker is Tighter.EARLIER:
        order = list(_values(field.annotation))
        wanted = " or ".join(map(str, order[: order.index(high) + 1])) if high in order else limit
        tight = high in order and low in order and order.index(low) <= order.index(high)
    elif marker in (Tighter.ON, Tighter.OFF):
        wanted, tight = limit, low is (marker is Tighter.ON)
    elif marker in (Tighter.FEWER, Tighter.FEWER_OF_ALL):
        everything = marker is Tighter.FEWER_OF_ALL
        wanted = f"nothing beyond {limit}"
        tight = (everything and not high) or (_all_in(low, high) and not (everything and not low))
    elif marker in (Tighter.MORE, Tighter.EACH):
        wanted, tight = f"all of {limit}", _all_in(high, low) if isinstance(high, list) else not high
    else:
        # A section that the higher level switches off with null asks for nothing; a fixed null is a value.
        wanted, tight = (
            f"{limit}, which no lower level may change",
            high is None and bool(sections_of(field.annotation)),
        )
    return None if tight else wanted


def _values(annotation: Any) -> Iterator[Any]:
    """The values of the Literals that a type is made of, in their order."""
    if typing.get_origin(annotation) is typing.Literal:
        yield from typing.get_args(annotation)
        return
    for part in typing.get_args(annotation):
        yield from _values(part)


def _all_in(few: Any, many: Any) -> bool:
    known = {_key(item) for item in many or []}
    return all(_key(item) in known for item in few or [])


def _same(one: Any, other: Any) -> bool:
    return _key(one) == _key(other)


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _shown(value: Any) -> str:
    return "null" if value is None else json.dumps(value, default=str)[:200]


def _value_of(root: yaml.Node, name: str) -> yaml.Node | None:
    if not isinstance(root, yaml.MappingNode):
        return None
    return next((value for key, value in root.value if key.value == name and plain(value) is not None), None)
