"""predict-model: loads the model safely, lets it predict on the independent features, and measures how fast it does so.

Trusts the policy and the digests that it recomputes. Trusts nothing that the model's file says: its format is read
from its bytes and has to be one that the policy allows; a skops file's types have to be skops' own or the policy's; an
ONNX file has to be self-contained and of standard operators; a pickle is loaded through an exact list of names, and
nothing of it runs before. Only then a guarded process loads it, with nothing to read but its own file and libraries,
and nothing to write to but its own HOME (Landlock; a kernel without it is told of in the report and the verdict). There
are no labels here: whatever a hostile model does, it can at best predict.

Refuses a file of another format than described or allowed, a type or name that is not trusted, and a model that cannot
be loaded, is none for its task, fails, takes too long, does not give exactly one label (or number) for each row, or
gives others when it is asked again, in another process, while it is measured or alone. The predictions' file is written
here, by the parent, from an answer that it checked; probes are asked among the other rows, so that the model cannot
tell them.

Where there is a champion, the model in production, it is loaded by the same rules and asked about the same rows, before
any candidate is loaded, and measured in turn with it. What was right when it was delivered may be refused by now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from hallmark.champion import CHAMPION_FILE, DESCRIPTION_FILE, MODEL_FILE, InProduction, handed_over, read_champion
from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.datasets import (
    FEATURES_FILE,
    PREDICTION,
    PREDICTIONS_FILE,
    PROBABILITY_PREFIX,
    PROBES_FILE,
    QUANTILE_PREFIX,
    ROW,
    write_frame,
)
from hallmark.documents.model import load_model
from hallmark.documents.policy import Policy, load_policy
from hallmark.errors import BadInputError
from hallmark.files import require_digest, sha256_file, sha256_tree
from hallmark.gate_report import Check, decide
from hallmark.guard import GuardedRun, private_folder
from hallmark.model_files.alone import alone_check
from hallmark.model_files.answers import UnfitAnswerError
from hallmark.model_files.checks import AUDITED, RefusedError, audit_check, form_checks, passed
from hallmark.model_files.formats import detect, open_regular
from hallmark.model_files.questions import (
    Questions,
    measured_sample,
    questions_for_champion,
    questions_with_probes,
)
from hallmark.model_files.session import ModelFile, RefusedByModelError, Session, with_models
from hallmark.performance.document import PERFORMANCE_FILE, Measured
from hallmark.performance.measuring import measure_models
from hallmark.redaction import redacted

_CANDIDATE, _CHAMPION = "candidate", "champion"
_OF_CHAMPION = f"{_CHAMPION}: "
"""Before the names of the checks on it."""


@dataclass(frozen=True, kw_only=True)
class Params:
    source_digest: str = param("Digest of the checked out tree, from fetch-source")
    policy_digest: str = param("Digest of the policy's folder, from fetch-source")
    features_digest: str = param("SHA-256 of features.parquet, from prepare-evaluation")
    probes_digest: str | None = param("SHA-256 of probes.parquet, where prepare-evaluation wrote one", default=None)
    model_digest: str = param("SHA-256 of the model's file, from train")
    champion_digest: str = param(
        "Digest of the folder with the model in production, or `none` or `not-asked`, from fetch-champion"
    )
    source: Path = path("The checked out tree, for hallmark.yaml")
    policy: Path = path("The validators' folder")
    features: Path = path("Folder that holds features.parquet and, where the policy asks for probes, probes.parquet")
    model: Path = path("Folder that holds the model's file")
    champion: Path | None = path("Folder that fetch-champion wrote", default=None)
    predictions: Path = path(
        "Folder for predictions.parquet (row, prediction, each class's probability), the champion's likewise in "
        "champion.parquet, and performance.json"
    )


@dataclass(frozen=True, kw_only=True)
class Results:
    predictions_digest: str | None = result("SHA-256 of predictions.parquet")
    performance_digest: str | None = result("SHA-256 of performance.json: how fast the model was, and how large")
    champion_predictions_digest: str | None = result("SHA-256 of champion.parquet; empty: there is no champion")


EXAMPLE = (
    "hallmark predict-model --source=source --policy=policy --features=features --model=model"
    " --predictions=predictions --source-digest=sha256:... --policy-digest=sha256:..."
    " --features-digest=sha256:... --model-digest=sha256:..."
)


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """A model that is asked."""

    name: str
    model: ModelFile
    questions: Questions
    quantiles: tuple[float, ...] = ()
    """The levels that hallmark.yaml declares."""


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

    champion = _champion(params, policy)
    if champion is not None:
        digests["champion"] = params.champion_digest

    checks: list[Check] = []
    said = None
    with private_folder() as private:
        given = probes if "probes" in digests else None
        questions = questions_with_probes(params.features / FEATURES_FILE, given, model.data.features, private)
        try:
            subjects = []
            if champion is not None and params.champion is not None:
                asked = questions_for_champion(params.features / FEATURES_FILE, champion)
                described = (champion.model.format, champion.task, champion.features)
                subjects.append(_subject(_CHAMPION, params.champion / MODEL_FILE, described, policy, asked, checks))
            described = (model.model.format, model.task, model.data.features)
            candidate, levels = _subject(_CANDIDATE, file, described, policy, questions, checks), model.model.quantiles
            asked_for = replace(candidate.model, quantiles=len(levels))
            subjects.append(replace(candidate, model=asked_for, quantiles=tuple(levels)))
            said = _asked(subjects, params.features / FEATURES_FILE, policy, checks, context.say)
        except RefusedError as refusal:
            checks.append(refusal.check)
    results = _write(params.predictions, said)
    for name, digest in (
        ("predictions", results.predictions_digest),
        ("champion-predictions", results.champion_predictions_digest),
    ):
        if digest:
            digests[name] = digest
    report = decide(
        "predict-model",
        checks,
        passed=f"the model was loaded safely and predicted {questions.rows.len()} rows",
        refused=f"{checks[-1].name}: no; {checks[-1].value}",
        solution=_solution(checks[-1], model.model.format),
        digests=digests,
    )
    return Outcome(report=report, results=results)


def _solution(check: Check, format_: str) -> str:
    """What to do about the check that says no; only files that name types can be helped by trusting one."""
    if check.name.startswith(_OF_CHAMPION):
        return (
            "the model in production is not one that this policy lets run: let the policy's owners allow its format "
            "and types as long as it is compared with, or deliver once under a policy without model.champion"
        )
    if format_ == "onnx":
        return "mend the model or its training script"
    if re.search(r"\b__main__\.", check.value):
        return (
            "use classes of a library instead: classes of the training script (__main__) cannot be loaded outside it, "
            "even if the policy trusted them"
        )
    return (
        "mend the model or its training script; if a type that the file holds is harmless, the policy's owner may "
        "add it to model.trustedTypes"
    )


def _champion(params: Params, policy: Policy) -> InProduction | None:
    """The model in production, where one was handed over.

    Raises:
        BadInputError: it is not what fetch-champion handed over, or is there though none was.
    """
    folder, digest = params.champion, handed_over(params.champion_digest, policy)
    if digest is None:
        if folder is not None and (folder / DESCRIPTION_FILE).exists():
            raise BadInputError(
                f"{folder} holds a champion, but --champion-digest is {params.champion_digest}",
                solution="hand over fetch-champion's results of the same run",
            )
        return None
    if folder is None:
        raise BadInputError(
            "--champion-digest is given without --champion",
            solution="bind the folder that fetch-champion wrote",
        )
    with open_regular(folder / MODEL_FILE):
        return read_champion(folder, digest=digest, policy_digest=params.policy_digest)


def _subject(
    name: str,
    file: Path,
    described: tuple[str, str, Sequence[str]],
    policy: Policy,
    questions: Questions,
    checks: list[Check],
) -> _Subject:
    """A model whose file is in a form that is described (format, task, features) and allowed.

    Adds what was looked at; raises RefusedError at the first no.
    """
    format_, task, columns = described
    found = detect(file)
    for check in form_checks(found, format_, policy, of=_OF_CHAMPION if name == _CHAMPION else ""):
        checks.append(passed(check))
    model = ModelFile(
        path=file.resolve(),
        format=str(found),
        task=task,
        columns=tuple(columns),
        trusted=tuple(policy.model.trusted_types),
        threads=policy.model.performance.threads,
        quantiles=None,
    )
    return _Subject(name=name, model=model, questions=questions)


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What the models said to all rows, by name, and how fast."""

    predictions: dict[str, pl.DataFrame]
    performance: Measured


