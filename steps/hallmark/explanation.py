"""Why a model was refused, in plain words: from the gates' reports to reasons, and what each would take.

Every reason says what was found, what was asked for, and what has to change; how far off it is stands there as a number
of rows, lines or findings wherever the report allows to tell. A check that nothing here knows is told by its own name,
value, limit and the report's solution, so that no refusal is without a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hallmark.explained_checks import RULES, SHOWN, Words, entries, rows_of
from hallmark.gate_report import Check, GateReport
from hallmark.reporting.run import Gate, Run


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One thing that stands against the model."""

    command: str
    what: str
    change: str
    follows: bool = False
    """Whether it is only the consequence of another command's refusal."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    outcome: str
    """In a sentence."""
    reasons: tuple[Reason, ...]
    next_step: str
    passed: tuple[str, ...]

    def to_text(self) -> str:
        """For a terminal."""
        lines = [self.outcome]
        for number, reason in enumerate(self.reasons, start=1):
            lines += ["", f"{number}. {reason.command}: {reason.what}", f"   To change: {reason.change}"]
        passed = [f"Passed: {', '.join(self.passed)}"] if self.passed else []
        return "\n".join([*lines, "", *passed, f"Next: {self.next_step}"])

    def to_markdown(self) -> str:
        """For a page or a comment; what reports say is put in as text, not as markup."""
        lines = [f"**{_plain(self.outcome)}**", ""]
        for number, reason in enumerate(self.reasons, start=1):
            lines.append(f"{number}. **{_plain(reason.command)}**: {_plain(reason.what)}")
            lines.append(f"   *To change:* {_plain(reason.change)}")
        passed = [f"Passed: {_plain(', '.join(self.passed))}", ""] if self.passed else []
        return "\n".join([*lines, "", *passed, f"**Next:** {_plain(self.next_step)}"]) + "\n"


def explain(run: Run) -> Explanation:
    """The explanation of a run, or of as many of its reports as are there. The first reason is where to begin."""
    first = run.failure
    wrong = [gate for gate in (first, *run.other_failures) if gate is not None]
    refused = {gate.command for gate in wrong}
    reasons = [reason for gate in wrong for reason in _reasons(gate, refused)]
    reasons.sort(key=lambda reason: reason.follows)
    passed = tuple(gate.command for gate in run.gates if gate.result == "passed")
    if reasons:
        word = "was refused" if run.outcome == "refused" else "was not judged to its end"
        others = len(reasons) - 1
        more = f" and {others} more reason{'s' if others > 1 else ''}" if others else ""
        outcome = f"The model {word}: {reasons[0].command}{more}."
        next_step = reasons[0].change
    elif run.outcome == "passed":
        outcome, next_step = "Nothing stands against the model: every report passed.", "nothing has to change"
    elif run.silently_failed:
        task = run.silently_failed
        outcome, next_step = f"The task {task} failed, though its reports passed.", f"see the log of the task {task}"
    else:
        left = ", ".join(gate.task for gate in run.gates if gate.result == "not run")
        outcome, next_step = f"The run is not finished: {left} did not run.", "start the run again"
    return Explanation(outcome=outcome, reasons=tuple(reasons), next_step=_sentence(next_step), passed=passed)


def _reasons(gate: Gate, refused: set[str]) -> Iterator[Reason]:
    report = gate.report
    if report is None:
        yield Reason(command=gate.command, what=_sentence(gate.summary), change=_sentence(gate.solution))
        return
    failed = [check for check in report.checks if not check.passed]
    if report.status == "error" or not failed:
        said = "nothing was decided, because " if report.status == "error" else ""
        yield Reason(command=gate.command, what=_sentence(f"{said}{report.summary}"), change=_sentence(report.solution))
        return
    for check in failed:
        what, change = _words(report, check)
        cause = re.fullmatch(r"gate (.+)", check.name)
        yield Reason(
            command=gate.command,
            what=_sentence(what),
            change=_sentence(change or report.solution or "see the report of this command"),
            follows=(cause is not None and cause[1] in refused) or _only_says_that_tests_failed(report, check),
        )


def _only_says_that_tests_failed(report: GateReport, check: Check) -> bool:
    return report.command == "test-code" and check.name == "the test run" and bool(entries(report, "failed_tests"))


def _words(report: GateReport, check: Check) -> Words:
    for command, pattern, rule in RULES:
        if command in ("", report.command) and re.search(pattern, check.name):
            words = rule(report, check)
            if words is not None:
                return words
    return _anything(report, check)


def _anything(report: GateReport, check: Check) -> Words:
    limit = f"; asked for: {check.limit}" if check.limit else ""
    lines = [line.strip() for line in check.detail.splitlines() if line.strip()]
    detail = lines[:SHOWN] + ([f"and {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else [])
    rows = rows_of(report, check)
    what = f"{check.name}: {check.value or 'no'}{limit}{rows}" + (f" ({'; '.join(detail)})" if detail else "")
    return what, report.solution


def _sentence(text: str) -> str:
    return " ".join(text.split())[:2000]


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|~!])", r"\\\1", text)
