"""verify-model: judges predictions that others wrote, on labels that only it has, and writes the verdict.

It never loads a model. Everything it reads has a digest that its writer handed over as a result, and that is
recomputed here. It trusts the policy; of the repository it takes only a stricter minimum.

It refuses a model of which a metric on the independent data misses its limit, or was not measured as the policy asks:
with too wide an interval, on too few rows, on the training data or rows of it, by a container that answers otherwise
than the model, for another model's policy, or without the passing report of a required gate that is about this very
delivery. The verdict is written also when it refuses; only a passing one is ever signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
from pydantic import ValidationError

from hallmark.accuracy.classes import Answers
from hallmark.accuracy.judge import Judged, judge_classes, judge_numbers
from hallmark.accuracy.mistakes import worst_mistakes
from hallmark.accuracy.numbers import Numbers
from hallmark.behaviour.gate import judge_behaviour
from hallmark.command import Context, Outcome
from hallmark.comparison import Standing, judge_against, standing
from hallmark.contract import param, path, result
from hallmark.datasets import FEATURES_FILE, GROUPS_FILE, NUMBER, ROW, read_frame
from hallmark.documents.mistakes import first_of
from hallmark.documents.policy import Policy, load_policy
from hallmark.documents.rules_model import Limit, ShareAtLeast
from hallmark.errors import BadInputError
from hallmark.evidence import Evidence, read_evidence
from hallmark.files import sha256_file
from hallmark.findings import Findings, together
from hallmark.gate_report import Check, decide, failures
from hallmark.handed_over import Handed, Measured, measure
from hallmark.image_reference import image
from hallmark.inputs.errors import told
from hallmark.performance.document import PERFORMANCE_FILE, read_performance
from hallmark.performance.document import Measured as Performance
from hallmark.performance.judgement import judge_performance
from hallmark.platforms import of_text
from hallmark.release import platform_checks
from hallmark.run_checks import container_check, data_checks, gate_checks
from hallmark.verdict import (
    Metric,
    Verdict,
    VerdictChampion,
    VerdictCheck,
    VerdictData,
    VerdictImage,
    VerdictModel,
    VerdictSource,
    this_second,
)
from hallmark.versions import installed


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
    features_digest: str = param("SHA-256 of features.parquet, from prepare-evaluation")
    predictions_digest: str = param("SHA-256 of predictions.parquet, from predict-model")
    performance_digest: str = param("SHA-256 of performance.json, from predict-model")
    responses_digest: str = param("SHA-256 of responses.parquet, from test-image")
    model_digest: str = param("SHA-256 of the model's file, from train")
    model_name: str = param("The model's name, from fetch-source")
    model_version: str = param("The model's version, from fetch-source")
    minimum_accuracy: float | None = param(
        "The repository's own minimum, from fetch-source; may only tighten the policy's", default=None
    )
    champion_digest: str = param(
        "Digest of the folder with the model in production, or `none` or `not-asked`, from fetch-champion"
    )
    champion_place: str | None = param(
        "Where production is described, from fetch-champion; empty where that is not asked for", default=None
    )
    champion_image: str | None = param("The image in production, from fetch-champion", default=None)
    champion_model_digest: str | None = param("SHA-256 of the model in it, from fetch-champion", default=None)
    champion_predictions_digest: str | None = param("SHA-256 of champion.parquet, from predict-model", default=None)
    candidate_image: str = param("Repository that the image was pushed to, without a tag")
    image_digest: str = param("The image's digest, from build-image")
    image_platforms: str | None = param(
        "Digests of a list's images by platform, from build-image; empty of a single image", default=None
    )
    tested_platform: str | None = param("The machine that the container ran on, from test-image", default=None)
    gates: tuple[str, ...] = param("`command=report-digest` of every gate that ran before")
    features: Path = path("Folder that holds features.parquet")
    labels: Path = path("The labels' folder, from prepare-evaluation")
    predictions: Path = path("Folder that predict-model wrote")
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


def run(params: Params, context: Context) -> Outcome:
    """Judge, and write verdict.json.

    `figures` holds `metrics` [{name, value, low, high, minimum, maximum, decide}] and what `accuracy.figures` says;
    where the policy asks for it `champion`, as `accuracy.champion` says; those of the packages `behaviour` and
    `performance`, and `accuracy.mistakes`.
    """
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    limits, candidate = _limits(params, policy), _candidate(params)
    measured = measure(
        policy,
        labels=Handed(folder=params.labels, digest=params.labels_digest),
        predictions=Handed(folder=params.predictions, digest=params.predictions_digest),
        responses=Handed(folder=params.responses, digest=params.responses_digest),
        production=standing(
            policy,
            folder=params.champion_digest,
            image=params.champion_image,
            model=params.champion_model_digest,
            predictions=params.champion_predictions_digest,
            place=params.champion_place,
        ),
    )
    digests = _digests(params, measured.production.standing)
    evidence = read_evidence(params.gates, params.reports, digests)
    judged = _judged(measured.sample, limits)
    against_champion, champion = _against_champion(params, policy, measured)
    findings = together(
        [
            judged.findings,
            against_champion,
            _behaviour(params, policy, measured),
            judge_performance(_performance(params), policy.model.performance),
            _mistakes(policy, measured),
        ]
    )
    checks = [
        *data_checks(
            policy,
            model_name=params.model_name,
            training=params.training_data_digest,
            independent=params.independent_data_digest,
            overlap=measured.overlap,
            rows=measured.rows,
        ),
        *findings.checks,
        container_check(policy, rows=measured.rows, compared=measured.compared, mismatches=measured.mismatches),
        *platform_checks(candidate, policy),
        *gate_checks(policy, evidence),
    ]

    verdict = _verdict(params, measured, judged.metrics, champion, evidence, candidate, checks)
    digest = sha256_file(verdict.write(params.verdict))
    report = decide(
        "verify-model",
        checks,
        passed=judged.said,
        refused=failures(checks),
        solution="improve the model or its data; the limits are the policy's, and are its owners' to change",
        figures=findings.figures,
        digests={**digests, "verdict": digest},
    )
    return Outcome(report=report, results=Results(verdict_digest=digest, accuracy=judged.accuracy))


def _limits(params: Params, policy: Policy) -> dict[str, Limit]:
    """The policy's, with the repository's own minimum where that is stricter."""
    own = params.minimum_accuracy
    if own is not None and not 0 <= own <= 1:
        raise BadInputError(
            f"--minimum-accuracy={own} is no accuracy", solution="give a number from 0 to 1, or nothing"
        )
    limits = policy.model.metrics.limits
    if own is not None and policy.model.task == "classification":
        asked = policy.model.metrics.accuracy or ShareAtLeast(minimum=own)
        limits["accuracy"] = asked.model_copy(update={"minimum": max(asked.minimum, own)})
    return limits


def _candidate(params: Params) -> VerdictImage:
    """What is judged, and where it ran."""
    named = image(params.candidate_image, params.image_digest)
    try:
        return VerdictImage(
            repository=named.repository,
            digest=named.digest,
            platforms=of_text(params.image_platforms or ""),
            tested=params.tested_platform,
        )
    except ValidationError as error:
        raise BadInputError(
            f"--tested-platform={params.tested_platform} names no platform",
            solution="hand over test-image's result tested-platform",
        ) from error


def _judged(sample: Answers | Numbers, limits: dict[str, Limit]) -> Judged:
    return judge_classes(sample, limits) if isinstance(sample, Answers) else judge_numbers(sample, limits)


def _against_champion(params: Params, policy: Policy, measured: Measured) -> tuple[Findings, VerdictChampion | None]:
    rules = policy.model.champion
    if rules is None:
        return Findings(), None
    return judge_against(measured.sample, measured.champion, rules, measured.production, model=params.model_digest)


def _behaviour(params: Params, policy: Policy, measured: Measured) -> Findings:
    """Slices, groups and changed rows. The labels' folder, whose digest was found right, holds all but the features."""
    model = measured.model
    handed = Handed(folder=params.features, digest=params.features_digest)
    features = read_frame(handed.checked(FEATURES_FILE), what=FEATURES_FILE)
    return judge_behaviour(
        features.select(ROW, *model.data.features),
        measured.labels,
        measured.predictions,
        policy.model.behaviour,
        task=policy.model.task,
        groups=_groups(params.labels / GROUPS_FILE, features.columns),
        key=measured.probes,
        own=model.behaviour,
        offered=policy.data.independent.features,
        shown=policy.data.quality.failing_rows,
    )


