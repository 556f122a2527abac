"""Requests and answers of both inference protocols, as pure functions.

V1: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
V2: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

MAXIMUM_ROWS = 100_000
FLOATS, WHOLES = ("FP16", "FP32", "FP64"), ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
OUTPUT = "predict"


class BadRequestError(ValueError):
    """What the caller sent cannot be answered; the message says why, and repeats no value."""


def parse_json(body: bytes) -> dict[str, Any]:
    """The object in a request's body. Raises BadRequestError."""
    try:
        content = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequestError("the body is not JSON") from error
    if not isinstance(content, dict):
        raise BadRequestError("the body is no JSON object")
    return content


def v1_rows(content: dict[str, Any], features: Sequence[str]) -> Any:
    """The rows of `{"instances": [...]}`, each a list in the features' order or an object by their names.

    Returns:
        A numpy array of shape (rows, features): floats, null being NaN; or objects, where there is a text.

    Raises:
        BadRequestError: it is not that.
    """
    instances = content.get("instances")
    if not isinstance(instances, list) or not instances:
        raise BadRequestError('send {"instances": [[...], ...]} with at least one instance')
    rows = []
    for number, instance in enumerate(instances):
        if isinstance(instance, dict):
            require_columns(instance.keys(), features, f"instance {number}")
            instance = [instance[name] for name in features]
        if not isinstance(instance, list) or len(instance) != len(features):
            raise BadRequestError(f"instance {number} is no list of {len(features)} values: {', '.join(features)}")
        rows.append(instance)
    return as_array(rows, features)


def v2_rows(content: dict[str, Any], features: Sequence[str]) -> Any:
    """The rows of `{"inputs": [tensor, ...]}`: one tensor (rows, features), or one (rows) or (rows, 1) a feature.

    Returns and raises as `v1_rows` does.
    """
    inputs = content.get("inputs")
    if not isinstance(inputs, list) or not inputs or not all(isinstance(tensor, dict) for tensor in inputs):
        raise BadRequestError('send {"inputs": [{"name": ..., "shape": [...], "datatype": ..., "data": [...]}]}')
    tensors = [(str(tensor.get("name")), *_tensor(tensor)) for tensor in inputs]
    if len(tensors) == 1 and (len(features) > 1 or tensors[0][0] not in features):
        _, shape, values = tensors[0]
        if len(shape) != 2 or shape[1] != len(features):
            raise BadRequestError(f"the one input's shape is not [rows, {len(features)}]")
        return as_array([values[start : start + shape[1]] for start in range(0, len(values), shape[1])], features)
    names = [name for name, _, _ in tensors]
    if len(set(names)) != len(names):
        raise BadRequestError("two inputs have the same name")
    require_columns(names, features, "the request")
    if any(len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1) for _, shape, _ in tensors):
        raise BadRequestError("an input's shape is neither [rows] nor [rows, 1]")
    columns = {name: values for name, _, values in tensors}
    if len({len(values) for values in columns.values()}) != 1:
        raise BadRequestError("the inputs have different numbers of rows")
    return as_array([list(row) for row in zip(*(columns[name] for name in features), strict=True)], features)


def require_columns(given: Any, features: Sequence[str], where: str) -> None:
    """Raises BadRequestError unless `given` are the features' names."""
    if missing := [name for name in features if name not in given]:
        raise BadRequestError(f"{where} has no {missing[0]}")
    if len(given) != len(features):
        raise BadRequestError(f"{where} has a column that the model does not know; it knows {', '.join(features)}")


def as_array(rows: list[list[Any]], features: Sequence[str]) -> Any:
    """Rows as a numpy array. Raises BadRequestError where a value is neither number, text, truth value nor null."""
    import numpy as np

    if len(rows) > MAXIMUM_ROWS:
        raise BadRequestError(f"more than {MAXIMUM_ROWS} rows")
    texts = set()
    for number, row in enumerate(rows):
        for place, value in enumerate(row):
            if isinstance(value, str):
                texts.add(place)
            elif value is not None and not _is_number(value):
                raise BadRequestError(f"row {number}: {features[place]} is neither a finite number nor a text")
    # Beside texts a number's gap is NaN and a text's is None, as it was where the model was judged.
    filled = [
        [math.nan if value is None and place not in texts else value for place, value in enumerate(row)] for row in rows
    ]
    return np.array(filled, dtype=object if texts else float).reshape(len(rows), len(features))


def v1_answer(predictions: list[Any]) -> dict[str, Any]:
    """The answer of V1."""
    return {"predictions": predictions}


def v2_answer(predictions: list[Any], content: dict[str, Any], name: str, version: str) -> dict[str, Any]:
    """The answer of V2, with the request's own id where it has one."""
    kind = {str: "BYTES", bool: "BOOL", int: "INT64", float: "FP64"}.get(type(predictions[0]), "BYTES")
    output = {"name": OUTPUT, "shape": [len(predictions)], "datatype": kind, "data": predictions}
    answer: dict[str, Any] = {"model_name": name, "model_version": version, "outputs": [output]}
    if isinstance(content.get("id"), str):
        answer["id"] = content["id"]
    return answer


def _tensor(tensor: dict[str, Any]) -> tuple[list[int], list[Any]]:
    """Shape and flat values. Raises BadRequestError where they do not fit each other or the datatype."""
    shape, datatype, data = tensor.get("shape"), tensor.get("datatype"), tensor.get("data")
    if not isinstance(shape, list) or not all(type(size) is int and size > 0 for size in shape):
        raise BadRequestError("an input's shape is no list of numbers above 0")
    values = _flat(data, len(shape))
    if len(values) != math.prod(shape):
        raise BadRequestError("an input's data does not have as many values as its shape says")
    if datatype in FLOATS:
        fits = all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in values if value is not None
        )
    elif datatype in WHOLES:
        fits = all(type(value) is int for value in values)
    elif datatype == "BOOL":
        fits = all(isinstance(value, bool) for value in values)
    elif datatype == "BYTES":
        fits = all(isinstance(value, str) for value in values)
    else:
        raise BadRequestError("an input's datatype is none of FP32, FP64, INT64, BOOL, BYTES and their kind")
    if not fits:
        raise BadRequestError("an input's data has a value that is not of its datatype")
    return shape, values


def _flat(data: Any, depth: int) -> list[Any]:
    """The values of data that is flat, or nested as deeply as the shape has dimensions."""
    for _ in range(depth - 1):
        if isinstance(data, list) and data and all(isinstance(part, list) for part in data):
            data = [value for part in data for value in part]
    if not isinstance(data, list):
        raise BadRequestError("an input's data is no list")
    return data


def _is_number(value: Any) -> bool:
    """Also 1e999 is JSON, and becomes infinite."""
    return isinstance(value, int | float) and (abs(value) <= 2**63 if isinstance(value, int) else math.isfinite(value))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
