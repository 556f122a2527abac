"""Runs the repository's training script with its parameters and seed, under the guard, in a copy that goes afterwards.

Trusts: nothing that the script says; only the file it leaves, and of that only the bytes. The model is not loaded here.
Refuses: a script that fails or takes too long; a model file that is missing, empty, no regular file, too large, or no
readable file of the declared format.
The same source, parameters and seed give the same bytes of both files it writes: `model.<format>`, made canonical, and
`training.json`, which says what the model was made of.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hallmark import guard, left_behind, versions
from hallmark.command import Context, Outcome
from hallmark.contract import MadeArtifact, param, path, result
from hallmark.documents.model import Model, Scalar, load_model
from hallmark.errors import BadInputError
from hallmark.files import atomic_path, inside, require_digest, sha256_bytes, sha256_file, sha256_tree, write_text
from hallmark.gate_report import Check, GateReport, decide
from hallmark.guard import GuardedRun
from hallmark.inputs.fetching import find
from hallmark.model_files.canonical import canonicalise
from hallmark.model_files.mlflow_folder import model_file
from hallmark.model_files.written import require_format, require_written

EXAMPLE = "hallmark train --source=. --model=model --source-digest=sha256:..."
COMMAND = "train"
METADATA_FILE = "training.json"

MAXIMUM_BYTES = 2 << 30
LIBRARIES = ("numpy", "scipy", "scikit-learn", "skops", "onnx", "joblib", "pandas", "polars", "pyarrow")
"""Whose versions the metadata names, where they are installed: they decide about the model's bytes."""

_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
RUN_IT = "run the script in the repository with the flags that the log shows, and mend what it says"
_OWN_FLAGS = ("data", "model", "seed")


class Trouble(NamedTuple):
    """Why there is no model."""

    what: str
    solution: str


@dataclass(frozen=True, kw_only=True)
class Params:
    source: Path = path("The checked out repository.")
    model: Path = path("The folder that takes the model and its metadata.")
    source_digest: str = param("Digest of the checked out tree.")


@dataclass(frozen=True, kw_only=True)
class Results:
    model_digest: str | None = result("Digest of the model file.")
    metadata_digest: str | None = result("Digest of training.json.")
    training_data_digest: str | None = result("Digest of the training data.")
    model_artifact: MadeArtifact | None = result("The model, for Tekton Chains", name="model_ARTIFACT_OUTPUTS")


def run(params: Params, context: Context) -> Outcome:
    """Train. Figures: `training`, the content of training.json, and `confinement`."""
    require_digest("the source", sha256_tree(params.source), params.source_digest)
    model = load_model(params.source)
    training = find(params.source, model.data.training, f"hallmark.yaml: data.training: {model.data.training}")
    data_digest = training.digest()
    _declared(params.source, model.training.script, "training.script")
    with guard.private_folder() as folder:
        made = folder / f"model.{model.model.format}"
        ended, trouble = _train(params.source, model, made, folder, context)
        digests = {"source": params.source_digest, "training-data": data_digest}
        if trouble:
            return Outcome(report=report(ended, trouble, {}, digests))
        digests["model"] = sha256_file(made)
        facts = describe(model, digests)
        with atomic_path(params.model / made.name) as target:
            shutil.copyfile(made, target)
    text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
    write_text(params.model / METADATA_FILE, text)
    digests["metadata"] = sha256_bytes(text.encode())
    return Outcome(
        report=report(ended, trouble, facts, digests),
        results=Results(
            model_digest=digests["model"],
            metadata_digest=digests["metadata"],
            training_data_digest=data_digest,
            model_artifact=MadeArtifact(
                uri=f"pkg:generic/{model.metadata.name}@{model.metadata.version}", digest=digests["model"]
            ),
        ),
    )


