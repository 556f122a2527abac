"""verify-model: judges predictions that others wrote, on labels that only it has, and writes the verdict.

It never loads a model. Everything it reads has a digest that its writer handed over as a result, and that is
recomputed here. It trusts the policy; of the repository it takes only a stricter minimum.

It refuses a model whose accuracy (or, for a regression, error) on the independent data misses its limit, or was not
measured as the policy asks: on too few rows, on the training data or rows of it, by a container that answers otherwise
than the model, for another model's policy, or without the passing report of a required gate that is about this very
delivery. The verdict is written also when it refuses; only a passing one is ever signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
from pydantic import ValidationError

from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.datasets import (
    FINGERPRINT,
    LABEL,
    LABELS_FILE,
    PREDICTION,
    PREDICTIONS_FILE,
    RESPONSES_FILE,
    ROW,
    TRAINING_FILE,
    read_frame,
)
from hallmark.documents.policy import Policy, load_policy
from hallmark.errors import BadInputError
from hallmark.evidence import Evidence, read_evidence
from hallmark.files import require_digest, sha256_file, sha256_tree
from hallmark.fingerprints import overlap
from hallmark.gate_report import Check, decide, failures
from hallmark.image_reference import image
from hallmark.labels import canonical
from hallmark.regression import same_number
from hallmark.scoring import judge_classes, judge_numbers
from hallmark.verdict import (
    GateEvidence,
    Metric,
    Verdict,
    VerdictCheck,
    VerdictData,
    VerdictImage,
    VerdictModel,
    VerdictSource,
)


@dataclass(frozen=True, kw_only=True)
class Params:
    repository_url: str = param("The model repository's URL without credentials, from fetch-source")
    commit: str = param("Full SHA of the commit, from fetch-source")
    commit_time: int = param("The committer's date in seconds since 1970, from fetch-source")
    source_digest: str = param("Digest of the checked out tree, from fetch-source")
    policy_digest: str = param("Digest of the policy's folder, from fetch-source")
    training_data_digest: str = param("SHA-256 of the training data, from prepare-evaluation")
    independent_data_digest: str = param("SHA-256 of the independent data, from prepare-evaluation")
    labels_digest: str = param("Digest of the labels' folder, from prepare-evaluation")
    predictions_digest: str = param("SHA-256 of predictions.parquet, from predict-model")
    responses_digest: str = param("SHA-256 of responses.parquet, from test-image")
    model_digest: str = param("SHA-256 of the model's file, from train")
    model_name: str = param("The model's name, from fetch-source")
    model_version: str = param("The model's version, from fetch-source")
    minimum_accuracy: float | None = param(
        "The repository's own minimum, from fetch-source; may only tighten the policy's", default=None
    )
    candidate_image: str = param("Repository that the image was pushed to, without a tag")
    image_digest: str = param("The image's digest, from build-image")
    gates: tuple[str, ...] = param("`command=report-digest` of every gate that ran before")
    labels: Path = path("Folder that holds labels.parquet and training.parquet")
    predictions: Path = path("Folder that holds predictions.parquet")
    responses: Path = path("Folder that holds responses.parquet")
    policy: Path = path("The validators' folder")
    reports: Path = path("Folder of all tasks' reports: <task>/<command>.json")
    verdict: Path = path("Folder for verdict.json")


@dataclass(frozen=True, kw_only=True)
class Results:
    verdict_digest: str | None = result("SHA-256 of verdict.json")
    accuracy: str | None = result("Accuracy on the independent data; empty for a regression")


EXAMPLE = (
    "hallmark verify-model --labels=labels --predictions=predictions --responses=responses --policy=policy"
    " --reports=reports --verdict=verdict --commit=... --gates check-code=sha256:... test-code=sha256:... ..."
)


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """What the data say, before any limit is looked at."""

    truth: list[str]
    predicted: list[str]
    overlap: float
    compared: int
    """Rows that the container answered."""
    mismatches: int
    """Of them, those where it answered otherwise than the model."""

    @property
    def rows(self) -> int:
        return len(self.truth)


def run(params: Params, context: Context) -> Outcome:
    """Judge, and write verdict.json.

    For classes, `figures` holds `confusion_matrix` {labels, counts} (rows are the true classes) and `accuracy` {value,
    low, high, minimum}; for numbers, `metrics` [{name, value, low, high, minimum, maximum}].
    """
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    regression = policy.model.regression
    minimum = _minimum(params, policy)
    measured = _measure(params, policy)
    digests = _digests(params)
    evidence = read_evidence(params.gates, params.reports, digests)
    judged = (
        judge_classes(measured.truth, measured.predicted, minimum)
        if regression is None
        else judge_numbers(measured.truth, measured.predicted, regression)
    )
    checks = [*_data_checks(params, policy, measured), *judged.checks]
    checks += [_container_check(policy, measured), *_gate_checks(policy, evidence)]

    verdict = _verdict(params, measured, judged.metrics, evidence, checks)
    digest = sha256_file(verdict.write(params.verdict))
    report = decide(
        "verify-model",
        checks,
        passed=judged.said,
        refused=failures(checks),
        solution="improve the model or its data; the limits are the policy's, and are its owners' to change",
        figures=judged.figures,
        digests={**digests, "verdict": digest},
    )
    return Outcome(report=report, results=Results(verdict_digest=digest, accuracy=judged.accuracy))


def _minimum(params: Params, policy: Policy) -> float:
    own = params.minimum_accuracy
    if own is not None and not 0 <= own <= 1:
        raise BadInputError(
            f"--minimum-accuracy={own} is no accuracy", solution="give a number from 0 to 1, or nothing"
        )
    return max(policy.model.accuracy.minimum if policy.model.accuracy else 0.0, own or 0.0)


def _measure(params: Params, policy: Policy) -> _Measured:
    """Read what the other tasks wrote, after its digests were found right."""
    require_digest("the folder of labels", sha256_tree(params.labels), params.labels_digest)
    predictions, responses = params.predictions / PREDICTIONS_FILE, params.responses / RESPONSES_FILE
    require_digest(PREDICTIONS_FILE, sha256_file(predictions), params.predictions_digest)
    require_digest(RESPONSES_FILE, sha256_file(responses), params.responses_digest)
    labels = read_frame(params.labels / LABELS_FILE, what=LABELS_FILE)
    training = read_frame(params.labels / TRAINING_FILE, what=TRAINING_FILE)
    truth = _by_row(labels, LABEL, LABELS_FILE)
    told = _by_row(read_frame(predictions, what=PREDICTIONS_FILE), PREDICTION, PREDICTIONS_FILE)
    answered = _by_row(read_frame(responses, what=RESPONSES_FILE), PREDICTION, RESPONSES_FILE)
    if not truth or told.keys() != truth.keys() or not answered.keys() <= truth.keys():
        raise BadInputError(
            f"{LABELS_FILE}, {PREDICTIONS_FILE} and {RESPONSES_FILE} are not about the same rows",
            solution="hand over the results of one run",
        )
    same = str.__eq__ if policy.model.regression is None else partial(same_number, tolerance=policy.image.tolerance)

    return _Measured(
        truth=list(truth.values()),
        predicted=[told[row] for row in truth],
        overlap=overlap(labels[FINGERPRINT], training[FINGERPRINT]),
        compared=len(answered),
        mismatches=sum(not same(told[row], label) for row, label in answered.items()),
    )


def _by_row(frame: pl.DataFrame, column: str, file: str) -> dict[int, str]:
    """Canonical labels by row."""
    try:
        rows: list[int] = frame[ROW].to_list()
        labels = dict(zip(rows, canonical(frame[column].to_list()), strict=True))
    except (ValueError, pl.exceptions.ColumnNotFoundError) as error:
        raise BadInputError(f"{file} is not what its writer writes: {error}", solution="start a new run") from error
    if len(labels) != frame.height:
        raise BadInputError(f"{file} has a row twice", solution="start a new run")
    return labels


def _digests(params: Params) -> dict[str, str]:
    """This delivery's artefacts by the names that every report uses."""
    return {
        "source": params.source_digest,
        "policy": params.policy_digest,
        "training-data": params.training_data_digest,
        "independent-data": params.independent_data_digest,
        "labels": params.labels_digest,
        "model": params.model_digest,
        "predictions": params.predictions_digest,
        "responses": params.responses_digest,
        "image": params.image_digest,
    }


