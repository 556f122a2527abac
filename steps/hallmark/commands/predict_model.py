"""predict-model: loads the model safely, lets it predict on the independent features, and measures how fast it does so.

Trusts the policy and the digests that it recomputes. Trusts nothing that the model's file says: its format is read
from its bytes and has to be one that the policy allows; a skops file's types have to be skops' own or the policy's; an
ONNX file has to be self-contained and of standard operators; a pickle is loaded through an exact list of names, and
nothing of it runs before. Only then a guarded process loads it, with nothing to write to but its own HOME. There are
no labels here: whatever a hostile model does, it can at best predict.

Refuses a file of another format than described or allowed, a type or name that is not trusted, and a model that cannot
be loaded, is none for its task, fails, takes too long, does not give exactly one label (or number) for each row, or
gives others when it is asked again, in another process, while it is measured. The predictions' file is written here, by
the parent, from an answer that it checked; probes are asked among the other rows, so that the model cannot tell them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.datasets import (
    FEATURES_FILE,
    PREDICTION,
    PREDICTIONS_FILE,
    PROBABILITY_PREFIX,
    PROBES_FILE,
    ROW,
    write_frame,
)
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import Policy, load_policy
from hallmark.errors import BadInputError
from hallmark.files import require_digest, sha256_file, sha256_tree
from hallmark.gate_report import Check, decide
from hallmark.guard import GuardedRun, private_folder
from hallmark.model_files.answers import Answer, UnfitAnswerError
from hallmark.model_files.formats import READABLE_AS, detect, open_regular
from hallmark.model_files.session import ModelFile, ModelProcess, RefusedByModelError, Session, with_models
from hallmark.performance.document import PERFORMANCE_FILE, Measured
from hallmark.performance.measuring import Sample, measure_models
from hallmark.redaction import redacted

_SHUFFLE_SEED = 6
_MEASURED_ROWS = 200
"""Rows that are asked again while the model is measured."""
_PLACE = "place among the questions"


@dataclass(frozen=True, kw_only=True)
class Params:
    source_digest: str = param("Digest of the checked out tree, from fetch-source")
    policy_digest: str = param("Digest of the policy's folder, from fetch-source")
    features_digest: str = param("SHA-256 of features.parquet, from prepare-evaluation")
    probes_digest: str | None = param("SHA-256 of probes.parquet, where prepare-evaluation wrote one", default=None)
    model_digest: str = param("SHA-256 of the model's file, from train")
    source: Path = path("The checked out tree, for hallmark.yaml")
    policy: Path = path("The validators' folder")
    features: Path = path("Folder that holds features.parquet and, where the policy asks for probes, probes.parquet")
    model: Path = path("Folder that holds the model's file")
    predictions: Path = path(
        "Folder for predictions.parquet (row, prediction, each class's probability) and performance.json"
    )


@dataclass(frozen=True, kw_only=True)
class Results:
    predictions_digest: str | None = result("SHA-256 of predictions.parquet")
    performance_digest: str | None = result("SHA-256 of performance.json: how fast the model was, and how large")


EXAMPLE = (
    "hallmark predict-model --source=source --policy=policy --features=features --model=model"
    " --predictions=predictions --source-digest=sha256:... --policy-digest=sha256:..."
    " --features-digest=sha256:... --model-digest=sha256:..."
)


@dataclass(frozen=True, kw_only=True)
class _Questions:
    """The rows that the model is asked about."""

    rows: pl.Series
    """Their numbers, in the order in which they are asked."""
    file: Path
    """The features, in that order."""


def run(params: Params, context: Context) -> Outcome:
    """Write predictions.parquet, or say why there is none."""
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    require_digest("the source", sha256_tree(params.source), params.source_digest)
    model = load_model(params.source)
    digests = {
        "source": params.source_digest,
        "policy": params.policy_digest,
        "features": params.features_digest,
        "model": params.model_digest,
    }
    require_digest(FEATURES_FILE, sha256_file(params.features / FEATURES_FILE), params.features_digest)
    probes = params.features / PROBES_FILE
    if params.probes_digest is not None or probes.exists():
        require_digest(PROBES_FILE, sha256_file(probes), params.probes_digest or "")
        digests["probes"] = params.probes_digest or ""
    file = params.model / f"model.{model.model.format}"
    with open_regular(file):
        require_digest(file.name, sha256_file(file), params.model_digest)

    checks: list[Check] = []
    said = None
    with private_folder() as private:
        questions = _questions(params, model, private, probes=probes if "probes" in digests else None)
        try:
            found = detect(file)
            for check in _form_checks(found, model, policy):
                checks.append(_passed(check))
            described = ModelFile(
                path=file.resolve(),
                format=str(found),
                task=model.task,
                columns=tuple(model.data.features),
                trusted=tuple(policy.model.trusted_types),
                threads=policy.model.performance.threads,
            )
            said = _asked(described, questions, policy, checks, context.say)
        except _RefusedError as refusal:
            checks.append(refusal.check)
    results = _write(params.predictions, said)
    if results.predictions_digest is not None:
        digests["predictions"] = results.predictions_digest
    report = decide(
        "predict-model",
        checks,
        passed=f"the model was loaded safely and predicted {questions.rows.len()} rows",
        refused=f"{checks[-1].name}: no; {checks[-1].value}",
        solution="mend the model or its training script; if a type that the file holds is harmless, "
        "the policy's owner may add it to model.trustedTypes",
        digests=digests,
    )
    return Outcome(report=report, results=results)


class _RefusedError(Exception):
    """Nothing more is done with this model, for the reason that the check gives."""

    def __init__(self, check: Check) -> None:
        super().__init__(check.name)
        self.check = check


def _passed(check: Check) -> Check:
    if not check.passed:
        raise _RefusedError(check)
    return check


def _questions(params: Params, model: Model, private: Path, *, probes: Path | None) -> _Questions:
    """What the model is asked: the independent rows and, in between, the probes.

    Raises:
        BadInputError: there are no rows, a row stands twice, or the two files have other columns.
    """
    features = params.features / FEATURES_FILE
    rows = pl.read_parquet(features, columns=[ROW])[ROW]
    file = features.resolve()
    if probes is not None:
        columns = [ROW, *model.data.features]
        try:
            both = pl.concat([pl.read_parquet(name, columns=columns) for name in (features, probes)])
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
    return _Questions(rows=rows, file=file)


def _form_checks(found: str | None, model: Model, policy: Policy) -> Iterator[Check]:
    """What can be said about the file by its first bytes, each only if all before it passed."""
    shown = f"by its bytes {found or 'no format of a model'}"
    yield Check(
        name="the file is what hallmark.yaml calls it",
        passed=found in READABLE_AS[model.model.format],
        value=shown,
        limit=f"described as {model.model.format}",
    )
    yield Check(
        name="the policy allows the format",
        passed=any(found in READABLE_AS[allowed] for allowed in policy.model.formats),
        value=shown,
        limit=f"allowed: {', '.join(policy.model.formats)}",
    )


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What the model said to all rows, and how fast."""

    predictions: pl.DataFrame
    performance: Measured


