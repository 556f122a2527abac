"""predict-model: loads the model safely and lets it predict on the independent features, nothing else.

Trusts the policy and the digests that it recomputes. Trusts nothing that the model's file says: its format is read
from its bytes and has to be one that the policy allows; a skops file's types have to be skops' own or the policy's; a
pickle is loaded through an exact list of names, and nothing of it runs before. Only then a guarded child loads it,
with one private folder to write to. There are no labels here: whatever a hostile model does, it can at best predict.

Refuses a file of another format than described or allowed, a type or name that is not trusted, and a model that cannot
be loaded, is none for its task, fails, takes too long, or does not give exactly one label (or number) for each row. The
predictions' file is written here, by the parent, from an answer that it checked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from hallmark import left_behind
from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.datasets import FEATURES_FILE, PREDICTION, PREDICTIONS_FILE, ROW, write_frame
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import Policy, load_policy
from hallmark.errors import BadInputError
from hallmark.files import require_digest, sha256_file, sha256_tree
from hallmark.gate_report import Check, decide
from hallmark.guard import private_folder, run_untrusted
from hallmark.labels import MAXIMUM_LENGTH, canonical
from hallmark.model_files.formats import READABLE_AS, detect, open_regular
from hallmark.model_files.skops_types import untrusted_types
from hallmark.redaction import redacted

_NAMED_TYPES = 20
"""Types shown in the report; a hostile file can ask for millions."""
_ANSWER_BYTES = 4096
_ANSWER_BYTES_A_ROW = 12 * MAXIMUM_LENGTH + 8
"""A label's longest JSON: every character escaped."""


@dataclass(frozen=True, kw_only=True)
class Params:
    source_digest: str = param("Digest of the checked out tree, from fetch-source")
    policy_digest: str = param("Digest of the policy's folder, from fetch-source")
    features_digest: str = param("SHA-256 of features.parquet, from prepare-evaluation")
    model_digest: str = param("SHA-256 of the model's file, from train")
    source: Path = path("The checked out tree, for hallmark.yaml")
    policy: Path = path("The validators' folder")
    features: Path = path("Folder that holds features.parquet")
    model: Path = path("Folder that holds the model's file")
    predictions: Path = path("Folder for predictions.parquet: row and prediction")


@dataclass(frozen=True, kw_only=True)
class Results:
    predictions_digest: str | None = result("SHA-256 of predictions.parquet")


EXAMPLE = (
    "hallmark predict-model --source=source --policy=policy --features=features --model=model"
    " --predictions=predictions --source-digest=sha256:... --policy-digest=sha256:..."
    " --features-digest=sha256:... --model-digest=sha256:..."
)