def _data_checks(params: Params, policy: Policy, measured: _Measured) -> Iterator[Check]:
    rules = policy.data
    yield Check(
        name="the policy is this model's",
        passed=policy.metadata.name == params.model_name,
        value=params.model_name,
        limit=policy.metadata.name,
    )
    yield Check(
        name="the independent data is the policy's",
        passed=params.independent_data_digest == rules.independent.sha256,
        value=params.independent_data_digest,
        limit=rules.independent.sha256,
    )
    yield Check(
        name="the independent data is not the training data",
        passed=params.independent_data_digest != params.training_data_digest,
        value=params.training_data_digest,
        limit="another file",
    )
    yield Check(
        name="rows that the training data holds too",
        passed=measured.overlap <= rules.maximum_overlap,
        value=f"{measured.overlap:.6g} of {measured.rows} rows",
        limit=f"at most {rules.maximum_overlap:g}",
        detail="these rows measure memory, not skill: take them out of the training data",
    )
    yield Check(
        name="rows judged",
        passed=measured.rows >= policy.model.minimum_rows,
        value=str(measured.rows),
        limit=f"at least {policy.model.minimum_rows}",
    )


def _container_check(policy: Policy, measured: _Measured) -> Check:
    wanted = min(policy.image.rows, measured.rows)
    return Check(
        name="the container answers as the model",
        passed=measured.compared >= wanted and measured.mismatches <= policy.image.maximum_mismatches,
        value=f"{measured.mismatches} of {measured.compared} answers differ",
        limit=f"at most {policy.image.maximum_mismatches} of {wanted}",
    )


