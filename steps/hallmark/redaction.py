"""Takes quoted values out of other libraries' messages, which like to show the very data that must not be shown."""

from __future__ import annotations

import re

_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`")


def redacted(text: str, *, limit: int = 500) -> str:
    """`text` with `'…'` for whatever stood in quotes, without control characters, and at most `limit` long.

    >>> redacted("could not convert string to float: 'Jane Doe'")
    "could not convert string to float: '…'"
    """
    hidden = _QUOTED.sub("'…'", text)
    return printable(hidden)[:limit]


def printable(text: str) -> str:
    """`text` on one line: a space for each control character, so that it cannot move a terminal's cursor."""
    return "".join(character if character.isprintable() else " " for character in text)
