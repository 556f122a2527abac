"""explain: says in plain words why a model was refused, what would have to change, and what to do first.

Reads the reports of a run, or one of them. It decides nothing: it passes whenever there is something to explain, also
where what it explains was refused. For a terminal it prints the text, for a page it writes the same as Markdown.

Refuses (bad input) a folder or a file without a report.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hallmark import left_behind
from hallmark.command import COMMANDS, Context, Outcome
from hallmark.contract import path
from hallmark.errors import BadInputError
from hallmark.explanation import explain
from hallmark.files import write_text
from hallmark.gate_report import Check, decide
from hallmark.reporting.collect import MAXIMUM_BYTES, collect, parse
from hallmark.reporting.run import Gate, Run, in_order

EXAMPLE = "hallmark explain --reports=run/reports --markdown=explanation.md"


@dataclass(frozen=True, kw_only=True)
class Params:
    reports: Path = path("Folder of a run's reports (<task>/<command>.json or <command>.json), or one report's file")
    markdown: Path | None = path("File for the explanation as Markdown; left out: it is only printed", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    """None: it explains what others decided."""


def run(params: Params, context: Context) -> Outcome:
    """Explain. `figures` holds `explanation` {outcome, reasons [{command, what, change, follows}], next_step, passed}.

    Raises:
        BadInputError: there is no report, or what is there is none.
    """
    gates = _gates(params.reports)
    found = explain(Run(name="", gates=gates))
    context.say(found.to_text())
    if params.markdown is not None:
        write_text(params.markdown, found.to_markdown())
    report = decide(
        "explain",
        [Check(name="reports", passed=True, value=str(len(gates)))],
        passed=f"{len(gates)} report{'s' if len(gates) > 1 else ''} explained",
        refused="",
        solution="",
        figures={"explanation": asdict(found)},
    )
    return Outcome(report=report)


def _gates(place: Path) -> tuple[Gate, ...]:
    """The reports in a folder, in those of its tasks, or in one file."""
    if not place.is_dir():
        return (_gate(place),)
    files = [place / f"{command}.json" for command in COMMANDS]
    flat = [_gate(file) for file in files if file.is_file()]
    tasks = [gate for gate in collect(place, {}) if gate.report is not None or gate.trouble]
    gates = in_order([*flat, *tasks], {})
    gates = tuple(gate for gate in gates if gate.command != "explain")
    if not gates:
        raise BadInputError(
            f"there is no report in {place}",
            solution="give the folder of a run's reports: it holds <task>/<command>.json",
        )
    return gates


def _gate(file: Path) -> Gate:
    data = left_behind.read(file, what=f"the report {file}", maximum=MAXIMUM_BYTES)
    try:
        content = json.loads(data)
    except ValueError as error:
        raise BadInputError(f"{file} is not JSON", solution="give a command's JSON report") from error
    command = str(content.get("command")) if isinstance(content, dict) else ""
    if command not in COMMANDS:
        raise BadInputError(f"{file} is no report of a command", solution="give a command's JSON report")
    return Gate(task=command, command=command, task_status="", report=parse(data, command))
