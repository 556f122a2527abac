"""Looks through an ONNX file before anything is built of it: it has to be whole, and of standard operators.

An ONNX file may keep its tensors in other files, whose paths it names itself (CVE-2022-25882, CVE-2024-27318), and may
ask for operators of a library. Neither is needed for a model that is one file, so neither is allowed.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hallmark.errors import BadInputError
from hallmark.model_files.archive import MAXIMUM_BYTES
from hallmark.model_files.formats import open_regular

if TYPE_CHECKING:
    import onnx

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""https://onnx.ai/onnx/operators: everything else is a runtime's or a library's own."""
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,80}")


def read(path: Path) -> bytes:
    """The bytes of an ONNX file. Raises BadInputError where it is no regular file, or too large."""
    with open_regular(path) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
        if os.fstat(descriptor).st_size > MAXIMUM_BYTES:
            raise _bad(path, f"is larger than {MAXIMUM_BYTES} bytes")
        return file.read()


def require_self_contained(path: Path) -> onnx.ModelProto:
    """The parsed file; no tensor is read and no operator built.

    Raises:
        BadInputError: no valid ONNX model, one that needs another file or operators beyond the standard's, or a tensor
            larger than any model may be.
    """
    import onnx

    data = read(path)
    try:
        model: onnx.ModelProto = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf has many ways to say that these are not its bytes
        raise _bad(path, f"is no ONNX model: {type(error).__name__}") from error
    others = sorted({domain for domain in _domains(model) if domain not in STANDARD_DOMAINS})
    if others:
        shown = others[0] if _PLAIN.fullmatch(others[0]) else "an odd domain"
        raise _bad(path, f"asks for operators of {shown}, which are not ONNX's own")
    if model.functions or model.training_info:
        raise _bad(path, "holds functions or training steps of its own")
    for tensor in _tensors(model):
        _require_here(path, tensor)
    try:
        onnx.checker.check_model(data)
    except Exception as error:  # the checker's own error, or one of what it stumbles over
        raise _bad(path, f"is no valid ONNX model: {' '.join(str(error).split())[:300]}") from error
    return model


def _require_here(path: Path, tensor: onnx.TensorProto) -> None:
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise _bad(path, f"keeps the tensor {tensor.name[:80]!r} in another file")
    if any(length < 0 for length in tensor.dims) or math.prod(tensor.dims) > MAXIMUM_BYTES:
        raise _bad(path, f"has a tensor {tensor.name[:80]!r} of a size that no model may have")


def _domains(model: onnx.ModelProto) -> Iterator[str]:
    yield from (entry.domain for entry in model.opset_import)
    for graph in _graphs(model):
        yield from (node.domain for node in graph.node)


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of the file, wherever it stands."""
    for graph in _graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                    yield from (sparse.values, sparse.indices)


def _graphs(model: onnx.ModelProto) -> Iterator[Any]:
    """The graph and all graphs in its nodes (of If, Loop, Scan), however deep; protobuf bounds the depth."""
    waiting: list[Any] = [model.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                waiting.extend([*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs])


def _bad(path: Path, what: str) -> BadInputError:
    return BadInputError(f"{path.name} {what}", solution="export one self-contained file of ONNX's own operators")
