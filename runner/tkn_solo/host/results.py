"""Reading results from a pod's folders, with Tekton's limits and types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tkn_solo.confined import read_bytes
from tkn_solo.model import ResultSpec
from tkn_solo.values import Value, type_of, value_from_data

MESSAGE_LIMIT = 4096
POD_LIMIT = 12288
TOO_LARGE = "Termination message is above max allowed size 4096, caused by large task result."
_TASK_RESULT, _STEP_RESULT, _INTERNAL = 1, 4, 3


def read(folder: Path, below: str, specs: Sequence[ResultSpec]) -> dict[str, str]:
    """The files of the declared results, byte-exact (bytes that are not UTF-8 become U+FFFD)."""
    found = {}
    for spec in specs:
        # One byte over the limit is enough to know that it is too large.
        data = read_bytes(folder, f"{below}/{spec.name}" if below else spec.name, MESSAGE_LIMIT + 1)
        if data is not None:
            found[spec.name] = data.decode("utf-8", errors="replace")
    return found


def message_size(task: Mapping[str, str], step: Mapping[str, str], bookkeeping: Mapping[str, str]) -> int:
    """Bytes of the termination message that would carry these results, as Go would encode it."""
    entries = [
        {"key": key, "value": value, "type": kind}
        for kind, values in ((_TASK_RESULT, task), (_STEP_RESULT, step), (_INTERNAL, bookkeeping))
        for key, value in values.items()
    ]
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False)
    # Go's encoder writes these five as \\uXXXX.
    grown = sum(text.count(character) for character in "<>&") * 5
    grown += sum(text.count(character) for character in "\u2028\u2029") * 3
    return len(text.encode()) + grown


def check_size(size: int, containers: int) -> str | None:
    """Why a termination message of this size would be lost, or None.

    A container has 4096 bytes, and all containers of a pod share 12288 (the kubelet cuts each to its share).
    """
    if size > MESSAGE_LIMIT:
        return TOO_LARGE
    share = POD_LIMIT // containers
    if size > share:
        return (
            f"The results take {size} bytes, but in a pod with {containers} containers each may hand over only "
            f"{share}: the kubelet would cut them. Write less, or use fewer steps."
        )
    return None


def typed(raw: Mapping[str, str], specs: Sequence[ResultSpec]) -> tuple[dict[str, Value], dict[str, str]]:
    """Values by the declared types, and for those of another type what is wrong."""
    values: dict[str, Value] = {}
    wrong: dict[str, str] = {}
    for spec in specs:
        if spec.name not in raw:
            continue
        value: Value = raw[spec.name]
        if spec.type != "string":
            value = _parsed(raw[spec.name])
        if type_of(value) != spec.type:
            wrong[spec.name] = (
                f'task result is expected to be "{spec.type}" type but was initialized to a different type '
                f'"{type_of(value)}"'
            )
        else:
            values[spec.name] = value
    return values, wrong


def _parsed(text: str) -> Value:
    try:
        return value_from_data(json.loads(text))
    except ValueError:
        return text


def missing_keys(values: Mapping[str, Value], specs: Sequence[ResultSpec]) -> dict[str, list[str]]:
    """Keys that an object result's `properties` ask for and that it lacks."""
    lacking = {}
    for spec in specs:
        value = values.get(spec.name)
        if spec.properties and isinstance(value, Mapping) and (keys := sorted(set(spec.properties) - set(value))):
            lacking[spec.name] = keys
    return lacking
