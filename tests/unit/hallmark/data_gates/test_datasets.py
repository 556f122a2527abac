import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import polars as pl
import pytest

from hallmark.datasets import Dataset, missing_values, open_training, read_frame, require_columns, write_frame
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import load_policy
from hallmark.errors import BadInputError

from .workshop import Workshop

T = TypeVar("T")


def _with_training(workshop: Workshop, ask: Callable[[Dataset, Model], T]) -> T:
    """What `ask` says of the training data while it is open."""
    workshop.save()
    model = load_model(workshop.folder("source"))
    with open_training(workshop.folder("source"), model, load_policy(workshop.folder("policy"))) as training:
        return ask(training, model)


def _columns(workshop: Workshop) -> pl.DataFrame:
    return _with_training(workshop, lambda training, model: require_columns(training, model).collect())


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PAR1" + bytes(50) + b"PAR1"])
def test_a_file_between_tasks_that_is_not_parquet_is_bad_input(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "labels.parquet").write_bytes(content)
    with pytest.raises(BadInputError, match="the labels cannot be read"):
        read_frame(tmp_path / "labels.parquet", what="the labels")


def test_a_file_outside_the_repository_is_bad_input(workshop: Workshop, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    workshop.training.write_csv(outside)
    (workshop.folder("source") / "data" / "link.csv").symlink_to(outside)
    workshop.description["data"]["training"] = "data/link.csv"
    with pytest.raises(BadInputError, match="leads out of"):
        _columns(workshop)


def test_a_missing_file_is_bad_input(workshop: Workshop) -> None:
    workshop.description["data"]["training"] = "data/nothing.csv"
    with pytest.raises(BadInputError, match=r"training data data/nothing.csv is missing"):
        _columns(workshop)


def test_training_data_may_be_a_folder_of_partitions(workshop: Workshop) -> None:
    half = workshop.training.height // 2
    folder = workshop.folder("source") / "data" / "parts"
    folder.mkdir()
    workshop.training.head(half).write_parquet(folder / "1.parquet")
    workshop.training.tail(-half).write_parquet(folder / "2.parquet")
    workshop.description["data"]["training"] = "data/parts"
    assert _columns(workshop).height == workshop.training.height


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("label", "speceis", "no column speceis"),
        ("features", ["sepal_length", "petal"], "no column petal"),
        ("features", ["sepal_length", "sepal_length"], "two columns sepal_length"),
        ("features", ["sepal_length", "species"], "given the answer"),
        ("features", ["row"], "cannot be called row"),
    ],
)
def test_columns_that_do_not_fit_the_description_are_bad_input(
    workshop: Workshop, key: str, value: object, reason: str
) -> None:
    workshop.description["data"][key] = value
    with pytest.raises(BadInputError, match=reason):
        _columns(workshop)


def test_a_mistyped_column_is_answered_with_the_nearest_one(workshop: Workshop) -> None:
    workshop.description["data"]["label"] = "speceis"
    with pytest.raises(BadInputError) as caught:
        _columns(workshop)
    assert "did you mean species?" in caught.value.solution


def _typed(workshop: Workshop, values: pl.Series) -> None:
    frame = pl.DataFrame({"x": values, "species": ["a"] * len(values)})
    write_frame(frame, workshop.folder("source") / "data" / "typed.parquet")
    workshop.description["data"] |= {"training": "data/typed.parquet", "features": ["x"]}


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (pl.Series([Decimal("1.5")]), pl.Float64),
        (pl.Series(["a"], dtype=pl.Categorical), pl.String),
        (pl.Series([1], dtype=pl.Int8), pl.Int8),
        (pl.Series([True]), pl.Boolean),
    ],
)
def test_columns_get_a_type_that_a_model_and_json_know(
    workshop: Workshop, values: pl.Series, dtype: type[pl.DataType]
) -> None:
    _typed(workshop, values)
    assert _columns(workshop).schema["x"] == dtype


@pytest.mark.parametrize("values", [pl.Series([datetime.date(2026, 1, 1)]), pl.Series([[1, 2]])])
def test_a_column_that_cannot_be_sent_to_a_model_is_bad_input(workshop: Workshop, values: pl.Series) -> None:
    _typed(workshop, values)
    with pytest.raises(BadInputError, match="column x of the training data"):
        _columns(workshop)


def test_missing_values_are_null_not_a_number_and_infinite_ones(workshop: Workshop) -> None:
    _typed(workshop, pl.Series([1.0, float("nan"), float("inf"), None]))
    found = _with_training(workshop, lambda training, model: missing_values(training, require_columns(training, model)))
    assert found == {"x": 3}
