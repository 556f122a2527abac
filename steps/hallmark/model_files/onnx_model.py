"""An ONNX model, asked by onnxruntime on the processor: the interface of `hallmark.model_files.predict.Asked`.

What it has to look like (what skl2onnx and its like write): either one input of shape (rows, features), or one input
of shape (rows, 1) for each feature, called like it. The first output holds the labels or numbers. A classifier's second
output holds the probabilities, as a map for each row (ZipMap) or as a matrix; the matrix's classes are those of the
one classifier in the graph, or the JSON list in the model's metadata under `classes`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hallmark.model_files.answers import MAXIMUM_CLASSES, encode
from hallmark.model_files.onnx_file import require_self_contained
from hallmark.model_files.predict import UnfitModelError

if TYPE_CHECKING:
    import onnx
    import polars as pl

CLASSES = "classes"
"""Key of the model's metadata."""
_SINGLE_PRECISION = 1e-4
"""By how much the sum of single-precision probabilities may differ from 1 by rounding alone."""
_LABELS = ("classlabels_int64s", "classlabels_strings", "classlabels_ints")
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}


class OnnxModel:
    """One session, and how its inputs and outputs are meant."""

    def __init__(self, path: Path, task: str, columns: list[str], threads: int, quantiles: int | None = 0) -> None:
        import onnxruntime  # type: ignore[import-untyped]

        proto = require_self_contained(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # From bytes, so that there is no folder to which a path in the file could be relative.
        self._session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._task = task
        self._quantiles = quantiles
        self._inputs = {entry.name: _dtype(entry) for entry in self._session.get_inputs()}
        self._columns = columns
        self._whole = len(self._inputs) == 1 and (len(columns) > 1 or next(iter(self._inputs)) not in columns)
        if not self._whole and set(self._inputs) != set(columns):
            raise UnfitModelError(
                f"its inputs are {', '.join(sorted(self._inputs))[:200]}, neither one matrix nor the features by name"
            )
        self._classes = _classes(proto)

    def answer(self, frame: pl.DataFrame) -> bytes:
        """The first output for each row, and of the second the probabilities or quantiles where there are any."""
        import numpy as np

        outputs = self._session.run(None, self._feeds(frame))
        predictions = np.asarray(outputs[0])
        if predictions.ndim == 2 and predictions.shape[1] == 1:
            predictions = predictions[:, 0]
        if predictions.shape != (frame.height,):
            raise UnfitModelError(f"predicting {frame.height} rows gave an answer of shape {predictions.shape}")
        if predictions.dtype.kind == "f" and self._task == "classification":
            raise UnfitModelError("its first output holds no labels, but floating-point numbers")
        if self._task == "regression" and self._quantiles:
            table = np.asarray(outputs[1], dtype=np.float64) if len(outputs) > 1 else np.empty((frame.height, 0))
            if table.shape != (frame.height, self._quantiles):
                raise UnfitModelError(
                    f"its second output has to hold {self._quantiles} quantiles of {frame.height} rows,"
                    f" and is of shape {table.shape}"
                )
            return encode(predictions.astype(np.float64), quantiles=table)
        if self._task == "regression":
            return encode(predictions.astype(np.float64) if predictions.dtype.kind in "iuf" else predictions)
        classes, matrix = self._probabilities(outputs, frame.height)
        return encode(predictions) if matrix is None else encode(predictions, classes, matrix)

    def _feeds(self, frame: pl.DataFrame) -> dict[str, Any]:
        if self._whole:
            name, dtype = next(iter(self._inputs.items()))
            return {name: frame.to_numpy().astype(dtype)}
        return {name: frame[name].to_numpy().astype(dtype).reshape(-1, 1) for name, dtype in self._inputs.items()}

    def _probabilities(self, outputs: list[Any], rows: int) -> tuple[list[Any], Any]:
        """Classes and matrix (rows, classes); ([], None) where the model gives none, or nobody knows of what."""
        import numpy as np

        if len(outputs) < 2:
            return [], None
        told, classes = outputs[1], self._classes
        if isinstance(told, list):
            classes = sorted(told[0]) if told else []
            matrix = np.array([[row[name] for name in classes] for row in told], dtype=np.float64)
        else:
            matrix = np.asarray(told, dtype=np.float64)
        if not classes or matrix.ndim != 2 or matrix.shape != (rows, len(classes)):
            return [], None
        if len(classes) > MAXIMUM_CLASSES:
            raise UnfitModelError(f"it knows {len(classes)} classes; at most {MAXIMUM_CLASSES} are allowed")
        sums = matrix.sum(axis=1, keepdims=True)
        return classes, matrix / np.where(np.abs(sums - 1) < _SINGLE_PRECISION, sums, 1)


def _dtype(entry: Any) -> str:
    if entry.type not in _DTYPES:
        raise UnfitModelError(f"its input {entry.name[:80]} is of type {entry.type}, which features cannot have")
    return _DTYPES[entry.type]


def _classes(model: onnx.ModelProto) -> list[Any]:
    """The classes that the metadata or the one classifier in the graph names; none where neither does."""
    named = [entry.value for entry in model.metadata_props if entry.key == CLASSES]
    if named:
        listed = json.loads(named[0])
        if not isinstance(listed, list):
            raise UnfitModelError(f"its metadata {CLASSES} is no JSON list")
        return listed
    found: list[list[Any]] = []
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name in _LABELS and (attribute.ints or attribute.strings):
                found.append(list(attribute.ints) or [text.decode() for text in attribute.strings])
    return found[0] if len(found) == 1 else []