def build_argv(model: Model, *, data: Path, target: Path) -> list[str]:
    """The script's command line, each flag in one token.

    Raises:
        BadInputError: a parameter whose name is no flag, or one that the pipeline gives itself.
    """
    return [
        sys.executable,
        model.training.script,
        f"--data={data}",
        f"--model={target}",
        f"--seed={model.training.seed}",
        *(f"--{_flag(name)}={_text(value)}" for name, value in model.training.parameters.items()),
    ]


def describe(model: Model, digests: Mapping[str, str]) -> dict[str, object]:
    """What `training.json` says: everything that went into the model, and what came out; no time and no machine."""
    return {
        "model": {
            "name": model.metadata.name,
            "version": model.metadata.version,
            "format": model.model.format,
            "digest": digests["model"],
        },
        "source": {"digest": digests["source"], "script": model.training.script},
        "data": {
            "path": model.data.training,
            "digest": digests["training-data"],
            "label": model.data.label,
            "features": model.data.features,
        },
        "seed": model.training.seed,
        "parameters": dict(model.training.parameters),
        "environment": {"python": platform.python_version(), "libraries": versions.of(LIBRARIES)},
    }


def report(
    ended: GuardedRun, trouble: Trouble | None, facts: Mapping[str, object], digests: dict[str, str]
) -> GateReport:
    """The gate's decision; `trouble` says why there is no model, and is None where there is one."""
    checks = [_script_check(ended)]
    if checks[0].passed:
        checks.append(
            Check(name="the model file", passed=not trouble, value=trouble.what if trouble else digests["model"])
        )
    return decide(
        COMMAND,
        checks,
        passed=f"the training script wrote a model, {digests.get('model')}",
        refused=trouble.what if trouble else "",
        solution=trouble.solution if trouble else "",
        figures={"training": facts, "confinement": ended.confinement},
        digests=digests,
    )


def _train(source: Path, model: Model, made: Path, folder: Path, context: Context) -> tuple[GuardedRun, Trouble | None]:
    """Run the script so that `made`, which is in a folder the script cannot reach, is its model in canonical form.

    Returns:
        How the script ended, and what is wrong with it or its model; None where there is a model.
    """
    copy = guard.copy_source(source, folder / "source")
    out = folder / "out"
    out.mkdir()
    wrapped = model.model.packaging == "mlflow"
    written = out / ("model" if wrapped else made.name)
    argv = build_argv(model, data=copy / model.data.training, target=written)
    context.say(f"training: {' '.join(['python', *argv[1:]])}")
    ended = guard.run_untrusted(argv, cwd=copy, writable=[copy, out], timeout=model.training.timeout, say=context.say)
    if ended.exit_code != 0 or ended.timed_out:
        return ended, Trouble(f"the training script failed: {ended.ending}", RUN_IT)
    try:
        require_written(written, wrapped=wrapped, promised=model.model.format, copy=copy, source=source)
        left_behind.copy(
            model_file(written) if wrapped else written, made, what="the model file", maximum=MAXIMUM_BYTES
        )
        require_format(made, model.model.format)
        canonicalise(made, model.model.format)
    except BadInputError as error:
        return ended, Trouble(*map(guard.without_private_names, (error.message, error.solution)))
    return ended, None


def _script_check(ended: GuardedRun) -> Check:
    passed = ended.exit_code == 0 and not ended.timed_out
    return Check(
        name="the training script",
        passed=passed,
        value=ended.ending,
        limit="exit code 0",
        detail="" if passed else ended.output_tail,
    )


def _declared(source: Path, name: str, key: str) -> Path:
    file = inside(source, name)
    if not file.is_file():
        raise BadInputError(
            f"hallmark.yaml: {key}: {name} is not a file of the repository", solution="commit it, or correct the path"
        )
    return file


def _flag(name: str) -> str:
    if not _PARAMETER.fullmatch(name) or name in _OWN_FLAGS:
        raise BadInputError(
            f"hallmark.yaml: training.parameters: {name!r} cannot be a flag of the script",
            solution=f"use letters, digits, - and _; {', '.join(_OWN_FLAGS)} are given by the pipeline",
        )
    return name


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
