"""The name that somebody may have meant: every "did you mean" of Hallmark comes from here."""

from __future__ import annotations

from collections.abc import Iterable

_ALIKE = 0.6
"""From 0 to 1, as `difflib` measures it: what is less alike is no misspelling."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`, whatever its case; None where none is like it.

    >>> nearest("minimunRows", ["minimumRows", "metrics"]), nearest("PETAL-WIDTH", ["petal_width"])
    ('minimumRows', 'petal_width')
    >>> nearest("zzz", ["minimumRows"])
    """
    import difflib

    folded: dict[str, str] = {}
    for word in sorted(known):
        folded.setdefault(word.casefold(), word)
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=_ALIKE)
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """The question for the nearest known name, or `otherwise` where there is none.

    >>> did_you_mean("mimimum", ["minimum"], "known here: minimum"), did_you_mean("x", ["minimum"], "look it up")
    ('did you mean minimum?', 'look it up')
    """
    near = nearest(name, known)
    return f"did you mean {near}?" if near else otherwise


def hinted(name: str, known: Iterable[str], advice: str) -> str:
    """What to do, begun with the question for the nearest known name where there is one.

    >>> hinted("mimimum", ["minimum"], "correct it"), hinted("x", ["minimum"], "correct it")
    ('did you mean minimum? correct it', 'correct it')
    """
    near = nearest(name, known)
    return f"did you mean {near}? {advice}" if near else advice
