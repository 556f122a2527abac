"""Replacing variables in text and in model objects, in one pass (upstream pkg/substitution).

A variable that has no replacement stays as it is: `$(date)` in a script is the shell's.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tkn_solo.values import Value

T = TypeVar("T")
_REFERENCE = re.compile(r"\$\(([^()]*)\)")
_WHOLE = re.compile(r"\$\(([^()$]+?)(\[\*\])?\)")
# In a parameter's value upstream sees a whole array or object only without quotes.
_WHOLE_VALUE = re.compile(r"\$\(([_a-zA-Z0-9.-]+)(\[\*\])?\)")


@dataclass(frozen=True)
class Replacements:
    """What the names between `$(` and `)` stand for: strings, whole arrays, whole objects."""

    strings: Mapping[str, str] = field(default_factory=dict)
    arrays: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    objects: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __or__(self, other: Replacements) -> Replacements:
        """Both together; `other` wins."""
        return Replacements(
            {**self.strings, **other.strings}, {**self.arrays, **other.arrays}, {**self.objects, **other.objects}
        )

    def without(self, names: set[str]) -> Replacements:
        """All but the parameters called so, in every spelling."""

        def kept(entries: Mapping[str, Any]) -> dict[str, Any]:
            return {key: value for key, value in entries.items() if parameter_of(key) not in names}

        return Replacements(kept(self.strings), kept(self.arrays), kept(self.objects))


_PARAMETER = re.compile(r"params(?:\.([^.\[]+)|\[\"([^\"]+)\"\]|\['([^']+)'\])")


def parameter_of(variable: str) -> str | None:
    """The parameter that a variable such as `params.a[0]` or `params["a.b"]` names, or None."""
    match = _PARAMETER.match(variable)
    return next(part for part in match.groups() if part is not None) if match else None


def replace_text(text: str, replacements: Replacements) -> str:
    """`text` with every known `$(name)` replaced once; replaced values are not looked at again."""
    if "$(" not in text:
        return text
    return _REFERENCE.sub(lambda match: replacements.strings.get(match[1], match[0]), text)


def replace_item(text: str, replacements: Replacements) -> tuple[str, ...]:
    """One list element: a whole reference to an array becomes its elements, anything else one string."""
    match = _WHOLE.fullmatch(text)
    if match and match[1] in replacements.arrays:
        return replacements.arrays[match[1]]
    return (replace_text(text, replacements),)


def replace_list(items: tuple[str, ...], replacements: Replacements) -> tuple[str, ...]:
    """A list in which references to whole arrays expand; an empty array removes the element."""
    return tuple(part for item in items for part in replace_item(item, replacements))


def replace_value(value: Value, replacements: Replacements) -> Value:
    """A parameter's value; a string that is one whole array or object reference changes its type."""
    if isinstance(value, tuple):
        return replace_list(value, replacements)
    if not isinstance(value, str):
        return {key: replace_text(item, replacements) for key, item in value.items()}
    if match := _WHOLE_VALUE.fullmatch(value):
        if match[1] in replacements.arrays:
            return replacements.arrays[match[1]]
        if match[1] in replacements.objects:
            return dict(replacements.objects[match[1]])
    return replace_text(value, replacements)


def _class(obj: object) -> Any:
    return type(obj)


@functools.cache
def _walked(cls: Any) -> tuple[tuple[str, bool], ...]:
    """Names of the fields that may hold variables (True) or objects with such fields (False)."""
    return tuple(
        (field.name, bool(field.metadata.get("variables")))
        for field in dataclasses.fields(cls)
        if field.metadata.get("variables") or not field.metadata
    )


def replace(obj: T, replacements: Replacements) -> T:
    """A model object with the variables replaced in all fields marked with `model.var`."""
    changes: dict[str, Any] = {}
    for name, holds_variables in _walked(_class(obj)):
        old = getattr(obj, name)
        if not old:
            continue
        if holds_variables:
            new: Any = replace_value(old, replacements)
        elif isinstance(old, tuple):
            new = tuple(replace(item, replacements) if dataclasses.is_dataclass(item) else item for item in old)
        elif dataclasses.is_dataclass(old) and type(old).__name__ != "EmbeddedTask":
            new = replace(old, replacements)
        else:
            continue
        if new != old:
            changes[name] = new
    return dataclasses.replace(obj, **changes) if changes else obj  # type: ignore[type-var]


def texts(obj: Any, path: str = "") -> Iterator[tuple[str, str, bool]]:
    """Every text with possible variables in a model object: (path, text, may it hold a whole array)."""
    for name, holds_variables in _walked(_class(obj)):
        value, below = getattr(obj, name), f"{path}.{name}" if path else name
        if not value:
            continue
        if holds_variables:
            yield from _value_texts(value, below)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if dataclasses.is_dataclass(item):
                    yield from texts(item, f"{below}[{index}]")
        elif dataclasses.is_dataclass(value) and type(value).__name__ != "EmbeddedTask":
            yield from texts(value, below)


def _value_texts(value: Value, path: str) -> Iterator[tuple[str, str, bool]]:
    if isinstance(value, str):
        # A parameter's value and a list element may be a whole array; a plain string field may not.
        yield path, value, path.endswith(".value") and "params[" in path
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item, True
    else:
        for key, item in value.items():
            yield f"{path}.{key}", item, False


def references(text: str) -> Iterator[str]:
    """The names between `$(` and `)` in a text."""
    for match in _REFERENCE.finditer(text):
        yield match[1]