def _groups(file: Path, given: Sequence[str]) -> pl.DataFrame | None:
    """What the model was not given: the rest lies beside the features and may be as large as they are."""
    if not file.exists():
        return None
    with told(file.name):
        known = pl.scan_parquet(file).collect_schema().names()
        return pl.read_parquet(file, columns=[ROW, *(name for name in known if name not in given)])


def _mistakes(policy: Policy, measured: Measured) -> Findings:
    """The worst of them, by the row's number in the independent data."""
    numbers = measured.labels.sort(ROW)[NUMBER].cast(pl.Int64).to_numpy()
    return worst_mistakes(measured.sample, numbers, show_values=policy.data.quality.failing_rows.show_values)


def _performance(params: Params) -> Performance:
    handed = Handed(folder=params.predictions, digest=params.performance_digest)
    return read_performance(handed.checked(PERFORMANCE_FILE))


def _digests(params: Params, champion: Standing | None) -> dict[str, str]:
    """This delivery's artefacts by the names that every report uses."""
    return {
        "source": params.source_digest,
        "policy": params.policy_digest,
        "training-data": params.training_data_digest,
        "independent-data": params.independent_data_digest,
        "labels": params.labels_digest,
        "model": params.model_digest,
        "features": params.features_digest,
        "predictions": params.predictions_digest,
        "performance": params.performance_digest,
        "responses": params.responses_digest,
        "image": params.image_digest,
        **({"champion": champion.folder, "champion-predictions": champion.predictions} if champion else {}),
    }


def _verdict(
    params: Params,
    measured: Measured,
    metrics: dict[str, Metric],
    champion: VerdictChampion | None,
    evidence: dict[str, Evidence],
    candidate: VerdictImage,
    checks: list[Check],
) -> Verdict:
    described = measured.model
    if urlsplit(params.repository_url).password is not None:
        raise BadInputError("--repository-url holds a password", solution="hand over fetch-source's result")
    try:
        return Verdict(
            passed=all(check.passed for check in checks),
            judgedAt=this_second(),
            model=VerdictModel(
                name=params.model_name,
                version=params.model_version,
                digest=params.model_digest,
                format=described.model.format,
                task=described.task,
                features=described.data.features,
            ),
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
            image=candidate,
            metrics=metrics,
            champion=champion,
            gates={gate: found.in_verdict() for gate, found in evidence.items()},
            checks=[
                VerdictCheck(name=check.name, passed=check.passed, value=check.value, limit=check.limit)
                for check in checks
            ],
            tools=installed(),
        )
    except ValidationError as error:
        raise BadInputError(
            f"no verdict can be made of these params: {first_of(error)}", solution="hand over the tasks' results"
        ) from error
