"""Reads the model and how it is to be asked. Only loaders that run nothing of the file: skops, and ONNX."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from .errors import UnusableModelError, WrongSettingsError
from .kept import Wanted

DESCRIPTION = "serving.json"
DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}
"""Of an ONNX input, as numpy calls them."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What build-image wrote about the model."""

    file: Path
    """Where the model lies, or would lie if it was not fetched."""
    kept: Literal["baked", "fetched"]
    """In the image, or elsewhere."""
    digest: str
    size: int
    """Bytes."""
    format: str
    name: str
    version: str
    task: str
    features: tuple[str, ...]
    trusted: tuple[str, ...]
    """Types in a skops file beyond skops' own."""
    port: int

    @classmethod
    def read(cls, folder: Path) -> Description:
        """The description in `folder`. Raises WrongSettingsError where there is none."""
        try:
            told = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            if told["kept"] not in ("baked", "fetched"):
                raise ValueError
            return cls(
                file=folder / f"model.{told['format']}",
                kept=told["kept"],
                digest=told["digest"],
                size=told["size"],
                format=told["format"],
                name=told["name"],
                version=told["version"],
                task=told["task"],
                features=tuple(told["features"]),
                trusted=tuple(told["trusted"]),
                port=told["port"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WrongSettingsError(
                f"{folder / DESCRIPTION} is not what the build of the image writes ({type(error).__name__})"
            ) from None

    @property
    def wanted(self) -> Wanted:
        """What the model's file has to be."""
        return Wanted(digest=self.digest, size=self.size, file=self.file.name, name=self.name, version=self.version)


class Model(Protocol):
    """Something that predicts."""

    def predict(self, rows: Any) -> list[Any]:
        """A label or number for each row of a numpy array of shape (rows, features), of floats or of objects.

        Raises ValueError or TypeError where a row cannot be what the model was made for.
        """
        ...


def load(data: bytes, description: Description) -> Model:
    """The model whose file has these bytes, which were compared with the image's digest.

    Raises:
        UnusableModelError: it is of another format, nothing that predicts, or what loads it refuses it.
    """
    kinds: dict[str, Callable[[bytes, Description], Model]] = {"skops": _Estimator, "onnx": _Onnx}
    if description.format not in kinds:
        raise UnusableModelError(f"a model of the format {description.format} is not loaded here")
    try:
        return kinds[description.format](data, description)
    except ModuleNotFoundError as error:
        raise WrongSettingsError(f"the base image has no {error.name}, which loads the model") from None
    except UnusableModelError:
        raise
    except Exception as error:  # whatever a library raises at a file
        reason = " ".join(str(error).split())[:500]
        raise UnusableModelError(f"the model cannot be loaded: {type(error).__name__}: {reason}") from None


class _Estimator:
    """An estimator with scikit-learn's interface."""

    def __init__(self, data: bytes, description: Description) -> None:
        import skops.io  # type: ignore[import-untyped]

        self._model = skops.io.loads(data, trusted=list(description.trusted))
        if not hasattr(self._model, "predict"):
            raise UnusableModelError(f"the file holds a {type(self._model).__name__}, which cannot predict")
        self._frame: Any = None
        # One that was fitted with columns' names is asked with them, as predict-model does.
        if hasattr(self._model, "feature_names_in_"):
            import pandas as pd  # type: ignore[import-untyped]

            self._frame = pd.DataFrame
        self._features = description.features

    def predict(self, rows: Any) -> list[Any]:
        if self._frame is not None:
            rows = self._frame(rows, columns=list(self._features)).infer_objects()
        answer = self._model.predict(rows)
        # A regression that gives quantiles has them beside the number, which comes first.
        found: list[Any] = (answer[:, 0] if answer.ndim == 2 else answer).tolist()
        return found


class _Onnx:
    """An ONNX graph with one input for all features, or one for each; its first output holds the answers."""

    def __init__(self, data: bytes, description: Description) -> None:
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # From bytes: there is no folder to which a path in the file could be relative.
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self._inputs = {entry.name: DTYPES.get(entry.type) for entry in self._session.get_inputs()}
        if unknown := [name for name, dtype in self._inputs.items() if dtype is None]:
            raise UnusableModelError(f"its input {unknown[0]} is of a type that features cannot have")
        features = description.features
        self._whole = len(self._inputs) == 1 and (len(features) > 1 or next(iter(self._inputs)) not in features)
        if not self._whole and set(self._inputs) != set(features):
            raise UnusableModelError("its inputs are neither one matrix nor the features by name")
        self._features = features

    def predict(self, rows: Any) -> list[Any]:
        if self._whole:
            name, dtype = next(iter(self._inputs.items()))
            feeds = {name: rows.astype(dtype)}
        else:
            columns = {name: rows[:, place] for place, name in enumerate(self._features)}
            feeds = {name: columns[name].astype(dtype).reshape(-1, 1) for name, dtype in self._inputs.items()}
        answer = self._session.run(None, feeds)[0]
        found: list[Any] = answer.reshape(len(rows)).tolist()
        return found