def _asked(
    subjects: Sequence[_Subject], features: Path, policy: Policy, checks: list[Check], say: Callable[[str], None]
) -> _Said:
    """What the models say, the candidate last: what has run once could disturb what runs later, not what was said.

    Adds a check for each thing that was looked at; raises RefusedError at the first no.
    """

    candidate = subjects[-1]

    def talk(session: Session) -> tuple[dict[str, pl.DataFrame], Measured, Check]:
        told = {subject.name: _answer(session, subject, checks) for subject in subjects}
        models = {subject.name: subject.model for subject in reversed(subjects)}
        sample = measured_sample(features, models, told)
        measured = measure_models(session, models, sample, policy.model.performance)
        with session.process() as process:
            process.load(candidate.model)
            return told, measured, alone_check(process, candidate.model, candidate.questions, told[_CANDIDATE])

    for subject in subjects:
        say(f"predict-model: loading {subject.model.path.name} as {subject.model.format}")
    ended = with_models(
        talk,
        formats={subject.model.format for subject in subjects},
        threads=candidate.model.threads,
        timeout=policy.model.timeout,
        say=lambda line: say(redacted(line)),
    )
    error = ended.error
    if error is not None and not isinstance(error, RefusedByModelError | UnfitAnswerError):
        raise error
    checks.append(passed(_loading_check(ended.run, error, policy)))
    checks.append(passed(_answer_check(candidate.questions, error)))
    if ended.said is None:
        raise RuntimeError("a conversation ended without an answer and without an error")
    told, measured, alone = ended.said
    checks += [passed(_repeated_check(measured)), passed(alone)]
    return _Said(predictions=told, performance=measured)