def _gate_checks(policy: Policy, evidence: dict[str, Evidence]) -> Iterator[Check]:
    for gate in policy.required_gates:
        found = evidence.get(gate)
        yield Check(
            name=f"gate {gate}",
            passed=found is not None and found.passed,
            value="no report" if found is None else found.said,
            limit="passed",
        )


def _verdict(
    params: Params, measured: _Measured, metrics: dict[str, Metric], evidence: dict[str, Evidence], checks: list[Check]
) -> Verdict:
    candidate = image(params.candidate_image, params.image_digest)
    if urlsplit(params.repository_url).password is not None:
        raise BadInputError("--repository-url holds a password", solution="hand over fetch-source's result")
    try:
        return Verdict(
            passed=all(check.passed for check in checks),
            model=VerdictModel(name=params.model_name, version=params.model_version, digest=params.model_digest),
            source=VerdictSource.model_validate(
                {
                    "repository": params.repository_url,
                    "commit": params.commit,
                    "commitTime": params.commit_time,
                    "digest": params.source_digest,
                }
            ),
            policy=params.policy_digest,
            data=VerdictData(
                training=params.training_data_digest,
                independent=params.independent_data_digest,
                rows=measured.rows,
                overlap=measured.overlap,
            ),
            image=VerdictImage(repository=candidate.repository, digest=candidate.digest),
            metrics=metrics,
            gates={gate: GateEvidence(passed=found.passed, report=found.digest) for gate, found in evidence.items()},
            checks=[
                VerdictCheck(name=check.name, passed=check.passed, value=check.value, limit=check.limit)
                for check in checks
            ],
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadInputError(
            f"no verdict can be made of these params: {where}: {first['msg']}", solution="hand over the tasks' results"
        ) from error
