"""prepare-evaluation: splits the independent data into what the model gets and what the judge keeps.

The features go to one folder, the labels to another, joined only by a row's number. The numbers follow from the
features' values alone (rows are sorted by a keyed hash of them), never from the order of the file: data is often
sorted by class, and an order that could be undone would hand the labels to whoever knows that. The same data gives
the same bytes.

Trusts the validators' policy and data. Treats the repository's training data as input that may be anything, and keeps
only fingerprints of rows that the independent data holds too, for the judge. The training data is read in batches and
may be larger than memory; the independent data is not.

Refuses (bad input) independent data that is not the policy's, by its SHA-256, and data that cannot be split: no rows,
missing columns, missing values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hallmark.behaviour.probes import make_probes
from hallmark.command import Context, Outcome
from hallmark.contract import Artifact, param, path, result
from hallmark.datasets import (
    FEATURES_FILE,
    FINGERPRINT,
    GROUPS_FILE,
    LABEL,
    LABELS_FILE,
    NUMBER,
    PROBES_FILE,
    ROW,
    TRAINING_FILE,
    Dataset,
    missing_values,
    open_independent,
    open_training,
    plain,
    require_columns,
    write_frame,
)
from hallmark.documents.agreement import require_agreement
from hallmark.documents.model import FILE_NAME as MODEL_FILE
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import load_policy
from hallmark.errors import BadInputError
from hallmark.files import require_digest, sha256_file, sha256_tree, write_text
from hallmark.fingerprints import fingerprints
from hallmark.gate_report import Check, decide
from hallmark.named import require_named


@dataclass(frozen=True, kw_only=True)
class Params:
    source_digest: str = param("Digest of the checked out tree, from fetch-source")
    policy_digest: str = param("Digest of the policy's folder, from fetch-source")
    source: Path = path("The checked out tree")
    policy: Path = path("The validators' folder: policy.yaml and what stands beside it")
    data: Path | None = path("The validators' data folder, unless the policy has the data fetched", default=None)
    fetched: Path | None = path("Where fetch-data put the independent data, if the policy has it fetched", default=None)
    features: Path = path("Folder for features.parquet: row, the features, and a champion's where one is asked for")
    labels: Path = path("Folder for the labels, and what else the judge needs and the model's code never sees")


@dataclass(frozen=True, kw_only=True)
class Results:
    features_digest: str | None = result("SHA-256 of features.parquet")
    probes_digest: str | None = result("SHA-256 of probes.parquet; empty where the policy asks for no changed rows")
    labels_digest: str | None = result("Digest of the labels' folder")
    training_data_digest: str | None = result("SHA-256 of the training data's file")
    independent_data_digest: str | None = result("SHA-256 of the independent data's file")
    training_artifact: Artifact | None = result("The training data, for Tekton Chains", name="training_ARTIFACT_INPUTS")
    independent_artifact: Artifact | None = result(
        "The independent data, for Tekton Chains", name="independent_ARTIFACT_INPUTS"
    )


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
    context.say("prepare-evaluation: reading the independent data")
    behaviour, offered = policy.model.behaviour, policy.data.independent.features
    grouped = behaviour.group_columns(offered)
    with open_independent(params.data, params.fetched, policy) as independent:
        require_named(policy, params.policy, model=(model, params.source), data=[independent])
        independent_digest = independent.digest
        independent_artifact = Artifact(uri=independent.file, digest=independent_digest)
        # The champion may ask for other features than the candidate; which, only its signed verdict tells later on.
        others = [name for name in offered if name not in model.data.features] if policy.model.champion else []
        # Nothing else holds on to the rows in their first order: of large data there is room for two copies, not three.
        rows, prints, order = _shuffled(_complete(independent, model, grouped, others), model, seed=independent_digest)
    number = pl.int_range(rows.height, eager=True).alias(ROW)
    features = pl.DataFrame([number, *rows.select(model.data.features)])
    write_frame(features.hstack(rows.select(others)), params.features / FEATURES_FILE)
    probes = make_probes(features, behaviour, seed=independent_digest, own=model.behaviour, offered=offered)
    if probes is not None:
        context.say(f"prepare-evaluation: {probes.rows.height} changed rows")
    _write_or_remove(probes.rows if probes else None, params.features / PROBES_FILE)
    _write_or_remove(probes.key if probes else None, params.labels / PROBES_FILE)
    groups = pl.DataFrame([number, *rows.select(grouped)]) if grouped else None
    _write_or_remove(groups, params.labels / GROUPS_FILE)
    # The judge has no source: what the maker says of the model comes to it from here.
    write_text(params.labels / MODEL_FILE, (params.source / MODEL_FILE).read_text(encoding="utf-8"))
    write_frame(
        pl.DataFrame(
            [number, (order + 1).alias(NUMBER), rows[model.data.label].alias(LABEL), prints.alias(FINGERPRINT)]
        ),
        params.labels / LABELS_FILE,
    )
    context.say("prepare-evaluation: looking for its rows in the training data")
    with open_training(params.source, model, policy) as training:
        training_digest, training_rows = training.digest, training.opened.rows()
        training_artifact = Artifact(uri=training.file, digest=training_digest)
        shared = _shared(training, model, prints, seed=independent_digest)
    write_frame(shared.alias(FINGERPRINT).to_frame(), params.labels / TRAINING_FILE)

    results = Results(
        features_digest=sha256_file(params.features / FEATURES_FILE),
        probes_digest="" if probes is None else sha256_file(params.features / PROBES_FILE),
        labels_digest=sha256_tree(params.labels),
        training_data_digest=training_digest,
        independent_data_digest=independent_digest,
        training_artifact=training_artifact,
        independent_artifact=independent_artifact,
    )
    report = decide(
        "prepare-evaluation",
        [
            Check(name="the independent data is the policy's", passed=True, value=independent_digest),
            Check(name="independent rows", passed=True, value=str(rows.height)),
            Check(name="training rows compared with them", passed=True, value=str(training_rows)),
            Check(name="changed rows", passed=True, value=str(probes.rows.height if probes else 0)),
        ],
        passed=f"{rows.height} independent rows split into features and labels",
        refused="",
        solution="",
        digests={
            "source": params.source_digest,
            "policy": params.policy_digest,
            "training-data": training_digest,
            "independent-data": independent_digest,
            "features": results.features_digest or "",
            "labels": results.labels_digest or "",
        },
    )
    return Outcome(report=report, results=results)


def _complete(independent: Dataset, model: Model, groups: Sequence[str], others: Sequence[str]) -> pl.DataFrame:
    """The independent rows with the groups' columns and the features that only other models are given.

    Raises BadInputError where a value of the model's own features or of the label is missing.
    """
    missing = missing_values(independent, require_columns(independent, model))
    if missing:
        column, count = next(iter(missing.items()))
        raise BadInputError(
            f"column {column} of {independent.file} has {count} missing or infinite values",
            solution="provide independent data without gaps",
        )
    rows = require_columns(independent, model, beside=list(dict.fromkeys([*groups, *others])))
    return independent.opened.collect(rows.with_columns(plain(independent, name) for name in others))


def _write_or_remove(frame: pl.DataFrame | None, target: Path) -> None:
    """A file that an earlier attempt left would be taken for this one's."""
    if frame is None:
        target.unlink(missing_ok=True)
    else:
        write_frame(frame, target)


def _shared(training: Dataset, model: Model, prints: pl.Series, *, seed: str) -> pl.Series:
    """Those of `prints` that are also of a training row, sorted; a batch of training rows is held at a time."""
    wanted = prints.unique()
    found = [wanted.clear()]
    with training.opened.reading():
        for batch in require_columns(training, model).select(model.data.features).collect_batches():
            theirs = fingerprints(batch, seed=seed)
            found.append(theirs.filter(theirs.is_in(wanted.implode())))
    return pl.concat(found).unique().sort()


def _shuffled(rows: pl.DataFrame, model: Model, *, seed: str) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    """`rows`, their fingerprints and their places in the data, all sorted by fingerprint."""
    prints = fingerprints(rows.select(model.data.features), seed=seed)
    order = pl.DataFrame([prints.alias("print")]).with_row_index("place").sort("print", maintain_order=True)["place"]
    return rows[order], prints[order], order
