"""A model's answers as bytes: written by the process that holds the model, read by a step that believes none of them.

Plain numbers with their size known beforehand, and a little JSON for what the classes are called. Nothing in it is
executable, nothing can grow while it is read, and what is not exactly right raises `UnfitAnswerError`.

    length of the header (4 bytes) | header (JSON) | one number of 8 bytes a row | rows x columns floats of 8 bytes

The header's `kind` says what the numbers are: `int`, `float`, or `label`, places in the header's list `labels`. Its
`classes` name the columns as probabilities; null: the model gives none. `quantiles` is how many quantiles there are.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hallmark.datasets import PREDICTION
from hallmark.labels import canonical

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    Floats = np.ndarray[Any, np.dtype[np.float64]]

MAXIMUM_LABELS = 10_000
"""Different labels in one answer; a model that names more is not naming classes."""
MAXIMUM_CLASSES = 1_000
MAXIMUM_QUANTILES = 20
MAXIMUM_HEADER_BYTES = 16 << 20
SUM_TOLERANCE = 1e-6
"""By how much a row's probabilities may differ from 1 in sum."""

_LENGTH = struct.Struct("!I")


class UnfitAnswerError(ValueError):
    """The answer is not one label (or number) for each row, or its probabilities are none."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model said about some rows, checked."""

    predictions: pl.Series
    """A value for each row: Boolean, Int64, Float64 or String."""
    probabilities: dict[str, Floats] = field(default_factory=dict)
    """For each class by its canonical name (`hallmark.labels`), a value for each row; empty: the model gives none."""
    quantiles: tuple[Floats, ...] = ()
    """Of a regression: a value for each row and each quantile, in the order in which the model gives them."""


def encode(
    predictions: Any, classes: Sequence[Any] | None = None, probabilities: Any = None, quantiles: Any = None
) -> bytes:
    """The bytes of an answer.

    Args:
        predictions: array (rows,) of labels or numbers.
        classes: the labels that `probabilities`, an array (rows, classes), has columns for; None: there are none.
        quantiles: instead, an array (rows, quantiles).

    Raises:
        UnfitAnswerError: what cannot be written so that it is read as the same.
    """
    import numpy as np

    kind, numbers, labels = _as_numbers(np.asarray(predictions))
    header: dict[str, Any] = {"kind": kind, "labels": labels, "classes": None}
    matrix = b""
    if classes is not None:
        header["classes"] = [_plain(label) for label in classes]
        matrix = np.ascontiguousarray(probabilities, dtype="<f8").tobytes()
    if quantiles is not None:
        header["quantiles"] = int(quantiles.shape[1])
        matrix = np.ascontiguousarray(quantiles, dtype="<f8").tobytes()
    text = json.dumps(header).encode()
    return _LENGTH.pack(len(text)) + text + np.ascontiguousarray(numbers).tobytes() + matrix


def maximum_bytes(rows: int) -> int:
    """How long an answer for so many rows can be at most."""
    return _LENGTH.size + MAXIMUM_HEADER_BYTES + rows * 8 * (1 + MAXIMUM_CLASSES)


def decode(data: bytes | bytearray, *, rows: int, task: str) -> Answer:
    """The answer in `data`, for exactly `rows` rows.

    Args:
        task: `classification` or `regression`.

    Raises:
        UnfitAnswerError: too many or too few values, mixed types, what is no label or not finite, or probabilities
            that are not from 0 to 1, do not sum to 1 within `SUM_TOLERANCE`, or are of a class that stands twice.
            Quantiles have to be finite; whether they are in order is the judge's to say.
    """
    import numpy as np

    header, start = _header(data)
    classes = header["classes"]
    width = header["quantiles"] if classes is None else len(classes)
    if len(data) - start != rows * 8 * (1 + width):
        raise UnfitAnswerError(f"{(len(data) - start) // (8 * (1 + width))} labels for {rows} rows")
    end = start + rows * 8
    numbers = np.frombuffer(data, "<f8" if header["kind"] == "float" else "<i8", count=rows, offset=start)
    predictions = _values(header, numbers)
    if task == "regression" and header["kind"] == "label":
        raise UnfitAnswerError("a regression gives numbers")
    if width and classes is None:
        if task != "regression":
            raise UnfitAnswerError("a classification gives no quantiles")
        table = np.frombuffer(data, "<f8", count=rows * width, offset=end).reshape(rows, width)
        if not np.isfinite(table).all():
            raise UnfitAnswerError("a quantile that is not finite")
        return Answer(predictions=predictions, quantiles=tuple(table.T))
    if classes is None:
        return Answer(predictions=predictions)
    if task == "regression":
        raise UnfitAnswerError("a regression gives no probabilities")
    matrix = np.frombuffer(data, "<f8", count=rows * width, offset=end).reshape(rows, width)
    return Answer(predictions=predictions, probabilities=_probabilities(classes, matrix))


