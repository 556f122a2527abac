"""test-image: call the container that would be deployed, and compare its answers with the model's own.

The container runs beside this step and has nothing but the image. It is asked for readiness, then for predictions on
independent rows: in batches, which also warm it up, and then row by row, which is timed from outside. Every answer
must be the label that predict-model got from the model file; so what the judge says of the model holds for the image.
Then it is asked what cannot be answered, put under a short load, and asked for its metrics
(`hallmark.container_probes`). A container that fetches its model gets it from this step, by the model's digest.

Trusts: the policy and the digests that it recomputes. Not the container: answers are bounded in size and time, and
only labels are taken from them, beside a short quotation of an error.
Refuses: a container that is not ready in time, that answers otherwise than the protocol says, whose answers differ
from the model's more often than the policy allows, that takes wrong input for its own fault, or that is slower under
load, larger or without metrics where the policy has a rule for it.
Whether it drains at SIGTERM is not asked: nobody in a pod may send a signal to another container of it.

Figures: `latency_seconds`, a number for each row that was asked alone; `mismatches`, counts; `container`: seconds until
it was ready as this step saw it, the load's p95 in seconds, and what its metrics say of memory and start.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from hallmark import container_probes, model_offer
from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.datasets import FEATURES_FILE, PREDICTION, PREDICTIONS_FILE, RESPONSES_FILE, ROW, write_frame
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import Policy, load_policy
from hallmark.documents.rules_image import ImageRules
from hallmark.errors import BadInputError
from hallmark.files import DIGEST, require_digest, sha256_file, sha256_tree
from hallmark.gate_report import Check, decide
from hallmark.inference_client import BadAnswerError, Server
from hallmark.judgement import same_number
from hallmark.labels import canonical
from hallmark.platforms import this_machine
from hallmark.redaction import printable

EXAMPLE = (
    "hallmark test-image --source=run/source --policy=policy --features=run/features --predictions=run/predictions "
    "--responses=run/responses --image-digest=sha256:... --source-digest=sha256:... --policy-digest=sha256:... "
    "--features-digest=sha256:... --predictions-digest=sha256:..."
)

SECONDS = "seconds"
BATCH = 16
PROBING_SECONDS = 1200.0
"""All requests together; a container that needs longer for the policy's rows is refused."""
CONTAINER = "candidate"
"""The sidecar's name in the Task."""
LOG_LINES, LOG_COLUMNS, LOG_BYTES = 12, 300, 64 << 10
"""Of the container's own log, where it ended before it was sent anything."""
SOLUTION = (
    "run the image on your machine with a random user and a read-only root, and call it as hallmark.yaml says; let it "
    "predict with the very model file that it was built with"
)
NOT_READY = "read the container's log (on Kubernetes: kubectl logs POD -c sidecar-candidate);"
FAILURES = 3
"""Answers that are none until no more is asked."""