def run(params: Params, context: Context) -> Outcome:
    """Write predictions.parquet, or say why there is none."""
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    require_digest("the source", sha256_tree(params.source), params.source_digest)
    model = load_model(params.source)
    features = params.features / FEATURES_FILE
    require_digest(FEATURES_FILE, sha256_file(features), params.features_digest)
    file = params.model / f"model.{model.model.format}"
    with open_regular(file):
        require_digest(file.name, sha256_file(file), params.model_digest)

    digests = {
        "source": params.source_digest,
        "policy": params.policy_digest,
        "features": params.features_digest,
        "model": params.model_digest,
    }
    rows = pl.read_parquet(features, columns=[ROW])[ROW]
    target = params.predictions / PREDICTIONS_FILE
    checks: list[Check] = []
    predictions = None
    try:
        for check in _form_checks(file, model, policy):
            checks.append(_passed(check))
        answer, check = _asked(params, file, model, policy, rows.len(), context.say)
        checks.append(_passed(check))
        predictions, check = _column(rows.len(), answer, task=model.task)
        checks.append(_passed(check))
    except _RefusedError as refusal:
        checks.append(refusal.check)
    if predictions is None:
        target.unlink(missing_ok=True)
        results = Results()
    else:
        write_frame(pl.DataFrame([rows, predictions]), target)
        results = Results(predictions_digest=sha256_file(target))
        digests["predictions"] = results.predictions_digest or ""
    report = decide(
        "predict-model",
        checks,
        passed=f"the model was loaded safely and predicted {rows.len()} rows",
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


def _form_checks(file: Path, model: Model, policy: Policy) -> Iterator[Check]:
    """What can be said about the file without loading it, each only if all before it passed."""
    found = detect(file)
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
    if found == "skops":
        yield _types_check(file, policy.model.trusted_types)


def _types_check(file: Path, trusted: list[str]) -> Check:
    name = "the file holds trusted types only"
    limit = ", ".join(["skops' own", *trusted])
    try:
        asked = untrusted_types(file)
    except BadInputError as error:
        return Check(name=name, passed=False, value=redacted(error.message), limit=limit)
    others = [redacted(kind, limit=200) for kind in asked if kind not in trusted]
    if not others:
        return Check(name=name, passed=True, value=f"beyond skops' own: {', '.join(asked) or 'none'}", limit=limit)
    more = f" and {len(others) - _NAMED_TYPES} more" if len(others) > _NAMED_TYPES else ""
    return Check(
        name=name,
        passed=False,
        value=f"not trusted: {', '.join(others[:_NAMED_TYPES])}{more}",
        limit=limit,
    )


def _asked(
    params: Params, file: Path, model: Model, policy: Policy, rows: int, say: Callable[[str], None]
) -> tuple[list[Any], Check]:
    """What a guarded child answers, which loads the model and asks it."""
    found = str(detect(file))
    say(f"predict-model: loading {file.name} as {found}")
    with private_folder() as private:
        answer = private / "answer.json"
        # -P: no folder of the model's is searched for modules.
        argv = [sys.executable, "-P", "-m", "hallmark.model_files.predict"]
        argv += [f"--task={model.task}", f"--model={file.resolve()}", f"--format={found}", f"--answer={answer}"]
        argv += [f"--features={(params.features / FEATURES_FILE).resolve()}"]
        argv += [f"--columns={json.dumps(model.data.features)}", f"--trusted={json.dumps(policy.model.trusted_types)}"]
        ended = run_untrusted(
            argv,
            cwd=private,
            writable=[private],
            timeout=policy.model.timeout,
            say=lambda line: say(redacted(line)),
        )
        said = _read_answer(answer, limit=_ANSWER_BYTES + rows * _ANSWER_BYTES_A_ROW)
    complete = not ended.timed_out and ended.exit_code == 0
    failure = str(said.get("refused", "it gave no answer")) if complete else ended.ending
    predictions = said.get("predictions")
    good = complete and isinstance(predictions, list)
    check = Check(
        name="the model loads and predicts",
        passed=good,
        value=ended.confinement if good else redacted(failure),
        limit=f"within {policy.model.timeout} s",
        detail="" if good else "\n".join(map(redacted, ended.output_tail.splitlines()[-12:])),
    )
    return (predictions if isinstance(predictions, list) else []), check


def _read_answer(answer: Path, *, limit: int) -> dict[str, Any]:
    """The child's answer, which the model may have written itself; what is none counts as an empty one."""
    try:
        said = json.loads(left_behind.read(answer, what="the model's answer", maximum=limit))
    except (BadInputError, ValueError, RecursionError):
        said = {}
    return said if isinstance(said, dict) else {}


def _column(rows: int, answer: list[Any], task: str = "classification") -> tuple[pl.Series, Check]:
    """The answer as a column: one label a row, all of one type."""
    kinds = {type(label) for label in answer}
    column = pl.Series(PREDICTION, [], dtype=pl.String)
    try:
        canonical(answer)
        if len(kinds) > 1 and kinds != {int, float}:
            raise ValueError(f"types are mixed: {', '.join(sorted(kind.__name__ for kind in kinds))}")
        if task == "regression" and not kinds <= {int, float}:
            raise ValueError("a regression gives numbers")
        if len(answer) == rows:
            column = pl.Series(PREDICTION, answer, dtype=_DTYPES[float if float in kinds else next(iter(kinds))])
        value = f"{len(answer)} labels"
    except ValueError as error:
        value = redacted(str(error))
    passed = column.len() == rows
    return column, Check(name="one label for each row", passed=passed, value=value, limit=f"{rows} of one type")


_DTYPES: dict[type, type[pl.DataType]] = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64, str: pl.String}
