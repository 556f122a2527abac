"""YAML documents as trees whose every node knows its line, so that an error can name the place.

Scalars are read as Kubernetes reads them (go-yaml's YAML 1.1: `yes` is true, a date stays a string, `1:30` is no
number). Duplicate keys are errors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tkn_solo.errors import InputError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTRUCTOR = yaml.constructor.SafeConstructor()
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_OCTAL = re.compile(r"0[oO][0-7]+")
_LARGEST = 2**64
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Tree:
    """One YAML node: a scalar, a list of trees, or a dict of trees, with file name and line (from 1)."""

    value: str | int | float | bool | list[Tree] | dict[str, Tree] | None
    file: str
    line: int

    def data(self) -> Any:
        """The plain Python data below this node."""
        if isinstance(self.value, list):
            return [item.data() for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.data() for key, item in self.value.items()}
        return self.value

    def kind(self) -> str:
        """The JSON type name, for messages."""
        if self.value is None:
            return "null"
        if isinstance(self.value, bool):
            return "boolean"
        if isinstance(self.value, int | float):
            return "number"
        return {str: "string", list: "list", dict: "map"}[type(self.value)]


def documents(text: str, file: str) -> Iterator[Tree]:
    """The non-empty documents of a YAML stream; raises InputError with the line where it is not YAML."""
    try:
        for node in yaml.compose_all(text, Loader=_LOADER):
            if node is not None:
                tree = _tree(node, file)
                if tree.value is not None:
                    yield tree
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        raise InputError(f"not valid YAML: {error.problem or error.context}", where=where) from None
    except yaml.YAMLError as error:
        raise InputError(f"not valid YAML: {error}", where=file) from None
    except RecursionError:
        raise InputError("the YAML is nested too deeply or refers to itself", where=file) from None


def _tree(node: Any, file: str) -> Tree:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return Tree(_scalar(node, file, line), file, line)
    if isinstance(node, yaml.SequenceNode):
        return Tree([_tree(item, file) for item in node.value], file, line)
    merged: dict[str, Tree] = {}
    entries: dict[str, Tree] = {}
    for key_node, value_node in node.value:
        if key_node.tag == _TAG + "merge":
            for source in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
                below = _tree(source, file).value
                if not isinstance(below, dict):
                    raise InputError("'<<' needs a map", where=f"{file}:{line}")
                merged = {**below, **merged}
            continue
        if not isinstance(key_node, yaml.ScalarNode):
            raise InputError("a key has to be a string", where=f"{file}:{key_node.start_mark.line + 1}")
        if key_node.value in entries:
            where = f"{file}:{key_node.start_mark.line + 1}"
            raise InputError(f"the key {key_node.value!r} stands here twice", where=where)
        entries[key_node.value] = _tree(value_node, file)
    return Tree({**merged, **entries}, file, line)


def _scalar(node: Any, file: str, line: int) -> str | int | float | bool | None:
    text, tag = str(node.value), str(node.tag).removeprefix(_TAG)
    if tag == "str":
        return _plain_string(text) if not node.style else text
    if tag in ("timestamp", "merge") or (":" in text and tag in ("int", "float")):
        return text
    if tag not in ("int", "float", "bool", "null"):
        raise InputError(f"the YAML tag !!{tag} is not used in Tekton files", where=f"{file}:{line}")
    try:
        value = _CONSTRUCTOR.construct_object(node)
    except ValueError:
        return text
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{text} is no number that JSON knows; put quotes around it", where=f"{file}:{line}")
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return float(value)
    return value if isinstance(value, int | float | bool) else None


def _plain_string(text: str) -> str | int | float | bool:
    """What PyYAML takes for a string without quotes, and go-yaml does not."""
    if text in ("y", "Y", "n", "N"):
        return text in ("y", "Y")
    if _OCTAL.fullmatch(text):
        return int(text, 8)
    return float(text) if _FLOAT.fullmatch(text) else text