@dataclass(frozen=True, kw_only=True)
class Params:
    image_digest: str = param("Digest of the image that the container runs")
    source_digest: str = param("Digest of the source, from fetch-source")
    policy_digest: str = param("Digest of the policy, from fetch-source")
    features_digest: str = param("Digest of the features, from prepare-evaluation")
    predictions_digest: str = param("Digest of the predictions, from predict-model")
    source: Path = path("The checked out repository, for hallmark.yaml")
    policy: Path = path("The validators' folder with policy.yaml")
    features: Path = path("Folder with features.parquet")
    predictions: Path = path("Folder with predictions.parquet")
    responses: Path = path("Where responses.parquet is written: row, prediction, seconds")
    model_digest: str | None = param(
        "Digest of the model file, from train; only of use where the container fetches its model", default=None
    )
    model: Path | None = path("Folder with model.<format>; offered to a container that fetches its model", default=None)
    container_state: Path | None = path(
        "Folder in which the engine tells that the container has ended: candidate.exit-code, candidate.log",
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class Results:
    responses_digest: str | None = result("Digest of responses.parquet; written also when the gate says no")
    tested_platform: str | None = result("The machine that the container ran on, as images name it: `linux/amd64`")


@dataclass(frozen=True, kw_only=True)
class Question:
    """A row that is sent, and the canonical label that the model gave for it."""

    row: int
    features: Sequence[object]
    expected: str
    tolerance: float | None = None
    """Relative difference up to which a number is the same; None: the label has to be the very same."""

    def answered_by(self, label: str) -> bool:
        """Whether `label` is the model's own answer."""
        return label == self.expected or (
            self.tolerance is not None and same_number(label, self.expected, self.tolerance)
        )


@dataclass(kw_only=True)
class Findings:
    """What the container did, row by row."""

    answers: dict[int, tuple[str, float]]
    """Row to the label it got alone, and the seconds that took."""
    wrong_alone: list[int]
    wrong_in_batch: list[int]
    failures: list[str]


def run(params: Params, context: Context) -> Outcome:
    """Wait until the container is ready, ask it, compare.

    Raises:
        BadInputError: an artefact is not the one that was handed over.
    """
    policy, model, server, questions = _prepare(params)
    state = params.container_state
    with _offer(params, model, context.say):
        taken, last = server.wait_until_ready(policy.image.ready_within, context.say, lambda: ended(state) is not None)
    findings = Findings(answers={}, wrong_alone=[], wrong_in_batch=[], failures=[])
    if taken is not None:
        context.say(f"ready after {taken:.1f} s; sending {len(questions)} rows")
        _ask(server, questions, findings, context.say)
    _write(params.responses, findings)
    digest = sha256_file(params.responses / RESPONSES_FILE)
    checks = [_ready(taken, last, policy, state)]
    told: dict[str, Any] = {}
    if taken is not None:
        checks += _checks(findings, len(questions), policy)
        if all(check.passed for check in checks):
            more, told = _probe(server, model, questions, policy.image, context.say)
            checks += more
        told["ready_seconds"] = round(taken, 3)
    report = decide(
        "test-image",
        checks,
        passed=f"the container gave the model's own answer for {len(questions)} rows",
        refused=next((f"{check.name}: {check.value}" for check in checks if not check.passed), ""),
        solution=SOLUTION if taken is not None else f"{NOT_READY} {SOLUTION}",
        figures={
            "latency_seconds": [round(seconds, 6) for _, seconds in findings.answers.values()],
            "mismatches": {
                "rows": len(questions),
                "alone": len(findings.wrong_alone),
                "in_batch": len(findings.wrong_in_batch),
            },
            "container": told,
        },
        digests={
            "image": params.image_digest,
            "source": params.source_digest,
            "policy": params.policy_digest,
            "features": params.features_digest,
            "predictions": params.predictions_digest,
            "responses": digest,
        },
    )
    return Outcome(report=report, results=Results(responses_digest=digest, tested_platform=this_machine()))


def _offer(params: Params, model: Model, say: Callable[[str], None]) -> contextlib.AbstractContextManager[object]:
    """Offers the model as long as the container may fetch it; nothing, where the model is in the image."""
    if model.image.model == "baked":
        return contextlib.nullcontext()
    if params.model is None or params.model_digest is None:
        raise BadInputError(
            "the container fetches its model (image.model in hallmark.yaml), and no model is given to offer it",
            solution="bind the folder that train wrote to the workspace model, and give its digest as model-digest",
        )
    file = params.model / f"model.{model.model.format}"
    require_digest("the model", sha256_file(file), params.model_digest)
    say("the container fetches its model from this step")
    return model_offer.offered(file, params.model_digest, port=model_offer.PORT)


def ended(state: Path | None) -> tuple[int, str] | None:
    """The container's exit code and the last it wrote, if the engine has told that it ended; None: it runs, or nobody
    knows."""
    if state is None:
        return None
    try:
        code = int((state / f"{CONTAINER}.exit-code").read_text())
        log = (state / f"{CONTAINER}.log").read_bytes()[-LOG_BYTES:].decode(errors="replace")
    except (OSError, ValueError):
        return None
    return code, "\n".join(printable(line)[:LOG_COLUMNS] for line in log.splitlines()[-LOG_LINES:])


def _ready(taken: float | None, last: str, policy: Policy, state: Path | None) -> Check:
    """Whether it became ready; where it ended instead, with its last words."""
    gone = ended(state) if taken is None else None
    value = f"the last answer was: {last}" if taken is None else f"after {taken:.1f} s"
    return Check(
        name="ready",
        passed=taken is not None,
        value=f"the container ended with exit code {gone[0]}" if gone else value,
        limit=f"within {policy.image.ready_within:g} s",
        detail=gone[1] if gone else "",
    )


def _probe(
    server: Server, model: Model, questions: list[Question], rules: ImageRules, say: Callable[[str], None]
) -> tuple[list[Check], dict[str, Any]]:
    """Everything beside the rows; only of a container that answers them."""
    checks = []
    if model.image.liveness:
        checks.append(container_probes.health_check(server, model.image.liveness))
    if rules.wrong_input:
        checks.append(container_probes.wrong_input_check(server, questions[0].features))
    say(f"{rules.load.requests} requests, {rules.load.concurrency} at the same time")
    asked = [(question.features, question.answered_by) for question in questions]
    loaded = container_probes.load(server, asked, rules)
    samples, reason = container_probes.metrics(server, model.image.metrics)
    checks += container_probes.load_checks(loaded, rules) + container_probes.metrics_checks(samples, reason, rules)
    p95 = container_probes.p95(loaded.seconds)
    told = {"p95_seconds": None if p95 is None else round(p95, 6)}
    for name in (container_probes.MEMORY, container_probes.STARTED):
        if math.isfinite(value := samples.get(name, math.nan)):
            told[name] = value
    return checks, told


def _prepare(params: Params) -> tuple[Policy, Model, Server, list[Question]]:
    if not DIGEST.fullmatch(params.image_digest):
        raise BadInputError(
            f"--image-digest={params.image_digest} is no digest", solution="give build-image's result IMAGE_DIGEST"
        )
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    require_digest("the source", sha256_tree(params.source), params.source_digest)
    model = load_model(params.source)
    features, predictions = params.features / FEATURES_FILE, params.predictions / PREDICTIONS_FILE
    require_digest("the features", sha256_file(features), params.features_digest)
    require_digest("the predictions", sha256_file(predictions), params.predictions_digest)
    server = Server(
        port=model.image.port,
        readiness=model.image.readiness,
        predict=model.predict,
        features=tuple(model.data.features),
    )
    joined = pl.read_parquet(features).join(pl.read_parquet(predictions), on=ROW, how="inner", validate="1:1")
    chosen = joined.sort(ROW)[spread(joined.height, policy.image.rows)]
    if chosen.is_empty():
        raise BadInputError(
            "features and predictions have no row in common", solution="let predict-model predict these features"
        )
    expected = canonical(chosen[PREDICTION].to_list())
    tolerance = policy.image.tolerance if model.task == "regression" else None
    rows = chosen.select(model.data.features).rows()
    questions = [
        Question(row=row, features=values, expected=label, tolerance=tolerance)
        for row, values, label in zip(chosen[ROW].to_list(), rows, expected, strict=True)
    ]
    return policy, model, server, questions


def spread(total: int, wanted: int) -> list[int]:
    """At most `wanted` of the indices 0..total-1, evenly spread.

    >>> spread(10, 3), spread(2, 5)
    ([0, 3, 6], [0, 1])
    """
    count = min(total, wanted)
    return [index * total // count for index in range(count)]


def _ask(server: Server, questions: list[Question], findings: Findings, say: Callable[[str], None]) -> None:
    """Ask in batches, then row by row, until all is asked, time is up, or the server has failed too often."""
    end = told = time.monotonic()
    end += PROBING_SECONDS
    for done, batch in enumerate(_batches(questions), start=1):
        now = time.monotonic()
        if now > end:
            findings.failures.append(f"the requests took longer than {PROBING_SECONDS:g} s")
        if now > end or len(findings.failures) >= FAILURES:
            return
        if now - told > 2:
            told = now
            say(f"{done} requests sent")
        try:
            labels, seconds = server.predictions([question.features for question in batch])
        except BadAnswerError as error:
            alone = f"row {batch[0].row}" if len(batch) == 1 else f"{len(batch)} rows from row {batch[0].row}"
            findings.failures.append(f"{alone}: {error}")
            continue
        wrong = [question.row for question, label in zip(batch, labels, strict=True) if not question.answered_by(label)]
        if len(batch) > 1:
            findings.wrong_in_batch += wrong
        else:
            findings.answers[batch[0].row] = (labels[0], seconds)
            findings.wrong_alone += wrong


def _batches(questions: list[Question]) -> Iterator[list[Question]]:
    for start in range(0, len(questions), BATCH):
        if len(batch := questions[start : start + BATCH]) > 1:
            yield batch
    for question in questions:
        yield [question]


def _checks(findings: Findings, rows: int, policy: Policy) -> list[Check]:
    allowed = policy.image.maximum_mismatches
    counts = [("answers alone", findings.wrong_alone), ("answers in batches", findings.wrong_in_batch)]
    return [
        Check(
            name="protocol",
            passed=not findings.failures and len(findings.answers) == rows,
            value=findings.failures[0] if findings.failures else f"{len(findings.answers)} of {rows} rows answered",
            limit='{"predictions": [one label a row]}',
            detail="\n".join(findings.failures),
        ),
        *(
            Check(
                name=name,
                passed=len(wrong) <= allowed,
                value=f"{len(wrong)} of {rows} differ from the model's",
                limit=f"at most {allowed}",
                detail=f"rows {', '.join(map(str, wrong[:10]))}" if wrong else "",
            )
            for name, wrong in counts
        ),
    ]


def _write(folder: Path, findings: Findings) -> None:
    columns: dict[str, Any] = {
        ROW: pl.Series(list(findings.answers), dtype=pl.Int64),
        PREDICTION: pl.Series([label for label, _ in findings.answers.values()], dtype=pl.String),
        SECONDS: pl.Series([seconds for _, seconds in findings.answers.values()], dtype=pl.Float64),
    }
    write_frame(pl.DataFrame(columns).sort(ROW), folder / RESPONSES_FILE)
