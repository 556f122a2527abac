"""Parameter and result values, and Go's durations: the scalar types of the Tekton API.

A value is a `str`, a `tuple` of strings (array) or a `dict` of strings (object), as in
pkg/apis/pipeline/v1/param_types.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Value = str | tuple[str, ...] | Mapping[str, str]

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")


def type_of(value: Value) -> str:
    """`string`, `array` or `object`."""
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, tuple) else "object"


def compact_json(data: Any) -> str:
    """JSON as Go's encoder writes it: sorted keys, no spaces, numbers without `.0`."""
    if isinstance(data, dict):
        entries = (f"{compact_json(str(key))}:{compact_json(data[key])}" for key in sorted(data))
        return "{" + ",".join(entries) + "}"
    if isinstance(data, list):
        return "[" + ",".join(compact_json(item) for item in data) + "]"
    return _go_float(data) if isinstance(data, float) else json.dumps(data, ensure_ascii=False)


def _go_float(number: float) -> str:
    """The shortest digits; an exponent only below 1e-6 and from 1e21."""
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        text = format(Decimal(repr(number)), "f")
        return text.removesuffix(".0") if "." in text else text
    digits, exponent = repr(number).split("e")
    return f"{digits.removesuffix('.0')}e{exponent[0]}{exponent[1:].lstrip('0')}"


def value_from_data(data: Any) -> Value:
    """The value a YAML or JSON document stands for.

    A list of strings is an array, a map of strings an object; anything else that is not a string becomes
    its raw JSON text.
    """
    if isinstance(data, str):
        return data
    if data is None:
        return ""
    if isinstance(data, list) and all(isinstance(item, str) or item is None for item in data):
        return tuple(item or "" for item in data)
    if isinstance(data, dict) and all(isinstance(item, str) or item is None for item in data.values()):
        return {str(key): item or "" for key, item in data.items()}
    return compact_json(data)


def value_to_data(value: Value) -> Any:
    """The value as plain YAML data."""
    if isinstance(value, str):
        return value
    return list(value) if isinstance(value, tuple) else dict(value)


def parse_duration(text: str) -> float:
    """Seconds in a Go duration such as `1h30m` or `500ms`; raises ValueError for anything else."""
    if text == "0":
        return 0.0
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    total, end = 0.0, 0
    while part := _PART.match(rest, end):
        total += float(part[1]) * _UNITS[part[2]]
        end = part.end()
    if not rest or end != len(rest):
        raise ValueError(f"{text!r} is not a duration such as 1h30m, 45s or 500ms")
    return sign * total


def format_duration(seconds: float) -> str:
    """A duration as Go prints it: `1h0m0s`, `1m30s`, `2.5s`, `500ms`, `0s`."""
    nanos = round(seconds * 1e9)
    if nanos == 0:
        return "0s"
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    for unit, size in (("ns", 1), ("µs", 1000), ("ms", 1_000_000)):
        if nanos < size * 1000:
            return f"{sign}{_trimmed(nanos, size)}{unit}"
    minutes, rest = divmod(nanos, 60_000_000_000)
    text = f"{_trimmed(rest, 1_000_000_000)}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return sign + text


def _trimmed(nanos: int, size: int) -> str:
    whole, fraction = divmod(nanos, size)
    digits = f"{fraction:0{len(str(size)) - 1}d}".rstrip("0") if size > 1 else ""
    return f"{whole}.{digits}" if digits else str(whole)
