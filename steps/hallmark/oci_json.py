"""Manifests and configurations of images as JSON in which every reader sees the same thing.

Runtimes, registries and skopeo are written in Go, whose encoding/json takes `Config` for `config`, and of two keys the
later one. Python takes keys as they stand. What both would read differently is read by nobody here.
"""

from __future__ import annotations

from typing import Any

from hallmark import unique_json

_NAMES = (
    "schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "platform", "digest", "size", "urls",
    "data", "annotations", "architecture", "os", "variant", "rootfs", "type", "diff_ids", "history", "created",
    "author", "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal",
    "subject",
)  # fmt: skip
"""Of the OCI image specification (manifest.md, image-index.md, descriptor.md, config.md)."""
_SPELLED = {name.casefold(): name for name in _NAMES}
_FREE = frozenset({"annotations", "Labels", "ExposedPorts", "Volumes"})
"""Whose keys are people's own."""


def parse(text: bytes | str) -> Any:
    """The JSON in `text`.

    >>> parse('{"config": {"User": "1001", "Labels": {"user": "x", "User": "y"}}}')["config"]["User"]
    '1001'

    Raises:
        ValueError: it is no JSON, a key stands twice, or a name of the specification is spelled otherwise.
        RecursionError: it is nested too deeply.
    """
    found = unique_json.loads(text)
    _require_spelling(found)
    return found


def _require_spelling(value: object, *, free: bool = False) -> None:
    if isinstance(value, list):
        for item in value:
            _require_spelling(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not free and _SPELLED.get(key.casefold(), key) != key:
                raise ValueError(f"{key[:40]!r} stands for {_SPELLED[key.casefold()]!r}")
            _require_spelling(item, free=key in _FREE and not free)