def together(parts: Sequence[Answer]) -> Answer:
    """The answers of one model about several pieces, one after the other; at least one piece.

    Raises:
        UnfitAnswerError: their labels are of different types, or their probabilities of different classes.
    """
    import numpy as np
    import polars as pl

    kinds = {str(part.predictions.dtype) for part in parts}
    if len(kinds) > 1 and kinds != {"Int64", "Float64"}:
        raise UnfitAnswerError(f"types are mixed: {', '.join(sorted(kinds))}")
    names = list(parts[0].probabilities)
    if any(list(part.probabilities) != names for part in parts):
        raise UnfitAnswerError("probabilities of other classes for other rows")
    if any(len(part.quantiles) != len(parts[0].quantiles) for part in parts):
        raise UnfitAnswerError("another number of quantiles for other rows")
    wanted = pl.Float64 if len(kinds) > 1 else parts[0].predictions.dtype
    return Answer(
        predictions=pl.concat([part.predictions.cast(wanted) for part in parts]),
        probabilities={name: np.concatenate([part.probabilities[name] for part in parts]) for name in names},
        quantiles=tuple(np.concatenate(columns) for columns in zip(*(part.quantiles for part in parts), strict=True)),
    )


def _as_numbers(predictions: Any) -> tuple[str, Any, list[Any]]:
    """Kind, numbers and labels of an array: texts and the like become places in a list."""
    import numpy as np

    kind = predictions.dtype.kind
    if kind == "f":
        return "float", predictions.astype("<f8"), []
    if kind == "i" or (kind == "u" and (not predictions.size or int(predictions.max()) < 2**63)):
        return "int", predictions.astype("<i8"), []
    places: dict[tuple[type, Any], int] = {}
    numbers = np.empty(len(predictions), "<i8")
    for row, value in enumerate(predictions.tolist()):
        plain = _plain(value)
        numbers[row] = places.setdefault((type(plain), plain), len(places))
        if len(places) > MAXIMUM_LABELS:
            raise UnfitAnswerError(f"more than {MAXIMUM_LABELS} different labels")
    return "label", numbers, [value for _, value in places]


def _plain(value: Any) -> Any:
    canonical([value])
    return value.item() if hasattr(value, "item") else value


def _header(data: bytes | bytearray) -> tuple[dict[str, Any], int]:
    """The header, of the right form, and where the numbers start."""
    if len(data) < _LENGTH.size:
        raise UnfitAnswerError("no answer")
    length = _LENGTH.unpack_from(data)[0]
    end = _LENGTH.size + length
    if length > MAXIMUM_HEADER_BYTES or end > len(data):
        raise UnfitAnswerError("an answer whose header is cut short or too long")
    try:
        header = json.loads(bytes(data[_LENGTH.size : end]))
    except (ValueError, RecursionError) as error:
        raise UnfitAnswerError("an answer whose header is no JSON") from error
    if not isinstance(header, dict) or header.get("kind") not in ("int", "float", "label"):
        raise UnfitAnswerError("an answer of an unknown kind")
    labels, classes = header.get("labels"), header.get("classes")
    if not isinstance(labels, list) or len(labels) > MAXIMUM_LABELS:
        raise UnfitAnswerError("an answer without a list of labels, or with too long a list")
    if classes is not None and (not isinstance(classes, list) or not 1 <= len(classes) <= MAXIMUM_CLASSES):
        raise UnfitAnswerError(f"probabilities of no classes, or of more than {MAXIMUM_CLASSES}")
    quantiles = header.get("quantiles", 0)
    if type(quantiles) is not int or not 0 <= quantiles <= MAXIMUM_QUANTILES or (quantiles and classes is not None):
        raise UnfitAnswerError(f"quantiles beside probabilities, or more than {MAXIMUM_QUANTILES}")
    return {"kind": header["kind"], "labels": labels, "classes": classes, "quantiles": quantiles}, end


def _values(header: dict[str, Any], numbers: Any) -> pl.Series:
    import numpy as np
    import polars as pl

    labels: list[Any] = header["labels"]
    if header["kind"] != "label":
        if not np.isfinite(numbers).all():
            raise UnfitAnswerError("a value of type float is no label: it is not finite")
        return pl.Series(PREDICTION, numbers.copy())
    if numbers.size and (int(numbers.min()) < 0 or int(numbers.max()) >= len(labels)):
        raise UnfitAnswerError("a label that the answer does not name")
    kinds = {type(label) for label in labels}
    try:
        canonical(labels)
    except ValueError as error:
        raise UnfitAnswerError(str(error)) from error
    if len(kinds) > 1 and kinds != {int, float}:
        raise UnfitAnswerError(f"types are mixed: {', '.join(sorted(kind.__name__ for kind in kinds))}")
    if not labels:
        return pl.Series(PREDICTION, [], dtype=pl.String)
    dtypes: dict[type, type[pl.DataType]] = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64, str: pl.String}
    dtype = dtypes[float if float in kinds else next(iter(kinds))]
    return pl.Series(PREDICTION, labels, dtype=dtype, strict=False).gather(numbers)


def _probabilities(classes: list[Any], matrix: Floats) -> dict[str, Floats]:
    import numpy as np

    try:
        names = canonical(classes)
    except ValueError as error:
        raise UnfitAnswerError(f"probabilities of what is no class: {error}") from error
    if len(set(names)) < len(names):
        raise UnfitAnswerError("probabilities of one class twice")
    if not np.isfinite(matrix).all() or (matrix.size and (matrix.min() < 0 or matrix.max() > 1)):
        raise UnfitAnswerError("probabilities that are not from 0 to 1")
    off = np.abs(matrix.sum(axis=1) - 1).max(initial=0.0)
    if off > SUM_TOLERANCE:
        raise UnfitAnswerError(f"probabilities of a row that sum to 1 only within {off:.2g}")
    return {name: matrix[:, place] for place, name in enumerate(names)}
