"""The label's column as the checks need it: codes of named classes, or numbers."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hallmark.errors import BadInputError
from hallmark.labels import canonical

Task = Literal["classification", "regression"]


def class_names(values: pl.Series, table: str, label: str, *, maximum: int) -> tuple[list[str], NDArray[np.int64]]:
    """The classes by name, sorted, and each row's place among them; `values` hold no null.

    Raises:
        BadInputError: more classes than `maximum`, or values that are no class names.
    """
    distinct = values.unique()
    if len(distinct) > maximum:
        raise BadInputError(
            f"the label {label} of the {table} data has {len(distinct)} different values, which are no classes",
            solution=f"use at most {maximum} classes, or say `task: regression` in hallmark.yaml",
        )
    try:
        texts = canonical(distinct.cast(pl.Float64) if distinct.dtype.is_decimal() else distinct)
    except ValueError as error:
        raise BadInputError(
            f"the label {label} of the {table} data holds {error}", solution="use class names as labels"
        ) from error
    names = sorted(set(texts))
    place = {name: index for index, name in enumerate(names)}
    codes = values.replace_strict(distinct, pl.Series([place[text] for text in texts]), return_dtype=pl.Int64)
    return names, np.asarray(codes.to_numpy(), dtype=np.int64)


def numeric(values: pl.Series, table: str, label: str) -> NDArray[np.float64]:
    """The label's values as finite numbers; `values` hold no null.

    Raises:
        BadInputError: texts, times, or infinite values.
    """
    if not values.dtype.is_numeric():
        raise BadInputError(
            f"the label {label} of the {table} data is of type {values.dtype}; a regression needs numbers",
            solution="correct the label, or say `task: classification` in hallmark.yaml",
        )
    numbers = np.asarray(values.cast(pl.Float64).to_numpy(), dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise BadInputError(
            f"the label {label} of the {table} data holds infinite values", solution="mend or remove these rows"
        )
    return numbers
