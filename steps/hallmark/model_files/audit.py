"""What a model file holds, read without building any of it."""

from __future__ import annotations

from pathlib import Path

NAMED = 20
"""Names that are told; a hostile file can ask for millions."""
MAXIMUM_NAME = 200


def audit(path: Path, model_format: str, trusted: list[str]) -> dict[str, object]:
    """`trusted`: what of `trusted` the file holds; `others`: what else, at most `NAMED`; `count`: how many of those.

    Of a skops file these are the types that skops does not trust by itself. An ONNX file holds none: one that is not
    self-contained, or asks for other operators than the standard's, raises. Pickles are looked at name by name while
    they are loaded.

    Raises:
        BadInputError: the file cannot be audited, or holds what no policy can allow.
    """
    if model_format == "skops":
        from hallmark.model_files.skops_types import untrusted_types

        names = untrusted_types(path)
    elif model_format == "onnx":
        from hallmark.model_files.onnx_file import require_self_contained

        require_self_contained(path)
        names = []
    else:
        names = []
    others = [name[:MAXIMUM_NAME] for name in names if name not in trusted]
    return {"trusted": [name for name in names if name in trusted], "others": others[:NAMED], "count": len(others)}
