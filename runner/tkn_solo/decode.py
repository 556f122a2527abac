"""YAML trees to the dataclasses of `model`, strictly: an unknown or unsupported field is an error.

Field names are the camelCase of the Python names. A field's metadata may hold `unsupported`, the reason why the
field is known to Tekton but refused here.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tkn_solo.errors import InputError
from tkn_solo.values import Value, value_from_data, value_to_data
from tkn_solo.yamltree import Tree

T = TypeVar("T")
Decoder = Callable[[Tree, str], Any]


def yaml_name(python_name: str) -> str:
    """`run_after` is `runAfter`, `finally_` is `finally`."""
    head, *rest = python_name.rstrip("_").split("_")
    return head + "".join(part.capitalize() for part in rest)


def decode(cls: type[T], tree: Tree, path: str) -> T:
    """The dataclass `cls` from the map `tree`; `path` is its YAML path, for messages."""
    decoder: Any = _dataclass_decoder
    result: T = decoder(cls)(tree, path)
    return result


def encode(obj: Any) -> Any:
    """Plain YAML data of a model object: camelCase keys, empty fields left out."""
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        data = {}
        for field in dataclasses.fields(obj):
            value = getattr(obj, field.name)
            if not _is_empty(field, value):
                data[yaml_name(field.name)] = encode(value)
        return data
    if isinstance(obj, tuple | list):
        return [encode(item) for item in obj]
    if isinstance(obj, Mapping):
        return {key: encode(item) for key, item in obj.items()}
    return value_to_data(obj) if isinstance(obj, str) else obj


def _is_empty(field: dataclasses.Field[Any], value: Any) -> bool:
    """The field says nothing: it has its default. A required field, and `emptyDir: {}`, always say something."""
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return field.default is not dataclasses.MISSING and value == field.default


def where(tree: Tree, path: str) -> str:
    """`file:line: path`, the place of a node."""
    return f"{tree.file}:{tree.line}: {path}" if path else f"{tree.file}:{tree.line}"


def _wrong(tree: Tree, path: str, wanted: str, solution: str = "") -> InputError:
    return InputError(f"expected {wanted}, found a {tree.kind()}", where=where(tree, path), solution=solution)


def _string(tree: Tree, path: str) -> str:
    if isinstance(tree.value, str):
        return tree.value
    if tree.value is None:
        return ""
    raise _wrong(tree, path, "a string", "Put quotes around it." if not isinstance(tree.value, list | dict) else "")


def _integer(tree: Tree, path: str) -> int:
    if isinstance(tree.value, int) and not isinstance(tree.value, bool):
        return tree.value
    raise _wrong(tree, path, "a whole number")


def _boolean(tree: Tree, path: str) -> bool:
    if isinstance(tree.value, bool):
        return tree.value
    raise _wrong(tree, path, "true or false")


def _value(tree: Tree, path: str) -> Value:
    return value_from_data(tree.data())


def _json(tree: Tree, path: str) -> Any:
    return tree.data()


def _list_decoder(item: Decoder) -> Decoder:
    def run(tree: Tree, path: str) -> tuple[Any, ...]:
        if tree.value is None:
            return ()
        if not isinstance(tree.value, list):
            raise _wrong(tree, path, "a list")
        return tuple(item(entry, f"{path}[{index}]") for index, entry in enumerate(tree.value))

    return run


def _map_decoder(item: Decoder) -> Decoder:
    def run(tree: Tree, path: str) -> dict[str, Any]:
        if tree.value is None:
            return {}
        if not isinstance(tree.value, dict):
            raise _wrong(tree, path, "a map")
        return {key: item(entry, f"{path}.{key}") for key, entry in tree.value.items()}

    return run


@functools.cache
def _decoder(hint: Any) -> Decoder:
    if hint is Any:
        return _json
    if hint == Value:
        return _value
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        inner = [arg for arg in args if arg is not type(None)]
        return _value if len(inner) > 1 else _decoder(inner[0])
    if origin is tuple:
        return _list_decoder(_decoder(args[0]))
    if origin is not None and issubclass(origin, Mapping):
        return _map_decoder(_decoder(args[1]))
    if hint in (str, int, bool):
        return {str: _string, int: _integer, bool: _boolean}[hint]
    return _dataclass_decoder(hint)


@functools.cache
def _dataclass_decoder(cls: Any) -> Decoder:
    # The decoders of the fields are made at the first use: a class may contain itself.
    @functools.cache
    def fields() -> dict[str, tuple[str, Decoder, str]]:
        hints = typing.get_type_hints(cls)
        return {
            yaml_name(field.name): (field.name, _decoder(hints[field.name]), field.metadata.get("unsupported", ""))
            for field in dataclasses.fields(cls)
        }

    required = {
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def run(tree: Tree, path: str) -> Any:
        if not isinstance(tree.value, dict):
            raise _wrong(tree, path, "a map")
        known, given = fields(), {}
        for key, entry in tree.value.items():
            below = f"{path}.{key}" if path else key
            if key not in known:
                raise InputError(
                    f"unknown field {key!r}",
                    where=where(entry, below),
                    solution=nearest(key, known, "Fields known here"),
                )
            name, decoder, unsupported = known[key]
            if unsupported and entry.value not in (None, False, "", [], {}):
                raise InputError(f"{key!r} is not supported: {unsupported}", where=where(entry, below))
            if entry.value is not None or decoder is _json:
                given[name] = decoder(entry, below)
        if missing := sorted(required - given.keys()):
            raise InputError(f"missing field {yaml_name(missing[0])!r}", where=where(tree, path))
        return cls(**given)

    return run


def nearest(name: str, known: typing.Iterable[str], label: str) -> str:
    """A hint that names the nearest known word, or all of them."""
    words = sorted(known)
    close = difflib.get_close_matches(name, words, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"{label}: {', '.join(words) or 'none'}."
