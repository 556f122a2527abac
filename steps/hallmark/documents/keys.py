"""Every key of a document as a table: its value, where it was given or that it is a default, and what it means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel

from hallmark.documents.inheritance import marker_of
from hallmark.documents.loading import Document
from hallmark.documents.mistakes import place

SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key that has a value of its own; of a section, its keys."""

    name: str
    """With dots: `model.minimumRows`."""
    value: str
    """As JSON, shortened."""
    place: str
    """`file:line:column`; empty for a default."""
    description: str
    lower_levels: str
    """What a policy that extends this one may make of it."""


def keys_of(document: Document, root: yaml.Node) -> list[Key]:
    """The keys of `document` in the order of its declaration; `root` are the nodes that it was made of."""
    return list(_keys(document, root, ""))


def _keys(document: BaseModel, node: yaml.Node | None, at: str) -> Iterator[Key]:
    given = {key.value: (key, value) for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}
    for name, field in type(document).model_fields.items():
        key, value = field.alias or name, getattr(document, name)
        entry = given.get(key)
        if isinstance(value, BaseModel):
            yield from _keys(value, entry[1] if entry else None, f"{at}{key}.")
            continue
        marker = marker_of(field)
        yield Key(
            name=f"{at}{key}",
            value=_shown(value),
            place=place(entry[0].start_mark) if entry else "",
            description=field.description or "",
            lower_levels=marker.value if marker else "",
        )


def _shown(value: Any) -> str:
    text = json.dumps(_plain(value), ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
