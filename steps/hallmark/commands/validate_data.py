"""validate-data: the validators' expectation suites on the training and on the independent data, and what always has
to hold: the independent data is the policy's, rows and columns are as the policy says (`data.training`,
`data.independent`), no gaps, and no class that the model cannot know. Then what the policy says of leakage, groups,
duplicates and classes (`data.quality`) and of drift (`data.drift`).

Trusts the policy, its suites and the digests that it recomputes; the repository's training data may be anything.
Features or labels that are null, not a number or infinite are refused: they can neither be sent to a model as JSON nor
be judged. An expectation of severity `warning` or `info` is shown and does not refuse; every other one refuses where it
does not hold, and also where it saw no value.

Bad input, and not bad data, is what keeps the question from being asked: a suite that is empty, has an unknown
expectation or key, or is of another version; an expectation that cannot be evaluated; a column or class that the policy
or hallmark.yaml names and that does not exist, which is told before anything is computed.

Reports hold counts, never values of the data, beside the names of unknown classes.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hallmark.command import Context, Outcome
from hallmark.contract import param, path
from hallmark.datasets import Dataset, missing_values, open_independent, open_training, require_columns
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import Policy, load_policy
from hallmark.documents.rules_data import Data
from hallmark.expectations.results import Result
from hallmark.expectations.runner import run_suite
from hallmark.expectations.suite import Suite, load_suite
from hallmark.files import require_digest, sha256_tree
from hallmark.findings import Findings, together
from hallmark.gate_report import Check, decide, failures
from hallmark.inputs.checks import check_input, identity_check
from hallmark.inputs.errors import WrongDigestError, told
from hallmark.named import label_classes, require_named
from hallmark.quality.failing_rows import failing_rows
from hallmark.quality.gate import check_quality
from hallmark.quality.tables import Table

_SHOWN_CLASSES = 10
_SHOWN_EXPECTATIONS = 20
"""Whose failing rows are listed; each is one more pass over the data."""


@dataclass(frozen=True, kw_only=True)
class Params:
    source_digest: str = param("Digest of the checked out tree, from fetch-source")
    policy_digest: str = param("Digest of the policy's folder, from fetch-source")
    source: Path = path("The checked out tree")
    policy: Path = path("The validators' folder: policy.yaml and the suites beside it")
    data: Path | None = path("The validators' data folder, unless the policy has the data fetched", default=None)
    fetched: Path | None = path("Where fetch-data put the independent data, if the policy has it fetched", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    """None of its own: the digests of the data are prepare-evaluation's."""


EXAMPLE = (
    "hallmark validate-data --source=source --policy=policy --data=data"
    " --source-digest=sha256:... --policy-digest=sha256:..."
)


def run(params: Params, context: Context) -> Outcome:
    """Check both data sets. `figures` holds `expectations`: [{dataset, type, column, severity, passed,
    unexpected_percent, engine}], where `passed` says whether it held, whatever its severity; `inputs` (see
    `check_input`); and those of the packages `quality` and `drift`."""
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    require_digest("the source", sha256_tree(params.source), params.source_digest)
    model = load_model(params.source)
    # Suites first: a mistake in one is told in a moment, reading the data may take minutes.
    suites = {
        "training": _suite(params.policy, policy.data.training_suite),
        "independent": _suite(params.policy, policy.data.independent.suite),
    }
    with contextlib.ExitStack() as stack:
        judged: list[Dataset] = []
        checks: list[Check] = []
        digests: dict[str, str] = {}
        for name, opening in (
            ("training", open_training(params.source, model, policy)),
            ("independent", open_independent(params.data, params.fetched, policy)),
        ):
            context.say(f"validate-data: reading the {name} data")
            try:
                data = stack.enter_context(opening)
            except WrongDigestError as error:
                checks.append(identity_check(error.what, found=error.found, expected=error.expected))
                digests[f"{name}-data"] = error.found
                continue
            judged.append(data)
            digests[f"{name}-data"] = data.digest
        require_named(policy, params.policy, model=(model, params.source), data=judged)
        parts = [Findings(checks=tuple(checks))]
        parts += [check_input(data.opened, data.rules) for data in judged]
        parts += [Findings(checks=tuple(_built_in(data, model))) for data in judged]
        if len(judged) == 2:
            training, independent = judged
            if model.task == "classification":
                parts.append(Findings(checks=(_classes_check(training, independent, model),)))
            if all(check.passed for part in parts for check in part.checks):
                context.say("validate-data: leakage, groups, duplicates" + (", drift" if policy.data.drift else ""))
                parts.append(_compared(training, independent, model, policy, params.policy))
        for data in judged:
            suite = suites[data.name]
            if suite is not None:
                parts.append(_expectations(suite, data, policy.data, context.say))
        said = " and ".join(f"{data.opened.rows()} {data.name}" for data in judged)
    found = together([Findings(figures={"expectations": []}), *parts])

    expectations = found.figures["expectations"]
    warned = sum(not figure["passed"] and figure["severity"] != "critical" for figure in expectations)
    report = decide(
        "validate-data",
        list(found.checks),
        passed=f"{len(found.checks)} checks of {said} rows passed" + (f", {warned} with a warning" if warned else ""),
        refused=failures(found.checks),
        solution="correct the data, or let the policy's owners correct the suite",
        figures=found.figures,
        digests={"source": params.source_digest, "policy": params.policy_digest, **digests},
    )
    return Outcome(report=report, results=Results())


