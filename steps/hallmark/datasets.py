"""The training and the independent data with the columns that the model's description names, and the Parquet files that
the tasks of a run hand to each other."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hallmark.documents.model import Model
from hallmark.documents.policy import Policy
from hallmark.documents.rules_inputs import InputRules, is_remote
from hallmark.errors import BadInputError
from hallmark.files import atomic_path
from hallmark.inputs.errors import told
from hallmark.inputs.fetching import shown
from hallmark.inputs.kept import open_kept
from hallmark.inputs.opening import Input, open_input
from hallmark.nearest import did_you_mean, hinted

ROW = "row"
NUMBER = "number"
"""Of a row in the independent data, from 1 on: the rows are handed on in another order."""
LABEL = "label"
FINGERPRINT = "fingerprint"
PREDICTION = "prediction"
PROBABILITY_PREFIX = "probability:"
"""Before a class's canonical label: the column of its probability."""
QUANTILE_PREFIX = "quantile:"
"""Before a level from 0 to 1: the column of the number that the label stays below with that probability."""
FEATURES_FILE = "features.parquet"
LABELS_FILE = "labels.parquet"
TRAINING_FILE = "training.parquet"
PREDICTIONS_FILE = "predictions.parquet"
PROBES_FILE = "probes.parquet"
GROUPS_FILE = "groups.parquet"
RESPONSES_FILE = "responses.parquet"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set that is open; its rows are read when they are asked for."""

    name: str
    """`training` or `independent`."""
    opened: Input
    rules: InputRules

    @property
    def file(self) -> str:
        """Where it lies, as it may stand in a report."""
        return self.opened.location

    @property
    def digest(self) -> str:
        return self.opened.digest

    @property
    def frame(self) -> pl.LazyFrame:
        return self.opened.frame


@contextlib.contextmanager
def open_training(source: Path, model: Model, policy: Policy) -> Iterator[Dataset]:
    """The training data that the model's description names. Raises as `open_input` does."""
    location = model.data.training
    rules = InputRules.model_validate(policy.data.training.model_dump(by_alias=True))
    what = f"the training data {location}"
    with _scratch() as scratch, open_input(location, base=source, what=what, scratch=scratch, rules=rules) as opened:
        yield Dataset(name="training", opened=opened, rules=rules)


@contextlib.contextmanager
def open_independent(data: Path | None, fetched: Path | None, policy: Policy) -> Iterator[Dataset]:
    """The independent data that the policy names: below `data`, or where `fetch-data` put it.

    Raises:
        WrongDigestError: it is other data than the policy's; nothing of it was parsed.
        BadInputError: as `open_input` does.
    """
    rules = policy.data.independent
    what = f"the independent data {shown(rules.path)}"
    with _scratch() as scratch, contextlib.ExitStack() as stack:
        remote = is_remote(rules.path)
        if remote and fetched is not None:
            given = open_kept(rules.path, fetched, scratch=scratch, rules=rules, what=what)
        elif not remote and data is not None:
            given = open_input(rules.path, base=data, what=what, scratch=scratch, rules=rules)
        else:
            needed = "--fetched, after fetch-data has run" if remote else "--data, the folder that it lies in"
            raise BadInputError(f"{what} is not here", solution=f"give {needed}")
        yield Dataset(name="independent", opened=stack.enter_context(given), rules=rules)


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hallmark-data-") as name:
        yield Path(name)


def read_frame(path: Path, *, what: str) -> pl.DataFrame:
    """A Parquet file that another task of the run wrote. Raises BadInputError: it cannot be read."""
    with told(what):
        return pl.read_parquet(path)


def _require_distinct(names: tuple[object, ...], what: str) -> None:
    twice = [str(name) for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadInputError(f"{what} has two columns {twice[0]}", solution="give every column a name of its own")


def require_columns(dataset: Dataset, model: Model, *, beside: Sequence[str] = ()) -> pl.LazyFrame:
    """The feature columns in the order of the model's description, then the label, named as there.

    Decimals and integers of 128 bits become floats and categories text, so that every column is one that a model, a
    Parquet file and JSON all know.

    Args:
        beside: columns that the policy names and the model is not given, after these and as they are.

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
    columns, known = [*features, label], dataset.opened.schema.names()
    for column in columns:
        if column not in known:
            raise BadInputError(
                f"the {dataset.name} data {dataset.file} has no column {column}, which hallmark.yaml names",
                solution=hinted(column, known, "correct data.features or data.label in hallmark.yaml, or the data"),
            )
    further = [name for name in beside if name not in columns]
    for name in further:
        if name not in known:
            raise BadInputError(
                f"policy.yaml names column {name}, which the {dataset.name} data {dataset.file} does not have",
                solution=did_you_mean(name, known, "correct the policy, or the data"),
            )
    return dataset.frame.select([*(plain(dataset, column) for column in columns), *further])


def plain(dataset: Dataset, column: str) -> pl.Expr:
    """A column as a model may be given it. Raises BadInputError for a type that cannot be sent to a model."""
    dtype = dataset.opened.schema[column]
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


def missing_values(dataset: Dataset, rows: pl.LazyFrame) -> dict[str, int]:
    """For each column of `rows`, which are the data set's, that has any: how many are null, not a number, or infinite.

    Raises BadInputError where the data turns out to be damaged.
    """
    counts = dataset.opened.collect(
        rows.select(
            (pl.col(column).is_null() | ~pl.col(column).is_finite()).sum()
            if dtype.is_float()
            else pl.col(column).is_null().sum()
            for column, dtype in rows.collect_schema().items()
        )
    ).row(0, named=True)
    return {column: int(count) for column, count in counts.items() if count}


def write_frame(frame: pl.DataFrame, target: Path) -> None:
    """Write a frame as Parquet, whole or not at all; the same frame gives the same bytes."""
    with atomic_path(target) as temporary:
        frame.write_parquet(temporary, compression="zstd", compression_level=3, row_group_size=1 << 18)