def _answer(session: Session, subject: _Subject, checks: list[Check]) -> pl.DataFrame:
    """What one model says to all its rows, after its file was looked through."""
    model, questions = subject.model, subject.questions
    of = _OF_CHAMPION if subject.name == _CHAMPION else ""
    if model.format in AUDITED:
        with session.process() as process:
            checks.append(passed(audit_check(process, model, of)))
    try:
        with session.process() as process:
            process.load(model)
            answer = process.answer_file(
                questions.file, columns=model.columns, rows=questions.rows.len(), task=model.task
            )
            if len(answer.quantiles) != len(subject.quantiles):
                raise UnfitAnswerError(f"{len(answer.quantiles)} quantiles, where hallmark.yaml declares others")
    except (RefusedByModelError, UnfitAnswerError) as error:
        if subject.name == _CANDIDATE:
            raise
        raise RefusedError(_champion_check(questions, redacted(str(error)), good=False)) from error
    if subject.name == _CHAMPION:
        checks.append(_champion_check(questions, f"{questions.rows.len()} labels", good=True))
    columns = {f"{PROBABILITY_PREFIX}{name}": values for name, values in answer.probabilities.items()}
    levels = zip(subject.quantiles, answer.quantiles, strict=True)
    columns |= {f"{QUANTILE_PREFIX}{level}": values for level, values in levels}
    return pl.DataFrame({ROW: questions.rows, PREDICTION: answer.predictions, **columns}).sort(ROW)


def _champion_check(questions: Questions, said: str, *, good: bool) -> Check:
    name = f"{_OF_CHAMPION}the model loads and predicts"
    return Check(name=name, passed=good, value=said, limit=f"{questions.rows.len()} labels of one type")


def _write(folder: Path, said: _Said | None) -> Results:
    """Write the files, or remove what an earlier run left of them."""
    if said is None:
        for name in (PREDICTIONS_FILE, PERFORMANCE_FILE, CHAMPION_FILE):
            (folder / name).unlink(missing_ok=True)
        return Results()
    write_frame(said.predictions[_CANDIDATE], folder / PREDICTIONS_FILE)
    if _CHAMPION in said.predictions:
        write_frame(said.predictions[_CHAMPION], folder / CHAMPION_FILE)
    else:
        (folder / CHAMPION_FILE).unlink(missing_ok=True)
    return Results(
        predictions_digest=sha256_file(folder / PREDICTIONS_FILE),
        performance_digest=sha256_file(said.performance.write(folder)),
        champion_predictions_digest=sha256_file(folder / CHAMPION_FILE) if _CHAMPION in said.predictions else "",
    )


def _loading_check(ended: GuardedRun, error: Exception | None, policy: Policy) -> Check:
    complete = not ended.timed_out and ended.exit_code == 0
    good = complete and not isinstance(error, RefusedByModelError)
    failure = str(error) if complete else ended.ending
    return Check(
        name="the model loads and predicts",
        passed=good,
        value=_confinement(ended) if good else redacted(failure),
        limit=f"within {policy.model.timeout} s",
        detail="" if good else "\n".join(map(redacted, ended.output_tail.splitlines()[-12:])),
    )


def _confinement(ended: GuardedRun) -> str:
    if ended.landlock:
        return "reading and writing confined by Landlock"
    return "no Landlock here: it could read what its step can, and so tell changed rows from others"


def _answer_check(questions: Questions, error: Exception | None) -> Check:
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
