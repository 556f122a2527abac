"""Labels as text, so that a class is the same class however a CSV file, a model or a JSON answer types it."""

from __future__ import annotations

import math
from collections.abc import Iterable

MAXIMUM_LENGTH = 256
"""Characters of one label; a class name that is longer is data, not a class name."""
MAXIMUM_BITS = 63
"""Of a whole number, beside its sign: what every part of the chain can hold."""


def canonical(values: Iterable[object]) -> list[str]:
    """Each label's canonical text.

    A boolean is `true` or `false`, as is the text `True` or `FALSE` (pandas and polars read the same CSV column as
    one or the other). A whole number is its decimal digits, also where it came as 2.0; another float is its shortest
    exact text. Any other text stays as it is: "01" and "1.10" are not numbers here. numpy's scalars count as the
    Python values that they hold.

    Raises:
        ValueError: a value is no label: nothing, not finite, a container, or an overlong text.

    >>> canonical([2, 2.0, "2", True, "TRUE", 0.5, "setosa"])
    ['2', '2', '2', 'true', 'true', '0.5', 'setosa']
    """
    return [_canonical(value) for value in values]


def _canonical(value: object) -> str:
    plain = value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, int):
        return _whole(plain)
    if isinstance(plain, float) and math.isfinite(plain):
        return _whole(int(plain)) if plain.is_integer() else repr(plain)
    if isinstance(plain, str):
        return plain.lower() if plain.lower() in ("true", "false") else _bounded(plain)
    raise ValueError(f"a value of type {type(plain).__name__} is no label")


def _whole(number: int) -> str:
    if number.bit_length() > MAXIMUM_BITS:
        raise ValueError(f"a whole number of {number.bit_length()} bits; at most {MAXIMUM_BITS} are allowed")
    return str(number)


def _bounded(text: str) -> str:
    if len(text) > MAXIMUM_LENGTH:
        raise ValueError(f"a label of {len(text)} characters; at most {MAXIMUM_LENGTH} are allowed")
    return text