def _asked(
    model: ModelFile, questions: _Questions, policy: Policy, checks: list[Check], say: Callable[[str], None]
) -> _Said:
    """What the model says. Adds a check for each thing that was looked at; raises _RefusedError at the first no."""

    def talk(session: Session) -> tuple[Answer, Measured]:
        if model.format in _AUDITED:
            with session.process() as process:
                checks.append(_passed(_audit_check(process, model)))
        with session.process() as process:
            process.load(model)
            answer = process.answer_file(questions.file, rows=questions.rows.len(), task=model.task)
        sample = _sample(questions, model, answer)
        return answer, measure_models(session, {"candidate": model}, sample, policy.model.performance)

    say(f"predict-model: loading {model.path.name} as {model.format}")
    ended = with_models(
        talk,
        formats={model.format},
        threads=model.threads,
        timeout=policy.model.timeout,
        say=lambda line: say(redacted(line)),
    )
    error = ended.error
    if error is not None and not isinstance(error, RefusedByModelError | UnfitAnswerError):
        raise error
    checks.append(_passed(_loading_check(ended.run, error, policy)))
    checks.append(_passed(_answer_check(questions, error)))
    if ended.said is None:
        raise RuntimeError("a conversation ended without an answer and without an error")
    answer, measured = ended.said
    checks.append(_passed(_repeated_check(measured)))
    columns = {f"{PROBABILITY_PREFIX}{name}": values for name, values in answer.probabilities.items()}
    frame = pl.DataFrame({ROW: questions.rows, PREDICTION: answer.predictions, **columns})
    return _Said(predictions=frame.sort(ROW), performance=measured)


