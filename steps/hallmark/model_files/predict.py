"""`python -m hallmark.model_files.predict`: loads a model and predicts, inside the guard, and does nothing else.

It gets no label. Nothing that it writes is believed by its parent beyond "the model said so": the loaded model runs
in this process, and could write the same answer itself.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MAXIMUM_REASON = 500


class UnfitModelError(Exception):
    """The file was loaded, but what came out is no model of its task that answers for every row."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write `{"predictions": [...]}` or `{"refused": "reason"}` to the answer's file."""
    parser = argparse.ArgumentParser(prog="hallmark.model_files.predict", allow_abbrev=False)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--format", required=True, choices=["skops", "pickle", "joblib"])
    parser.add_argument("--task", required=True, choices=["classification", "regression"])
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--columns", type=json.loads, required=True, help="JSON list: the features in their order")
    parser.add_argument("--trusted", type=json.loads, required=True, help="JSON list: types that the policy trusts")
    parser.add_argument("--answer", type=Path, required=True)
    options = parser.parse_args(argv)
    try:
        model = load(options.model, options.format, options.trusted)
        answer: dict[str, Any] = {"predictions": predict(model, options.task, options.features, options.columns)}
    except Exception as error:  # a model may fail in any way; each is a reason to refuse it
        answer = {"refused": reason(error)}
    options.answer.write_text(json.dumps(answer))
    return 0


def load(path: Path, model_format: str, trusted: list[str]) -> Any:
    """The object in the file, by the loader that trusts least."""
    if model_format == "skops":
        import skops.io  # type: ignore[import-untyped]

        return skops.io.load(path, trusted=trusted)
    from hallmark.model_files import restricted_pickle
    from hallmark.model_files.allowed import allowed_names

    return restricted_pickle.load(path, allowed_names(trusted))


def predict(model: Any, task: str, features: Path, columns: list[str]) -> list[Any]:
    """The model's prediction for each row of features.parquet, as plain Python values.

    A model that was fitted with names gets a frame with names, any other an array: the other way round each warns
    that it does not know which column is which.
    """
    import numpy as np
    import polars as pl
    from sklearn.base import is_classifier, is_regressor  # type: ignore[import-untyped]

    if not hasattr(model, "predict"):
        raise UnfitModelError(f"the file holds a {type(model).__name__}, which cannot predict")
    fits, kind = (is_classifier, "classifier") if task == "classification" else (is_regressor, "regressor")
    if not fits(model):
        raise UnfitModelError(f"the file holds a {type(model).__name__}, which is not a {kind}")
    frame = pl.read_parquet(features, columns=columns)
    named = hasattr(model, "feature_names_in_")
    predictions = np.asarray(model.predict(frame.to_pandas() if named else frame.to_numpy()))
    if predictions.shape != (frame.height,):
        raise UnfitModelError(f"predicting {frame.height} rows gave an answer of shape {predictions.shape}")
    plain: list[Any] = predictions.tolist()
    return plain


def reason(error: Exception) -> str:
    """An exception as a sentence that names its kind, unless it is our own."""
    from hallmark.model_files.restricted_pickle import RefusedPickleError

    if isinstance(error, RefusedPickleError):
        return f"the file may not be loaded: it holds {error}"[:MAXIMUM_REASON]
    if isinstance(error, UnfitModelError):
        return str(error)[:MAXIMUM_REASON]
    return f"{type(error).__name__}: {error}"[:MAXIMUM_REASON]


if __name__ == "__main__":
    sys.exit(main())
