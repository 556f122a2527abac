"""Reads a YAML document into a typed model, and answers a mistake with file, line, column and the nearest known key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from hallmark.documents.mistakes import deepest, explained, place
from hallmark.errors import BadInputError

MAXIMUM_BYTES = 1 << 20


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
    return parse(read(path, what=what), document, name=path.name)


def read(path: Path, *, what: str) -> str:
    """The text of a document's file. Raises BadInputError where it is missing, too large, or no text."""
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise BadInputError(f"{path} is larger than {MAXIMUM_BYTES} bytes", solution=f"is this really {what}?")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"cannot read {what}: {path}: {error.strerror}", solution=f"provide {what}") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not UTF-8 text", solution=f"write {what} as YAML") from error


def parse(text: str, document: type[M], *, name: str) -> M:
    """The document in `text`; `name` stands for the file in errors. Raises BadInputError as `load` does."""
    return validate(compose(text, name=name), document)


def compose(text: str, *, name: str) -> yaml.Node:
    """The YAML in `text` as nodes, each of which knows its place in the file `name`.

    Raises:
        BadInputError: it is no YAML, empty, or has what could be read in two ways: aliases, merged or repeated keys.
    """
    loader = _NoAliases(text)
    loader.name = name
    try:
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = place(mark) if mark else name
        said = " ".join(filter(None, (error.context, error.problem)))
        raise BadInputError(f"{where}: this is not YAML: {said}", solution="mend the YAML at that line") from error
    except yaml.YAMLError as error:
        raise BadInputError(f"{name} is not YAML: {_flat(error)}", solution="mend the YAML at that line") from error
    except RecursionError as error:
        raise BadInputError(f"{name} is nested too deeply", solution="write it as docs/schemas describes") from error
    finally:
        loader.dispose()
    if root is None:
        raise BadInputError(f"{name} is empty", solution="docs/schemas describes it, and samples/iris has an example")
    _refuse_ambiguous(root)
    return root


def plain(node: yaml.Node) -> Any:
    """The value of a node. Raises BadInputError where it is no plain value."""
    try:
        return _NoAliases("").construct_document(node)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadInputError(
            f"{node.start_mark.name} holds what is no plain value: {_flat(error)}",
            solution="use plain YAML without tags",
        ) from error


def validate(root: yaml.Node, document: type[M]) -> M:
    """The document that nodes make. Raises BadInputError with the place of every mistake."""
    try:
        return document.model_validate_json(_json(plain(root)))
    except ValidationError as error:
        raise explained(error.errors(include_url=False), root, document) from error


def validate_part(root: yaml.Node, document: type[Document]) -> None:
    """Check what is there, where the rest may stand in another file.

    What is missing, and what only a whole document can be right or wrong about, does not count as a mistake.

    Raises:
        BadInputError: an unknown key, or a value of the wrong kind.
    """
    try:
        document.model_validate_json(_json(plain(root)))
    except ValidationError as error:
        mistakes = [mistake for mistake in error.errors(include_url=False) if not _of_the_whole(mistake, root)]
        if mistakes:
            raise explained(mistakes, root, document) from error


class _NoAliases(yaml.SafeLoader):
    """Anchors are refused: a few lines of them can stand for gigabytes, and no author of these files needs them."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed here", event.start_mark)
        return super().compose_node(parent, index)


def _json(value: Any) -> str:
    return json.dumps(value, default=str)


def _flat(error: Exception) -> str:
    return " ".join(str(error).split())


def _refuse_ambiguous(node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            where = place(key.start_mark)
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise BadInputError(f"{where}: this key is no plain text", solution="write `key: value`")
            if key.value in seen:
                raise BadInputError(f"{where}: {key.value} stands twice", solution="keep one")
            seen.add(key.value)
            _refuse_ambiguous(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_ambiguous(item)


def _of_the_whole(mistake: ErrorDetails, root: yaml.Node) -> bool:
    """Whether it is no mistake in a part: a missing key, or what a validator says of several keys together."""
    return mistake["type"] == "missing" or (
        mistake["type"] == "value_error" and isinstance(deepest(root, mistake["loc"])[1], yaml.MappingNode)
    )
