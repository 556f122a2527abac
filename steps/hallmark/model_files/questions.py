"""The rows that models are asked about, and which of them again while they are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hallmark.champion import InProduction
from hallmark.datasets import FEATURES_FILE, PREDICTION, PROBES_FILE, ROW, write_frame
from hallmark.errors import BadInputError
from hallmark.model_files.session import ModelFile
from hallmark.performance.measuring import Sample

_SHUFFLE_SEED = 6
_MEASURED_ROWS = 200


@dataclass(frozen=True, kw_only=True)
class Questions:
    """The rows that the model is asked about."""

    rows: pl.Series
    """Their numbers, in the order in which they are asked."""
    file: Path
    """The features, in that order."""


def questions_with_probes(features: Path, probes: Path | None, columns: Sequence[str], private: Path) -> Questions:
    """What the model is asked: the independent rows and, in between, the probes.

    Args:
        features, probes: files of {row, <features>}.
        columns: the candidate's features.
        private: a folder for the questions, where they are no file yet.

    Raises:
        BadInputError: there are no rows, a row stands twice, or the two files have other columns.
    """
    rows = pl.read_parquet(features, columns=[ROW])[ROW]
    file = features.resolve()
    if probes is not None:
        try:
            both = pl.concat([pl.read_parquet(name, columns=[ROW, *columns]) for name in (features, probes)])
        except pl.exceptions.PolarsError as error:
            raise BadInputError(
                f"{PROBES_FILE} does not have the columns of {FEATURES_FILE}",
                solution="hand over the results of one run",
            ) from error
        both = both.sample(fraction=1, shuffle=True, seed=_SHUFFLE_SEED)
        rows, file = both[ROW], private / "questions.parquet"
        write_frame(both.drop(ROW), file)
    if rows.is_empty() or rows.n_unique() < rows.len():
        raise BadInputError(
            f"{FEATURES_FILE} and {PROBES_FILE} have {'a row twice' if rows.len() else 'no rows'}",
            solution="hand over the results of one run",
        )
    return Questions(rows=rows, file=file)


def questions_for_champion(features: Path, champion: InProduction) -> Questions:
    """The independent rows, as the champion is asked about them: without probes, which are the candidate's.

    Raises:
        BadInputError: the independent data has not all that the champion needs.
    """
    table = pl.scan_parquet(features)
    missing = [name for name in champion.features if name not in table.collect_schema()]
    if not missing:
        gaps = [
            (pl.col(name).is_null() | pl.col(name).is_nan()).sum() if dtype.is_float() else pl.col(name).null_count()
            for name, dtype in table.select(champion.features).collect_schema().items()
        ]
        counts = table.select(gaps).collect(engine="streaming").row(0, named=True)
        missing = [name for name, count in counts.items() if count]
    if missing:
        raise BadInputError(
            f"the independent data lacks values of {', '.join(missing)}, which the model in production needs",
            solution="let the validators keep this column whole until another model is in production",
        )
    return Questions(rows=pl.read_parquet(features, columns=[ROW])[ROW], file=features.resolve())


def measured_sample(features: Path, models: Mapping[str, ModelFile], told: Mapping[str, pl.DataFrame]) -> Sample:
    """Some of the independent rows, with what each model said to them."""
    rows = pl.read_parquet(features, columns=[ROW])[ROW]
    chosen = rows.sample(min(rows.len(), _MEASURED_ROWS), seed=_SHUFFLE_SEED)
    columns = dict.fromkeys(name for model in models.values() for name in model.columns)
    lazy = pl.scan_parquet(features).filter(pl.col(ROW).is_in(chosen.implode())).select(ROW, *columns)
    table = lazy.collect(engine="streaming").sort(ROW)
    said = {
        name: table.select(ROW).join(frame, on=ROW, how="left", maintain_order="left")[PREDICTION]
        for name, frame in told.items()
    }
    return Sample(rows=table.drop(ROW), predictions=said)