def _suite(policy: Path, file: str | None) -> Suite | None:
    return None if file is None else load_suite(policy, file)


def _built_in(data: Dataset, model: Model) -> Iterator[Check]:
    missing = missing_values(data, require_columns(data, model))
    yield Check(
        name=f"{data.name} data: no gaps in features and label",
        passed=not missing,
        value=", ".join(f"{column}: {count}" for column, count in missing.items()) or "none",
        limit="no null, NaN or infinite value",
    )


def _classes_check(training: Dataset, independent: Dataset, model: Model) -> Check:
    label = model.data.label
    unknown = sorted(label_classes(independent, label) - label_classes(training, label))
    shown = ", ".join(unknown[:_SHOWN_CLASSES]) + (", ..." if len(unknown) > _SHOWN_CLASSES else "")
    return Check(
        name="independent data: every class is in the training data",
        passed=not unknown,
        value=f"{len(unknown)} unknown: {shown}" if unknown else "none unknown",
        limit="none unknown",
    )


def _compared(training: Dataset, independent: Dataset, model: Model, policy: Policy, folder: Path) -> Findings:
    """What the two say of each other; only where both can be judged at all."""
    before, now = training.frame, independent.frame
    features, label, rules = model.data.features, model.data.label, policy.data
    with told("the training or the independent data"):
        parts = [check_quality(before, now, rules.quality, features=features, label=label, task=model.task)]
        if rules.drift is not None:
            # Imported for those who ask for it.
            from hallmark.drift.detect import find_drift, reference_of

            reference = reference_of(rules.drift, folder, before)
            parts.append(find_drift(reference, now, rules.drift, features=features, label=label))
    return together(parts)


def _expectations(suite: Suite, data: Dataset, rules: Data, say: Callable[[str], None]) -> Findings:
    say(f"validate-data: {len(suite.entries)} expectations of {suite.file} on the {data.name} data")
    results = run_suite(suite, data.frame, engine=rules.engine)
    failed = [(result, result.failing) for result in results if not result.held and result.failing is not None]
    table = Table(name=data.name, rows=data.frame)
    with data.opened.reading():
        rows = [
            figure
            for result, failing in failed[:_SHOWN_EXPECTATIONS]
            for figure in failing_rows(
                table, failing, rules.quality.failing_rows, check=_name(result), columns=result.entry.columns
            )
        ]
    return Findings(
        checks=tuple(_check(data.name, result) for result in results),
        figures={"expectations": [_figure(data.name, result) for result in results], "failing_rows": rows},
    )


def _check(dataset: str, result: Result) -> Check:
    entry = result.entry
    blocking = entry.severity == "critical"
    arguments = {key: value for key, value in entry.kwargs.items() if key != "column"}
    marks = "" if blocking else f" ({entry.severity}, does not refuse)"
    return Check(
        name=f"{dataset} data: {_name(result)}{marks}",
        passed=result.held or not blocking,
        value=_found(result),
        limit=json.dumps(arguments)[:160] if arguments else "",
        detail=entry.where,
    )


def _name(result: Result) -> str:
    return f"{result.entry.type} {' '.join(result.entry.columns)}".strip()


def _found(result: Result) -> str:
    if result.vacuous:
        return "there was no value to look at"
    if result.held:
        return "holds"
    if result.unexpected_percent is None:
        return "does not hold"
    return f"does not hold for {result.unexpected} values, {result.unexpected_percent:.4g} %"


def _figure(dataset: str, result: Result) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "type": result.entry.type,
        "column": ", ".join(result.entry.columns),
        "severity": result.entry.severity,
        "passed": result.held,
        "unexpected_percent": result.unexpected_percent,
        "engine": result.engine,
    }
