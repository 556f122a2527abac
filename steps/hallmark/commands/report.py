"""Tells a whole run in one page for people and two files for programs; the last thing to run, however the run went.

Trusts: nothing that it reads. Reports are untrusted text of bounded size; what is missing or broken is said, and never
an error. It decides nothing: a run that was refused or failed is reported, and this command ends with 0. So that nobody
takes its own success for the run's, its lines in the log say what became of the run and bear no mark of a passed check.
Writes `report.html` (self-contained, no script), `summary.json` and `summary.junit.xml` into the report folder, and
where a model was judged its card, `model-card.md` and `model-card.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.files import write_text
from hallmark.gate_report import Check, GateReport
from hallmark.model_card import make
from hallmark.redaction import printable
from hallmark.reporting import card_text, page, summary
from hallmark.reporting.collect import collect
from hallmark.reporting.run import WRONG, Gate, Run, parse_statuses

EXAMPLE = "hallmark report --run-name=delivery-1 --reports=reports --report=report --statuses check-code=Succeeded"
COMMAND = "report"
PAGE, JSON, JUNIT = "report.html", "summary.json", "summary.junit.xml"
CARD_TEXT, CARD_JSON = "model-card.md", "model-card.json"
LONGEST = 300
"""Characters of `stopped-by`."""


@dataclass(frozen=True, kw_only=True)
class Params:
    reports: Path = path("The folder with the reports of all tasks, `<task>/<command>.json`; it may be incomplete.")
    run_name: str = param("Name of the run.")
    statuses: tuple[str, ...] = param(
        "Tekton's status of each task, `task=Succeeded`, in the pipeline's order.", default=()
    )
    repository_url: str = param("The model's repository, shown where no task got as far as to tell.", default="")
    revision: str = param("What was asked for: a branch, tag or commit.", default="")


@dataclass(frozen=True, kw_only=True)
class Results:
    """For whoever may not read logs: which check said no, and nothing of what it found."""

    outcome: str = result("passed, refused, failed (nothing was decided), or incomplete (it was stopped).")
    stopped_by: str = result("The gates that did not pass and their failed checks, by name; - where all passed.")


def run(params: Params, context: Context) -> Outcome:
    """Gather the reports and write the page. Its own report has no figures."""
    statuses = parse_statuses(params.statuses)
    found = Run(
        name=params.run_name,
        gates=collect(params.reports, statuses),
        repository=params.repository_url,
        revision=params.revision,
    )
    write_text(context.report_dir / PAGE, page.render(found))
    write_text(context.report_dir / JSON, summary.to_json(found))
    write_text(context.report_dir / JUNIT, summary.to_junit(found))
    _write_card(found, context.report_dir)
    results = Results(outcome=found.outcome, stopped_by=stopped_by(found))
    return Outcome(report=own_report(found), results=results)


def _write_card(found: Run, folder: Path) -> None:
    """The model's card, or none: one that an earlier attempt left would be taken for this run's."""
    card = make(found)
    if card is None:
        for name in (CARD_TEXT, CARD_JSON):
            (folder / name).unlink(missing_ok=True)
        return
    write_text(folder / CARD_TEXT, card_text.to_markdown(card))
    write_text(folder / CARD_JSON, card.model_dump_json(by_alias=True, indent=2) + "\n")


class OwnReport(GateReport):
    """That the page was written; `summary` and `solution` are the run's."""

    def to_text(self) -> str:
        """The run in a few lines for the log."""
        lines = [f"{self.command}: written; {self.summary}"]
        lines += [f"  {check.name}: {check.value}" for check in self.checks]
        return "\n".join([*lines, *([f"  what to do: {self.solution}"] if self.solution else [])])


def own_report(found: Run) -> OwnReport:
    """The run in short, without characters that could steer a terminal."""
    passed = sum(gate.result == "passed" for gate in found.gates)
    return OwnReport(
        command=COMMAND,
        status="passed",
        summary=printable(f"the run {found.name} {_ending(found)}"),
        solution=printable(found.solution),
        checks=(Check(name="gates that passed", passed=True, value=f"{passed} of {len(found.gates)}"),),
    )


def stopped_by(found: Run) -> str:
    """`check-code: security (bandit); test-code: coverage`, bounded, because a pod's results are."""
    wrong = [gate for gate in found.gates if gate.result in WRONG]
    # The one to look at first, as in the report.
    wrong.sort(key=lambda gate: gate is not found.failure)
    text = (
        printable("; ".join(f"{gate.command}: {_failed_checks(gate)}" for gate in wrong))
        or found.silently_failed
        or "-"
    )
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _failed_checks(gate: Gate) -> str:
    checks = gate.report.checks if gate.report else ()
    # A check's name is Hallmark's own or the policy's; that of an error is its kind.
    return ", ".join(check.name for check in checks if not check.passed) or gate.result


def _ending(found: Run) -> str:
    if found.outcome == "refused" and found.failure is not None:
        return f"was refused by {found.failure.command}: {found.reason}"
    verb = {"passed": "passed", "incomplete": "was not finished"}.get(found.outcome, "failed")
    return f"{verb}: {found.headline}"
