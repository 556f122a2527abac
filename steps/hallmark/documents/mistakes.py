"""What is wrong with a document, in the words of whoever wrote it: place, key, what stands there, and what may.

pydantic finds the mistakes; its own words are about Python's types and regular expressions, and never reach a user.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hallmark.errors import BadInputError
from hallmark.image_reference import BY_DIGEST
from hallmark.nearest import did_you_mean
from hallmark.platforms import NAME as PLATFORM

_SHOWN = 60
"""Characters of a wrong value that are shown."""
_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "dataclass_type": "keys with values",
    "none_required": "null",
}
_BOUNDS = {
    "greater_than": ("gt", "more than {}"),
    "greater_than_equal": ("ge", "at least {}"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "at most {}"),
    "string_too_short": ("min_length", "a text of at least {} characters"),
    "string_too_long": ("max_length", "a text of at most {} characters"),
    "too_short": ("min_length", "at least {} of them"),
    "too_long": ("max_length", "at most {} of them"),
}
PATTERNS = {
    r"^sha256:[0-9a-f]{64}$": "a digest: sha256: and 64 hexadecimal digits in lower case",
    BY_DIGEST: "an image by digest, such as registry.example.com/base@sha256:..., or sha256: and 64 hexadecimal digits",
    r"^[0-9a-f]{16}$": "the 16 hexadecimal digits that check-code's report gives",
    r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$": "at most 63 lower-case letters, digits, dots and hyphens, with a letter "
    "or digit first and last",
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$": "a semantic version such as 1.0.0",
    r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,79}$": "at most 80 letters, digits, spaces, dots, hyphens and underscores, with a "
    "letter or digit first",
    r"^/[A-Za-z0-9._~:/@%-]*$": "a URL's path, which begins with / and has no ? or #",
    r"^https?://[^\s/@]+/\S*$": "a URL such as https://lfs.example.com/path, without a user or password",
    r"^https?://[^\s/@]+/?$": "a server's URL such as https://minio.example.com, without a path, user or password",
    r"^https?://\S+$": "a URL such as https://example.com/builder",
    r"^https://\S+$": "a URL that begins with https://",
    r"^[a-z0-9-]+$": "lower-case letters, digits and hyphens, such as eu-central-1",
    r'^[^"\r\n\x00-\x08\x80-\U0010ffff]$': "a single character, such as , or ;",
    r"^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$": "a table's name, or schema.table",
    r"^B\d{3}$": "a rule of bandit, such as B101",
    r"^\S+$": "a text without blanks",
    r"^(/[^/]+)+$": "a path in the image from its root, such as /usr/bin/su",
    PLATFORM: "a platform such as linux/amd64 or linux/arm64/v8",
    r"^[a-z0-9.+-]+$": "a type of Package URL in lower case, such as npm or golang",
}
"""What a pattern of the documents asks for. A test holds that each has words."""


@dataclass(frozen=True, kw_only=True)
class _Mistake:
    at: str
    where: str
    what: str
    hint: str
    first: int
    """Unknown keys come first: what is missing is often what was misspelt."""


def explained(mistakes: Sequence[ErrorDetails], root: yaml.Node, document: type[BaseModel]) -> BadInputError:
    """All mistakes of a document, each as `file:line:column: what`, and for each what to do about it."""
    found = sorted(_grouped(mistakes, root, document), key=lambda mistake: mistake.first)
    lines = [f"{mistake.at}: {mistake.what}" for mistake in found]
    hints = [mistake.hint if len(found) == 1 else f"{mistake.where}: {mistake.hint}" for mistake in found]
    return BadInputError("; ".join(lines), solution="; ".join(hints))


def first_of(error: ValidationError) -> str:
    """The first mistake of what a program wrote, as `key: what`; values are not shown."""
    mistake = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, mistake["loc"])) or "the document"
    if mistake["type"] in ("missing", "missing_argument"):
        return f"{where} is missing"
    if mistake["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{where} is an unknown key"
    if mistake["type"] == "json_invalid":
        return "it is no JSON"
    said = _said(mistake)
    return f"{where}: {said}" if said else f"{where} must be {_allowed(mistake)}"


def deepest(root: yaml.Node, loc: Sequence[int | str]) -> tuple[Any, yaml.Node, tuple[int | str, ...]]:
    """Where `loc` leads: the mark of the deepest key or item on the way, its node, and the steps that exist.

    Steps that are none are pydantic's names for the kinds that a value may be of.
    """
    node, mark, steps = root, root.start_mark, []
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(step)]
            if found:
                mark, node = found[0][0].start_mark, found[0][1]
                steps.append(step)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            mark = node.start_mark
            steps.append(step)
    return mark, node, tuple(steps)


def place(mark: Any) -> str:
    """Where a YAML mark points: `file:line:column`, both from 1."""
    return f"{mark.name}:{mark.line + 1}:{mark.column + 1}"


def _grouped(mistakes: Sequence[ErrorDetails], root: yaml.Node, document: type[BaseModel]) -> list[_Mistake]:
    """One mistake for each place: where a value may be of several kinds, pydantic tells one for each kind."""
    by_path: dict[tuple[int | str, ...], list[ErrorDetails]] = {}
    for mistake in mistakes:
        path = deepest(root, mistake["loc"])[2]
        if mistake["type"] == "missing":
            path = (*path, mistake["loc"][-1])
        by_path.setdefault(path, []).append(mistake)
    return [
        _mistake(path, group, root, document)
        for path, group in by_path.items()
        if not any(_is_other_kind(group, path, other) for other in by_path)
    ]


def _is_other_kind(group: Sequence[ErrorDetails], path: Sequence[int | str], other: Sequence[int | str]) -> bool:
    """Whether it only says that a value is not of another kind than the one in which there is a mistake."""
    return (
        len(other) > len(path)
        and tuple(other[: len(path)]) == tuple(path)
        and all(mistake["type"] in _KINDS for mistake in group)
    )


def _mistake(
    path: Sequence[int | str], group: Sequence[ErrorDetails], root: yaml.Node, document: type[BaseModel]
) -> _Mistake:
    mistake, where = group[0], ".".join(map(str, path)) or "the document"
    at = place(deepest(root, mistake["loc"])[0])
    if mistake["type"] == "extra_forbidden":
        known = sorted(_known_keys(document, mistake["loc"][:-1]))
        hint = did_you_mean(str(path[-1]), known, f"known here: {', '.join(known)}")
        return _Mistake(at=at, where=where, what=f"unknown key {where}", hint=hint, first=0)
    if mistake["type"] == "missing":
        return _Mistake(at=at, where=where, what=f"{where} is missing", hint=f"add {where}", first=1)
    said = _said(mistake)
    if said:
        return _Mistake(at=at, where=where, what=f"{where}: {said}", hint=f"correct {where}", first=1)
    allowed = _either(list(dict.fromkeys(map(_allowed, group))))
    many = mistake["type"] in ("too_short", "too_long")
    return _Mistake(
        at=at,
        where=where,
        what=f"{where} is {_shown(mistake['input'])}, but must {'hold' if many else 'be'} {allowed}",
        hint=_hint(mistake, allowed),
        first=1,
    )


def _said(mistake: ErrorDetails) -> str:
    """What one of our own validators says; empty where pydantic found the mistake itself."""
    if mistake["type"] not in ("value_error", "assertion_error"):
        return ""
    return str(mistake.get("ctx", {}).get("error", "")) or mistake["msg"].partition(", ")[2]


def _allowed(mistake: ErrorDetails) -> str:
    """What may stand there, to be read after "must be"."""
    kind, context = mistake["type"], mistake.get("ctx", {})
    if kind in _KINDS:
        return _KINDS[kind]
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        limit = context.get(name)
        shown = words.format(f"{limit:.12g}" if isinstance(limit, float) else limit)
        return shown.replace("at least 1 characters", "at least one character")
    if kind in ("literal_error", "enum"):
        known = _words(context.get("expected", ""))
        return known[0] if len(known) == 1 else f"one of {', '.join(known)}"
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(str(context.get("pattern")), "written otherwise")
    if kind.startswith(("datetime", "timezone")):
        return "a time with its zone, such as 2026-01-31T12:00:00Z"
    if kind.startswith("date"):
        return "a date such as 2026-01-31"
    return re.sub(r"^Input should be ", "", mistake["msg"])


def _either(kinds: list[str]) -> str:
    """One of several kinds, in words."""
    named = [kind for kind in kinds if kind != "a whole number" or "a number" not in kinds]
    return " or ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)


def _hint(mistake: ErrorDetails, allowed: str) -> str:
    kind, given = mistake["type"], mistake["input"]
    if kind in ("literal_error", "enum"):
        return did_you_mean(str(given), _words(mistake.get("ctx", {}).get("expected", "")), f"write {allowed}")
    if kind == "string_type" and isinstance(given, (int, float)):
        return "put it in quotes: without them YAML reads a number, or true and false"
    if allowed in ("a number", "a whole number", "true or false") and isinstance(given, str):
        return f"write {allowed}, without quotes"
    return f"write {allowed}"


def _words(expected: str) -> list[str]:
    """The words of pydantic's `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']*)'", expected) or [expected]


def _shown(value: Any) -> str:
    """What stands there; of what may hold a password, not what."""
    if value is None:
        return "empty"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, dict):
        return "keys with values"
    text = json.dumps(value, default=str, ensure_ascii=False)
    if "@" in text:
        return "another text"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


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
