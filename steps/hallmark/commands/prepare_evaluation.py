"""prepare-evaluation: splits the independent data into what the model gets and what the judge keeps.

The features go to one folder, the labels to another, joined only by a row's number. The numbers follow from the
features' values alone (rows are sorted by a keyed hash of them), never from the order of the file: data is often
sorted by class, and an order that could be undone would hand the labels to whoever knows that. The same data gives
the same bytes.

Trusts the validators' policy and data. Treats the repository's training data as input that may be anything, and keeps
only fingerprints of its rows, for the judge to find rows that both hold.

Refuses (bad input) independent data that is not the policy's, by its SHA-256, and data that cannot be split: no rows,
missing columns, missing values.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.datasets import (
    FEATURES_FILE,
    FINGERPRINT,
    LABEL,
    LABELS_FILE,
    ROW,
    TRAINING_FILE,
    Dataset,
    missing_values,
    read_independent,
    read_training,
    require_columns,
    write_frame,
)
from hallmark.documents.agreement import require_agreement
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import Policy, load_policy
from hallmark.errors import BadInputError
from hallmark.files import require_digest, sha256_file, sha256_tree
from hallmark.fingerprints import fingerprints
from hallmark.gate_report import Check, decide


@dataclass(frozen=True, kw_only=True)
class Params:
    source_digest: str = param("Digest of the checked out tree, from fetch-source")
    policy_digest: str = param("Digest of the policy's folder, from fetch-source")
    source: Path = path("The checked out tree")
    policy: Path = path("The validators' folder: policy.yaml and what stands beside it")
    data: Path = path("The validators' data folder")
    features: Path = path("Folder for features.parquet: row and the feature columns")
    labels: Path = path("Folder for labels.parquet and training.parquet, which the model's code never sees")


@dataclass(frozen=True, kw_only=True)
class Results:
    features_digest: str | None = result("SHA-256 of features.parquet")
    labels_digest: str | None = result("Digest of the labels' folder")
    training_data_digest: str | None = result("SHA-256 of the training data's file")
    independent_data_digest: str | None = result("SHA-256 of the independent data's file")


EXAMPLE = (
    "hallmark prepare-evaluation --source=source --policy=policy --data=data --features=features --labels=labels"
    " --source-digest=sha256:... --policy-digest=sha256:..."
)


def run(params: Params, context: Context) -> Outcome:
    """Write features.parquet, labels.parquet and training.parquet."""
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    require_digest("the source", sha256_tree(params.source), params.source_digest)
    model = load_model(params.source)
    require_agreement(model, policy)
    context.say(f"prepare-evaluation: reading {model.data.training} and {policy.data.independent.path}")
    training = read_training(params.source, model)
    independent = read_independent(params.data, policy)
    _require_the_policys(independent, policy)
    known = require_columns(training, model)
    rows = _complete(independent, model)

    rows, prints = _shuffled(rows, model, seed=independent.digest)
    number = pl.int_range(rows.height, eager=True).alias(ROW)
    write_frame(pl.DataFrame([number, *rows.select(model.data.features)]), params.features / FEATURES_FILE)
    write_frame(
        pl.DataFrame([number, rows[model.data.label].alias(LABEL), prints.alias(FINGERPRINT)]),
        params.labels / LABELS_FILE,
    )
    seen = fingerprints(known.select(model.data.features), seed=independent.digest).unique().sort()
    write_frame(seen.alias(FINGERPRINT).to_frame(), params.labels / TRAINING_FILE)

    results = Results(
        features_digest=sha256_file(params.features / FEATURES_FILE),
        labels_digest=sha256_tree(params.labels),
        training_data_digest=training.digest,
        independent_data_digest=independent.digest,
    )
    report = decide(
        "prepare-evaluation",
        [
            Check(name="the independent data is the policy's", passed=True, value=independent.digest),
            Check(name="independent rows", passed=True, value=str(rows.height)),
            Check(name="distinct training rows", passed=True, value=str(seen.len())),
        ],
        passed=f"{rows.height} independent rows split into features and labels",
        refused="",
        solution="",
        digests={
            "source": params.source_digest,
            "policy": params.policy_digest,
            "training-data": training.digest,
            "independent-data": independent.digest,
            "features": results.features_digest or "",
            "labels": results.labels_digest or "",
        },
    )
    return Outcome(report=report, results=results)


def _require_the_policys(independent: Dataset, policy: Policy) -> None:
    wanted = policy.data.independent.sha256
    if independent.digest != wanted:
        raise BadInputError(
            f"{independent.file} in the data folder is not the policy's: its digest is {independent.digest},"
            f" the policy says {wanted}",
            solution="provide the data that the policy names, or let its owners change data.independent.sha256",
        )


def _complete(independent: Dataset, model: Model) -> pl.DataFrame:
    """The independent rows; raises BadInputError where there are none or a value is missing."""
    rows = require_columns(independent, model)
    if rows.is_empty():
        raise BadInputError(f"{independent.file} has no rows", solution="provide independent data with rows")
    missing = missing_values(rows)
    if missing:
        column, count = next(iter(missing.items()))
        raise BadInputError(
            f"column {column} of {independent.file} has {count} missing or infinite values",
            solution="provide independent data without gaps",
        )
    return rows


def _shuffled(rows: pl.DataFrame, model: Model, *, seed: str) -> tuple[pl.DataFrame, pl.Series]:
    """`rows` and their fingerprints, both sorted by fingerprint."""
    prints = fingerprints(rows.select(model.data.features), seed=seed)
    order = pl.DataFrame([prints.alias("print")]).with_row_index("place").sort("print", maintain_order=True)["place"]
    return rows[order], prints[order]
