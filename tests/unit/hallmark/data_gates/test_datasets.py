import datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from hallmark.datasets import missing_values, read_frame, read_training, require_columns, write_frame
from hallmark.documents.model import load_model
from hallmark.errors import BadInputError

from .workshop import Workshop


def test_parquet_and_csv_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    write_frame(frame, tmp_path / "data.csv")
    frame.write_csv(tmp_path / "data")
    assert read_frame(tmp_path / "data.csv", what="data").equals(frame)
    assert read_frame(tmp_path / "data", what="data").equals(frame)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"par1\x00\x15\x04\x15"])
@pytest.mark.parametrize("name", ["data.parquet", "DATA.PARQUET"])
def test_a_file_called_parquet_without_parquets_first_bytes_is_bad_input(
    content: bytes, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInputError, match="the data is not Parquet"):
        read_frame(tmp_path / name, what="the data")


def test_the_type_of_a_csv_column_follows_from_all_of_its_rows(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a\n" + "1\n" * 5000 + "0.5\n")
    assert read_frame(tmp_path / "data.csv", what="data").schema == {"a": pl.Float64}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "neither Parquet nor CSV"),
        (b"a,b\n1,2,3\n", "neither Parquet nor CSV"),
        (b"a,b\n1,\xff\xfe\n", "neither Parquet nor CSV"),
        (b"a,a\n1,2\n", "two columns a"),
        (b"PAR1" + bytes(50) + b"PAR1", "neither Parquet nor CSV"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", "Git LFS pointer"),
    ],
)
def test_a_file_that_cannot_be_read_is_bad_input(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(BadInputError, match=reason):
        read_frame(tmp_path / "data", what="the data")


def test_an_error_does_not_quote_the_data(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text('name\n"Jane Doe\n')
    with pytest.raises(BadInputError) as caught:
        read_frame(tmp_path / "data.csv", what="the data")
    assert "Jane" not in str(caught.value)


def test_a_file_outside_the_repository_is_bad_input(workshop: Workshop, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    workshop.training.write_csv(outside)
    (workshop.folder("source") / "data" / "link.csv").symlink_to(outside)
    workshop.description["data"]["training"] = "data/link.csv"
    workshop.save()
    with pytest.raises(BadInputError, match="leads out of"):
        read_training(workshop.folder("source"), load_model(workshop.folder("source")))


def test_a_missing_file_is_bad_input(workshop: Workshop) -> None:
    workshop.description["data"]["training"] = "data/nothing.csv"
    workshop.save()
    with pytest.raises(BadInputError, match=r"training data data/nothing.csv is missing"):
        read_training(workshop.folder("source"), load_model(workshop.folder("source")))


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
    workshop.save()
    model = load_model(workshop.folder("source"))
    with pytest.raises(BadInputError, match=reason):
        require_columns(read_training(workshop.folder("source"), model), model)


def test_a_mistyped_column_is_answered_with_the_nearest_one(workshop: Workshop) -> None:
    workshop.description["data"]["label"] = "speceis"
    workshop.save()
    model = load_model(workshop.folder("source"))
    with pytest.raises(BadInputError) as caught:
        require_columns(read_training(workshop.folder("source"), model), model)
    assert "did you mean species?" in caught.value.solution


def _columns(workshop: Workshop, values: pl.Series) -> pl.DataFrame:
    frame = pl.DataFrame({"x": values, "species": ["a"] * len(values)})
    write_frame(frame, workshop.folder("source") / "data" / "typed.parquet")
    workshop.description["data"] |= {"training": "data/typed.parquet", "features": ["x"]}
    workshop.save()
    model = load_model(workshop.folder("source"))
    return require_columns(read_training(workshop.folder("source"), model), model)


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
    assert _columns(workshop, values).schema["x"] == dtype


@pytest.mark.parametrize("values", [pl.Series([datetime.date(2026, 1, 1)]), pl.Series([[1, 2]])])
def test_a_column_that_cannot_be_sent_to_a_model_is_bad_input(workshop: Workshop, values: pl.Series) -> None:
    with pytest.raises(BadInputError, match="column x of the training data"):
        _columns(workshop, values)


def test_missing_values_are_null_not_a_number_and_infinite_ones() -> None:
    frame = pl.DataFrame({"a": [1.0, float("nan"), float("inf"), None], "b": ["x", None, "", "y"], "c": [1, 2, 3, 4]})
    assert missing_values(frame) == {"a": 3, "b": 1}
