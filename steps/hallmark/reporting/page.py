"""The page about a run: one HTML file that needs no network and no script.

Everything in it comes from reports, so it is untrusted: Jinja escapes every value, long texts are cut, and the page's
own Content-Security-Policy lets nothing be loaded or run, should anything ever slip through.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hallmark.reporting import (
    behaviour_figures,
    drift_figures,
    figures,
    model_figures,
    performance_figures,
    quality_figures,
    scan_figures,
)
from hallmark.reporting.exhibits import Exhibit
from hallmark.reporting.run import WRONG, Gate, Run
from hallmark.verdict import PREDICATE_TYPE

TEXT_CHARACTERS = 4_000
"""Of one text that is shown; the reports themselves hold all of it."""
_HASH = re.compile(r"\b([0-9a-f]{12})(?:[0-9a-f]{52}|[0-9a-f]{28})\b")
_RESULTS = {
    "passed": ("good", "✓", "passed"),
    "refused": ("bad", "✗", "refused"),
    "error": ("broken", "!", "error"),
    "warning": ("broken", "!", "warning"),
    "missing": ("broken", "!", "no report"),
    "not run": ("idle", "-", "not run"),
}
_OUTCOMES = {
    "passed": ("good", "✓", "Passed"),
    "refused": ("bad", "✗", "Refused"),
    "failed": ("broken", "!", "Failed"),
    "incomplete": ("idle", "-", "Not finished"),
}


@dataclass(frozen=True, kw_only=True)
class Badge:
    """A state in colour, sign and word."""

    style: str
    sign: str
    word: str


def render(run: Run) -> str:
    """The whole page; equal runs give equal pages."""
    environment = Environment(
        loader=PackageLoader("hallmark.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clip"] = clip
    environment.filters["brief"] = brief
    environment.filters["badge"] = lambda result: _badge(*_RESULTS[result])
    environment.globals.update(figures=figures)
    style = resources.files("hallmark.reporting").joinpath("templates/page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        run=run,
        outcome=_badge(*_OUTCOMES[run.outcome], delivered=bool(run.delivered)),
        style=Markup(style),  # noqa: S704  # nosec B704: a file of this package
        sections=[section(gate) | {"open": _shown(gate, run)} for gate in _by_weight(run)],
        commands=verification(run),
        first_failure=first_failure(run),
    )


def _by_weight(run: Run) -> list[Gate]:
    """What stands against the model first, beginning with where the run failed; the others as they ran."""
    return sorted(run.gates, key=lambda gate: (gate is not run.failure, gate.result not in WRONG))


def _shown(gate: Gate, run: Run) -> bool:
    """Whether a gate's evidence is unfolded: all that did not pass and, of a run that did, what the model was found."""
    return gate.result != "passed" or (run.outcome == "passed" and bool(exhibits(gate)))


def section(gate: Gate) -> dict[str, Any]:
    """What the page shows of one gate."""
    found = gate.report.figures if gate.report else {}
    return {
        "gate": gate,
        "checks": list(gate.report.checks[: figures.MAXIMUM_ROWS]) if gate.report else [],
        "model": exhibits(gate),
        "confusion": figures.confusion_matrix(found.get("confusion_matrix")),
        "expectations": figures.expectations(found.get("expectations")),
        "drift": drift_figures.drift(found.get("drift")),
        "leakage": quality_figures.leakage(found.get("leakage")),
        "groups": quality_figures.groups(found.get("groups")),
        "classes": quality_figures.classes(found.get("classes")),
        "failing_rows": quality_figures.failing_rows(found.get("failing_rows")),
        "latency": figures.histogram(found.get("latency_seconds")),
        "tests": figures.tests(found.get("tests")),
        "findings": figures.rows(found.get("findings"), ("file", "line", "cell", "commit", "rule", "tool", "message")),
        "tools": figures.rows(found.get("tools"), ("tool", "version", "findings", "accepted")),
        "failed_tests": figures.rows(found.get("failed_tests"), ("name", "message")),
        "training": figures.settings(found.get("training")),
        "confinement": found["confinement"] if isinstance(found.get("confinement"), str) else "",
    }


def exhibits(gate: Gate) -> list[Exhibit]:
    """What the page shows of a model that was judged, in the order in which one asks."""
    if gate.report is None:
        return []
    found = gate.report.figures
    checks = {check.name: check.passed for check in gate.report.checks}
    return [
        *model_figures.metrics(found.get("metrics"), checks),
        *model_figures.champion(found.get("champion")),
        *behaviour_figures.slices(found.get("slices")),
        *behaviour_figures.fairness(found.get("fairness")),
        *behaviour_figures.probes(found),
        *behaviour_figures.importances(found.get("importances")),
        *behaviour_figures.explanations(found.get("explanations")),
        *model_figures.roc(found.get("roc")),
        *model_figures.calibration(found.get("calibration")),
        *model_figures.scores(found.get("scores")),
        *model_figures.predicted(found.get("predicted")),
        *model_figures.residuals(found.get("residuals")),
        *model_figures.mistakes(found.get("mistakes")),
        *performance_figures.performance(found.get("performance")),
        *(scan_figures.scan(found) if gate.command == "scan-image" else []),
    ]


def first_failure(run: Run) -> str:
    """The page's place of the check that stopped the run; empty where no check did."""
    gate = run.failure
    if gate is None:
        return ""
    place = run.gates.index(gate) + 1
    checks = gate.report.checks[: figures.MAXIMUM_ROWS] if gate.report else ()
    failed = next((number for number, check in enumerate(checks, 1) if not check.passed), None)
    return f"gate-{place}" if failed is None else f"gate-{place}-check-{failed}"


def verification(run: Run) -> str:
    """Commands with which anybody can check the signed image without Hallmark; empty where none was signed."""
    if not run.signed_image:
        return ""
    image = shlex.quote(run.signed_image)
    key = "--key=cosign.pub --insecure-ignore-tlog=true"
    return (
        f"cosign verify {key} {image}\n"
        f"cosign verify-attestation {key} --type={PREDICATE_TYPE} {image} \\\n"
        "  | jq -r .payload | base64 -d | jq .predicate"
    )


def clip(text: object, characters: int = TEXT_CHARACTERS) -> str:
    """`text`, cut with a note where it is longer."""
    whole = str(text)
    return whole if len(whole) <= characters else f"{whole[:characters]} … ({len(whole) - characters} more characters)"


def brief(text: str, characters: int = 400) -> str:
    """`text` for an overview: digests and commits are cut to their first 12 digits; the page shows them whole below."""
    return clip(_HASH.sub(lambda found: f"{found.group(1)}…", text), characters)


def _badge(style: str, sign: str, word: str, *, delivered: bool = False) -> Badge:
    return Badge(style=style, sign=sign, word="Delivered" if delivered and style == "good" else word)