def _sample(questions: _Questions, model: ModelFile, answer: Answer) -> Sample:
    """Some of the rows, with what the model said to them."""
    height = questions.rows.len()
    places = pl.int_range(height, eager=True).sample(min(height, _MEASURED_ROWS), seed=_SHUFFLE_SEED).sort()
    lazy = pl.scan_parquet(questions.file).select(model.columns).with_row_index(_PLACE)
    rows = lazy.filter(pl.col(_PLACE).is_in(places.cast(pl.UInt32).implode())).drop(_PLACE).collect(engine="streaming")
    return Sample(rows=rows, predictions={"candidate": answer.predictions.gather(places)})


def _write(folder: Path, said: _Said | None) -> Results:
    """Write both files, or remove what an earlier run left of them."""
    if said is None:
        for name in (PREDICTIONS_FILE, PERFORMANCE_FILE):
            (folder / name).unlink(missing_ok=True)
        return Results()
    write_frame(said.predictions, folder / PREDICTIONS_FILE)
    return Results(
        predictions_digest=sha256_file(folder / PREDICTIONS_FILE),
        performance_digest=sha256_file(said.performance.write(folder)),
    )


_AUDITED = {
    "skops": "the file holds trusted types only",
    "onnx": "the file is self-contained and of standard operators",
}
"""The formats that are looked through before they are loaded, and what is asked of them."""


def _audit_check(process: ModelProcess, model: ModelFile) -> Check:
    """What a process that loads nothing found in the file."""
    name = _AUDITED[model.format]
    limit = (
        ", ".join(["skops' own", *model.trusted]) if model.format == "skops" else "no other file, no custom operator"
    )
    try:
        found = process.audit(model)
    except RefusedByModelError as error:
        return Check(name=name, passed=False, value=redacted(str(error)), limit=limit)
    if found["count"]:
        others = [redacted(kind, limit=200) for kind in found["others"]]
        more = f" and {found['count'] - len(others)} more" if found["count"] > len(others) else ""
        return Check(name=name, passed=False, value=f"not trusted: {', '.join(others)}{more}", limit=limit)
    trusted = f"beyond skops' own: {', '.join(found['trusted']) or 'none'}" if model.format == "skops" else "so it is"
    return Check(name=name, passed=True, value=trusted, limit=limit)


def _loading_check(ended: GuardedRun, error: Exception | None, policy: Policy) -> Check:
    complete = not ended.timed_out and ended.exit_code == 0
    good = complete and not isinstance(error, RefusedByModelError)
    failure = str(error) if complete else ended.ending
    return Check(
        name="the model loads and predicts",
        passed=good,
        value=ended.confinement if good else redacted(failure),
        limit=f"within {policy.model.timeout} s",
        detail="" if good else "\n".join(map(redacted, ended.output_tail.splitlines()[-12:])),
    )


def _answer_check(questions: _Questions, error: Exception | None) -> Check:
    rows = questions.rows.len()
    return Check(
        name="one label for each row",
        passed=error is None,
        value=f"{rows} labels" if error is None else redacted(str(error)),
        limit=f"{rows} of one type",
    )


def _repeated_check(measured: Measured) -> Check:
    """Whether the model, asked again in other processes, said the same; how fast it did is the judge's to decide."""
    candidate = measured.models["candidate"]
    return Check(
        name="the same answers when asked again, in other processes",
        passed=candidate.answers > 0 and candidate.mismatches == 0,
        value="none differs" if not candidate.mismatches else f"{candidate.mismatches} of {candidate.answers} differ",
        limit="0 may differ",
    )
