"""What other tasks handed to the judge: predictions, labels, responses, each with its digest found right, joined.

Nothing here decides anything; what does not belong together, or to this run, is bad input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hallmark.accuracy.classes import Answers
from hallmark.accuracy.numbers import Numbers
from hallmark.accuracy.reading import VALUE, by_row, require_rows, sample
from hallmark.comparison import Production, answers_of
from hallmark.datasets import (
    FINGERPRINT,
    LABEL,
    LABELS_FILE,
    NUMBER,
    PREDICTION,
    PREDICTIONS_FILE,
    PROBES_FILE,
    RESPONSES_FILE,
    ROW,
    TRAINING_FILE,
    read_frame,
)
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import Policy
from hallmark.errors import BadInputError
from hallmark.files import require_digest, sha256_file, sha256_tree
from hallmark.fingerprints import overlap
from hallmark.judgement import same_number


@dataclass(frozen=True, kw_only=True)
class Handed:
    """A folder that another task wrote, and the digest that it told: of the folder, or of the one file that counts."""

    folder: Path
    digest: str

    def checked(self, name: str) -> Path:
        """The file `name` in the folder. Raises BadInputError: it is another than was handed over."""
        file = self.folder / name
        require_digest(name, sha256_file(file), self.digest)
        return file


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the data say, before any limit is looked at."""

    model: Model
    """What the maker says of it."""
    labels: pl.DataFrame
    probes: pl.DataFrame | None
    predictions: pl.DataFrame
    sample: Answers | Numbers
    production: Production
    champion: Answers | Numbers | None
    overlap: float
    compared: int
    """Rows that the container answered."""
    mismatches: int
    """Of them, those where it answered otherwise than the model."""

    @property
    def rows(self) -> int:
        return self.sample.rows


def measure(
    policy: Policy, *, labels: Handed, predictions: Handed, responses: Handed, production: Production
) -> Measured:
    """Read what the other tasks wrote, after its digests were found right.

    Args:
        labels: prepare-evaluation's folder, with the digest of all of it.
        predictions: predict-model's folder, with the digest of predictions.parquet.
        responses: test-image's folder, with the digest of responses.parquet.

    Raises:
        BadInputError: a digest is another, or the files are not about the same rows.
    """
    require_digest("the folder of labels", sha256_tree(labels.folder), labels.digest)
    table = read_frame(predictions.checked(PREDICTIONS_FILE), what=PREDICTIONS_FILE)
    answers = read_frame(responses.checked(RESPONSES_FILE), what=RESPONSES_FILE)
    judged = read_frame(labels.folder / LABELS_FILE, what=LABELS_FILE)
    training = read_frame(labels.folder / TRAINING_FILE, what=TRAINING_FILE)
    truth, told = by_row(judged, LABEL, LABELS_FILE), by_row(table, PREDICTION, PREDICTIONS_FILE)
    answered = by_row(answers, PREDICTION, RESPONSES_FILE)
    probes = if_there(labels.folder / PROBES_FILE)
    require_rows(told[ROW], [truth[ROW]] if probes is None else [truth[ROW], probes[ROW]], PREDICTIONS_FILE)
    compared = answered.join(truth.select(ROW), on=ROW).join(told, on=ROW, suffix="_told")
    if compared.height != answered.height:
        raise BadInputError(
            f"{RESPONSES_FILE} is not about the same rows as the labels", solution="hand over the results of one run"
        )
    same = _same(policy)
    return Measured(
        model=load_model(labels.folder),
        probes=probes,
        labels=judged.select(ROW, NUMBER, LABEL),
        predictions=table,
        sample=sample(truth, table, PREDICTIONS_FILE, policy.model),
        production=production,
        champion=answers_of(production.standing, predictions.folder, truth, policy.model),
        overlap=overlap(judged[FINGERPRINT], training[FINGERPRINT]),
        compared=answered.height,
        mismatches=sum(not same(*pair) for pair in compared.select(VALUE, f"{VALUE}_told").rows()),
    )


def if_there(file: Path) -> pl.DataFrame | None:
    """A file that is written only where the policy asks for it. Raises BadInputError: it cannot be read."""
    return read_frame(file, what=file.name) if file.exists() else None


def _same(policy: Policy) -> Callable[[str, str], bool]:
    """Whether the container's answer is the model's."""
    if policy.model.task == "classification":
        return str.__eq__
    return lambda one, other: same_number(one, other, policy.image.tolerance)
