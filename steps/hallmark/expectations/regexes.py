"""Python's regular expressions, which a suite is written in, as polars evaluates them.

polars' engine is Rust's `regex`, which agrees with Python on most of the syntax but not on `$`, `\\s`, `\\w` and what
stands unescaped in a class. So a pattern is parsed by Python and written anew from the parse; what Rust cannot do
(look-around, back-references, flags, word boundaries as Python knows them) is matched by Python, value by value.
"""

from __future__ import annotations

import importlib
import re
import warnings
from typing import Any

import polars as pl

_PARSER: Any = importlib.import_module("re._parser")
_LARGEST_REPEAT = 1000
"""Above, Rust's compiled pattern may be too large."""
_SPACE = r"\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
"""str.isspace."""
_CATEGORIES = {
    "CATEGORY_DIGIT": r"\p{Nd}",
    "CATEGORY_NOT_DIGIT": r"\P{Nd}",
    "CATEGORY_SPACE": _SPACE,
    "CATEGORY_NOT_SPACE": f"[^{_SPACE}]",
    "CATEGORY_WORD": r"\p{L}\p{N}_",
    "CATEGORY_NOT_WORD": r"[^\p{L}\p{N}_]",
}


class _NotInRust(Exception):  # noqa: N818
    pass


def contains(text: pl.Expr, pattern: str) -> pl.Expr:
    """Whether `re.search(pattern, value)` finds something; null where the text is.

    Raises:
        re.error: the pattern is none.
    """
    try:
        # Python warns of `[[`, which is to mean something else one day.
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            compiled = re.compile(pattern)
            written = _in_rust(pattern)
        return text.str.contains(written)
    except _NotInRust:
        return text.map_batches(
            lambda values: pl.Series(
                [None if value is None else compiled.search(value) is not None for value in values], dtype=pl.Boolean
            ),
            return_dtype=pl.Boolean,
            is_elementwise=True,
        )


def _in_rust(pattern: str) -> str:
    parsed = _PARSER.parse(pattern)
    if parsed.state.flags != re.UNICODE:
        raise _NotInRust("flags")
    nodes = list(parsed)
    end = ""
    if nodes and str(nodes[-1][0]) == "AT" and str(nodes[-1][1]) == "AT_END":
        # Python's `$` also matches before a newline at the end; a search may as well consume it.
        nodes, end = nodes[:-1], r"\n?\z"
    return "".join(_node(*node) for node in nodes) + end


def _node(kind: Any, value: Any) -> str:
    match str(kind):
        case "LITERAL":
            return _character(value)
        case "NOT_LITERAL":
            return f"[^{_character(value)}]"
        case "ANY":
            return r"[^\n]"
        case "IN":
            return _class(value)
        case "AT":
            return _anchor(str(value))
        case "BRANCH":
            return "(?:" + "|".join(_sequence(branch) for branch in value[1]) + ")"
        case "SUBPATTERN" if not value[1] and not value[2]:
            return f"(?:{_sequence(value[3])})"
        case "MAX_REPEAT" | "MIN_REPEAT":
            return _repeat(*value, lazy=str(kind) == "MIN_REPEAT")
    raise _NotInRust(str(kind))


def _sequence(nodes: Any) -> str:
    return "".join(_node(*node) for node in nodes)


def _repeat(least: int, most: Any, nodes: Any, *, lazy: bool) -> str:
    endless = str(most) == "MAXREPEAT"
    if least > _LARGEST_REPEAT or (not endless and int(most) > _LARGEST_REPEAT):
        raise _NotInRust("a repeat that large")
    times = f"{{{least},}}" if endless else f"{{{least},{int(most)}}}"
    return f"(?:{_sequence(nodes)}){times}{'?' if lazy else ''}"


def _anchor(name: str) -> str:
    if name in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
        return r"\A"
    if name == "AT_END_STRING":
        return r"\z"
    raise _NotInRust(name)


def _class(parts: Any) -> str:
    written = []
    for kind, value in parts:
        match str(kind):
            case "NEGATE":
                written.append("^")
            case "LITERAL":
                written.append(_character(value))
            case "RANGE":
                written.append(f"{_character(value[0])}-{_character(value[1])}")
            case "CATEGORY":
                written.append(_CATEGORIES[str(value)])
            case other:
                raise _NotInRust(other)
    return f"[{''.join(written)}]"


def _character(code: int) -> str:
    if 0xD800 <= code <= 0xDFFF:
        raise _NotInRust("a surrogate")
    return f"\\x{{{code:x}}}"
