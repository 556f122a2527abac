"""Loads a model and asks it, inside a process that the guard confines: the only place where a model's code runs.

There are no labels here. Nothing that comes out is believed by the step beyond "the model said so": the loaded model
runs in this process, and could write the same answer itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hallmark.model_files.answers import MAXIMUM_CLASSES, UnfitAnswerError, encode

if TYPE_CHECKING:
    import polars as pl

MAXIMUM_REASON = 500


class UnfitModelError(Exception):
    """The file was loaded, but what came out is no model of its task that answers for every row."""


class Asked(Protocol):
    """A model that can be asked about rows."""

    def answer(self, frame: pl.DataFrame) -> bytes:
        """Its answers for the rows of `frame`, which holds the features in their order (`answers.encode`)."""
        ...


def load(
    path: Path,
    model_format: str,
    task: str,
    trusted: list[str],
    columns: list[str],
    threads: int,
    quantiles: int | None = 0,
) -> Asked:
    """The model in the file, by the loader that trusts least. Raises whatever a broken file makes a library raise.

    Args:
        quantiles: that a regression gives beside each number; None: whatever it gives, and they are left out.
    """
    if model_format == "onnx":
        from hallmark.model_files.onnx_model import OnnxModel

        found: Asked = OnnxModel(path, task, columns, threads, quantiles)
        return found
    if model_format == "skops":
        import skops.io  # type: ignore[import-untyped]

        return Estimator(skops.io.load(path, trusted=trusted), task, quantiles)
    from hallmark.model_files import restricted_pickle
    from hallmark.model_files.allowed import allowed_names

    return Estimator(restricted_pickle.load(path, allowed_names(trusted)), task, quantiles)


class Estimator:
    """An estimator with scikit-learn's interface.

    One that gives n quantiles predicts 1 + n columns, the number first, as scikit-learn's estimators of several targets
    do.
    """

    def __init__(self, model: Any, task: str, quantiles: int | None = 0) -> None:
        from sklearn.base import is_classifier, is_regressor  # type: ignore[import-untyped]

        if not hasattr(model, "predict"):
            raise UnfitModelError(f"the file holds a {type(model).__name__}, which cannot predict")
        fits, kind = (is_classifier, "classifier") if task == "classification" else (is_regressor, "regressor")
        if not fits(model):
            raise UnfitModelError(f"the file holds a {type(model).__name__}, which is not a {kind}")
        self._model = model
        # One that was fitted with names gets a frame with names, any other an array: the other way round each warns
        # that it does not know which column is which.
        self._named = hasattr(model, "feature_names_in_")
        self._quantiles = quantiles if task == "regression" else 0
        self._sure = task == "classification" and hasattr(model, "predict_proba")

    def answer(self, frame: pl.DataFrame) -> bytes:
        """The model's prediction for each row, and the classes' probabilities where it can tell them."""
        import numpy as np

        rows = frame.to_pandas() if self._named else frame.to_numpy()
        predictions = np.asarray(self._model.predict(rows))
        if predictions.ndim == 2 and self._quantiles is None:
            predictions = predictions[:, 0]
        if self._quantiles:
            if predictions.shape != (frame.height, 1 + self._quantiles):
                raise UnfitModelError(
                    f"predicting {frame.height} rows, each a number and {self._quantiles} quantiles,"
                    f" gave an answer of shape {predictions.shape}"
                )
            return encode(predictions[:, 0], quantiles=predictions[:, 1:])
        if predictions.shape != (frame.height,):
            raise UnfitModelError(f"predicting {frame.height} rows gave an answer of shape {predictions.shape}")
        if not self._sure:
            return encode(predictions)
        classes = np.asarray(self._model.classes_)
        probabilities = np.asarray(self._model.predict_proba(rows))
        if classes.ndim != 1 or probabilities.shape != (frame.height, len(classes)):
            raise UnfitModelError(f"the probabilities of {frame.height} rows are of shape {probabilities.shape}")
        if len(classes) > MAXIMUM_CLASSES:
            raise UnfitModelError(f"it knows {len(classes)} classes; at most {MAXIMUM_CLASSES} are allowed")
        return encode(predictions, classes.tolist(), probabilities)


def reason(error: Exception) -> str:
    """An exception as a sentence that names its kind, unless it is our own."""
    from hallmark.errors import HallmarkError
    from hallmark.model_files.restricted_pickle import RefusedPickleError

    if isinstance(error, RefusedPickleError):
        return f"the file may not be loaded: it holds {error}"[:MAXIMUM_REASON]
    if isinstance(error, UnfitModelError | UnfitAnswerError | HallmarkError):
        return str(error)[:MAXIMUM_REASON]
    return f"{type(error).__name__}: {error}"[:MAXIMUM_REASON]
