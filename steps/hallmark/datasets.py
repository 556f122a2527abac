"""Reads the training and the independent data: Parquet or CSV, told apart by their bytes, with the columns that the
model's description names. A file that is called `.parquet` has to be Parquet."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from hallmark.documents.model import Model
from hallmark.documents.policy import Policy
from hallmark.errors import BadInputError
from hallmark.files import atomic_path, inside, sha256_file

MAXIMUM_BYTES = 8 << 30
ROW = "row"
LABEL = "label"
FINGERPRINT = "fingerprint"
PREDICTION = "prediction"
PROBABILITY_PREFIX = "probability:"
"""Before a class's canonical label: the column of its probability."""
FEATURES_FILE = "features.parquet"
LABELS_FILE = "labels.parquet"
TRAINING_FILE = "training.parquet"
PREDICTIONS_FILE = "predictions.parquet"
PROBES_FILE = "probes.parquet"
RESPONSES_FILE = "responses.parquet"

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_PARQUET = b"PAR1"
"""The first four bytes: https://parquet.apache.org/docs/file-format"""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data file, read."""

    name: str
    """`training` or `independent`."""
    file: str
    """Its path inside its folder."""
    digest: str
    frame: pl.DataFrame


def read_training(source: Path, model: Model) -> Dataset:
    """The training data named in the model's description. Raises BadInputError as `read_frame` does."""
    return _read("training", source, model.data.training)


def read_independent(data: Path, policy: Policy) -> Dataset:
    """The independent data named in the policy. Raises BadInputError as `read_frame` does.

    Its digest is not compared here: a gate says no to another file, and writes that down.
    """
    return _read("independent", data, policy.data.independent.path)


def independent_digest(data: Path, policy: Policy) -> str:
    """The digest of the file that is in the independent data's place, whatever is in it: nothing of it is parsed.

    Raises:
        BadInputError: there is no such file, or it cannot be read.
    """
    return sha256_file(_existing("independent", data, policy.data.independent.path))


def _read(name: str, folder: Path, file: str) -> Dataset:
    path = _existing(name, folder, file)
    return Dataset(
        name=name, file=file, digest=sha256_file(path), frame=read_frame(path, what=f"the {name} data {file}")
    )


def _existing(name: str, folder: Path, file: str) -> Path:
    path = inside(folder, file)
    if not path.is_file():
        raise BadInputError(f"the {name} data {file} is missing", solution=f"provide {file}, or correct its path")
    return path


def read_frame(path: Path, *, what: str) -> pl.DataFrame:
    """A Parquet or CSV file as a frame; a CSV column's type follows from all of its rows.

    Raises:
        BadInputError: the file is too large, neither of both, damaged, called `.parquet` without being that, or names
            a column twice.
    """
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise BadInputError(f"{what} is larger than {MAXIMUM_BYTES} bytes", solution="take a sample of it")
        with path.open("rb") as file:
            start = file.read(64)
            file.seek(0)
            if start.startswith(_LFS_POINTER):
                raise BadInputError(
                    f"{what} is a Git LFS pointer, not the data",
                    solution="fetch the source with Git LFS, or commit the data",
                )
            if start.startswith(_PARQUET):
                return pl.read_parquet(file)
            if path.suffix.lower() == ".parquet":
                # Nearly everything is a CSV file of one column; what is wrong would be said of its columns.
                raise BadInputError(
                    f"{what} is not Parquet: it does not begin with {_PARQUET.decode()}",
                    solution="write it as Parquet, or name it .csv if it is CSV",
                )
            _require_distinct(pl.read_csv(file, has_header=False, n_rows=1, infer_schema=False).row(0), what)
            file.seek(0)
            return pl.read_csv(file, infer_schema_length=None)
    except OSError as error:
        raise BadInputError(
            f"cannot read {what}: {error.strerror or error}", solution="check its permissions"
        ) from error
    except PolarsError as error:
        raise BadInputError(
            f"{what} is neither Parquet nor CSV that can be read: {_reason(error)}",
            solution="write it as Parquet or as CSV in UTF-8",
        ) from error


def _reason(error: PolarsError) -> str:
    """What polars says, as far as it does not quote the data."""
    first = str(error).strip().partition("\n")[0]
    return "a row has a value that does not fit its column" if first.startswith("could not parse") else first[:200]


def _require_distinct(names: tuple[object, ...], what: str) -> None:
    twice = [str(name) for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadInputError(f"{what} has two columns {twice[0]}", solution="give every column a name of its own")


def require_columns(dataset: Dataset, model: Model) -> pl.DataFrame:
    """The feature columns in the order of the model's description, then the label, named as there.

    Decimals and integers of 128 bits become floats and categories text, so that every column is one that a model, a
    Parquet file and JSON all know.

    Raises:
        BadInputError: a column is missing or of a type that cannot be sent to a model; or the description itself
            names a column twice, or the label among the features.
    """
    features, label = model.data.features, model.data.label
    _require_distinct(tuple(features), "data.features in hallmark.yaml")
    if label in features:
        raise BadInputError(
            f"the label {label} is one of data.features in hallmark.yaml: the model would be given the answer",
            solution="take it out of data.features",
        )
    if ROW in features:
        raise BadInputError(f"a feature cannot be called {ROW}", solution="rename the column in data and description")
    columns = [*features, label]
    for column in columns:
        if column not in dataset.frame.columns:
            near = difflib.get_close_matches(column, dataset.frame.columns, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise BadInputError(
                f"the {dataset.name} data {dataset.file} has no column {column}, which hallmark.yaml names",
                solution=f"{hint}correct data.features or data.label in hallmark.yaml, or the data",
            )
    return dataset.frame.select(_plain(dataset, column) for column in columns)


def _plain(dataset: Dataset, column: str) -> pl.Expr:
    dtype = dataset.frame.schema[column]
    if dtype in (pl.Int128, pl.UInt128, pl.Float16) or dtype.is_decimal():
        return pl.col(column).cast(pl.Float64)
    if dtype in (pl.Categorical, pl.Enum):
        return pl.col(column).cast(pl.String)
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.String, pl.Null):
        return pl.col(column)
    raise BadInputError(
        f"column {column} of the {dataset.name} data {dataset.file} is of type {dtype}",
        solution="use numbers, texts and booleans only: dates and lists cannot be sent to a model",
    )


def missing_values(frame: pl.DataFrame) -> dict[str, int]:
    """For each column that has any: how many values are null, not a number, or infinite."""
    counts = {
        column: int(
            frame.select(
                (pl.col(column).is_null() | ~pl.col(column).is_finite()).sum()
                if dtype.is_float()
                else pl.col(column).is_null().sum()
            ).item()
        )
        for column, dtype in frame.schema.items()
    }
    return {column: count for column, count in counts.items() if count}


def write_frame(frame: pl.DataFrame, target: Path) -> None:
    """Write a frame as Parquet, whole or not at all; the same frame gives the same bytes."""
    with atomic_path(target) as temporary:
        frame.write_parquet(temporary, compression="zstd", compression_level=3, row_group_size=1 << 18)
