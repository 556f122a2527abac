"""Reads a YAML document into a typed model, and answers a mistake with file, line and the nearest known key."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from hallmark.errors import BadInputError

MAXIMUM_BYTES = 1 << 20

Loc = tuple[int | str, ...]


class Document(BaseModel):
    """Base of everything people write: camelCase keys as in Kubernetes, no unknown key, no silent conversion."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, alias_generator=to_camel, populate_by_name=False, allow_inf_nan=False
    )


M = TypeVar("M", bound=Document)


def load(path: Path, document: type[M], *, what: str) -> M:
    """The document in the file `path`.

    Args:
        what: what the document is to its author, for the errors, e.g. "the validators' policy".

    Raises:
        BadInputError: the file is missing, too large, no YAML, or does not fit `document`.
    """
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise BadInputError(f"{path} is larger than {MAXIMUM_BYTES} bytes", solution=f"is this really {what}?")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"cannot read {what}: {path}: {error.strerror}", solution=f"provide {what}") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not UTF-8 text", solution=f"write {what} as YAML") from error
    return parse(text, document, name=path.name)


def parse(text: str, document: type[M], *, name: str) -> M:
    """The document in `text`; `name` stands for the file in errors. Raises BadInputError as `load` does."""
    try:
        root = yaml.compose(text, Loader=_NoAliases)
    except yaml.YAMLError as error:
        raise BadInputError(f"{name} is not YAML: {_flat(error)}", solution="mend the YAML at that line") from error
    except RecursionError as error:
        raise BadInputError(f"{name} is nested too deeply", solution="write it as docs/schemas describes") from error
    if root is None:
        raise BadInputError(f"{name} is empty", solution="docs/schemas describes it, and samples/iris has an example")
    _refuse_duplicates(root, name)
    try:
        value = _NoAliases("").construct_document(root)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadInputError(
            f"{name} holds what is no plain value: {' '.join(str(error).split())}",
            solution="use plain YAML without tags",
        ) from error
    try:
        return document.model_validate_json(_json(value))
    except ValidationError as error:
        raise _explained(error, root, document, name) from error


class _NoAliases(yaml.SafeLoader):
    """Anchors are refused: a few lines of them can stand for gigabytes, and no author of these files needs them."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed here", event.start_mark)
        return super().compose_node(parent, index)


def _json(value: Any) -> str:
    return json.dumps(value, default=str)


def _flat(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())


def _refuse_duplicates(node: yaml.Node, name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise BadInputError(f"{name}:{key.start_mark.line + 1}: {key.value} stands twice", solution="keep one")
            seen.add(key.value)
            _refuse_duplicates(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, name)


def _explained(error: ValidationError, root: yaml.Node, document: type[Document], name: str) -> BadInputError:
    """All mistakes of a document, each as `file:line: where: what`, and what to do about the first."""
    lines, solutions = [], []
    mistakes = sorted(error.errors(include_url=False), key=lambda mistake: mistake["type"] != "extra_forbidden")
    for mistake in mistakes:
        loc = tuple(mistake["loc"])
        line = _line_of(root, loc)
        where = ".".join(map(str, loc)) or "the document"
        if mistake["type"] == "extra_forbidden":
            known = _known_keys(document, loc[:-1])
            near = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
            lines.append(f"{name}:{line}: unknown key {where}")
            solutions.append(f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}")
        elif mistake["type"] == "missing":
            lines.append(f"{name}:{line}: {where} is missing")
            solutions.append(f"add {where}")
        else:
            lines.append(f"{name}:{line}: {where}: {mistake['msg']}")
            solutions.append(f"correct {where}")
    return BadInputError("; ".join(lines), solution=solutions[0])


def _line_of(root: yaml.Node, loc: Sequence[int | str]) -> int:
    """The line (from 1) of the deepest node on the way to `loc` that exists."""
    node, line = root, root.start_mark.line
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(step)]
            if not found:
                break
            line, node = found[0][0].start_mark.line, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line
        else:
            break
    return line + 1


def _known_keys(document: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """The keys that the model at `loc` knows."""
    current: Any = document
    for step in loc:
        fields = getattr(current, "model_fields", {})
        match = [field.annotation for field in fields.values() if field.alias == step]
        if match:
            current = next((part for part in _parts(match[0]) if hasattr(part, "model_fields")), None)
    return [field.alias or name for name, field in getattr(current, "model_fields", {}).items()]


def _parts(annotation: Any) -> list[Any]:
    """A type and the types it is made of: `list[X] | None` gives X too."""
    found = [annotation]
    for inner in getattr(annotation, "__args__", ()):
        found.extend(_parts(inner))
    return found
