"""Reads the reports that a run's tasks left, whichever there are; what is odd with one becomes part of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from hallmark import left_behind
from hallmark.command import COMMANDS
from hallmark.documents.mistakes import first_of
from hallmark.errors import BadInputError
from hallmark.gate_report import GateReport
from hallmark.reporting.run import FAILED, SUCCEEDED, Gate, in_order

MAXIMUM_BYTES = 8 << 20
"""Of one report; far more than any command writes."""
MAY_BE_LEFT_OUT = ("fetch-data", "sign-model")
"""Tasks that stand behind a `when`: where they did not run, nothing is missing."""

_REPORT = TypeAdapter(GateReport)


def collect(reports: Path, statuses: Mapping[str, str]) -> tuple[Gate, ...]:
    """The gates of a run, in its order.

    Args:
        reports: the folder with `<task>/<command>.json`; it, and anything in it, may be missing.
        statuses: each task and Tekton's status of it, in the pipeline's order.
    """
    left_out = {task for task in MAY_BE_LEFT_OUT if statuses.get(task) not in (SUCCEEDED, FAILED)}
    tasks = [task for task in dict.fromkeys([*statuses, *_folders(reports)]) if task not in left_out]
    gates = [gate for task in tasks for gate in _gates(reports / task, task, statuses.get(task, ""))]
    return in_order(gates, statuses)


def _folders(reports: Path) -> list[str]:
    if not reports.is_dir():
        return []
    return sorted(entry.name for entry in reports.iterdir() if entry.is_dir() and not entry.is_symlink())


def _gates(folder: Path, task: str, status: str) -> list[Gate]:
    """The gates whose reports lie in a task's folder; where there is none, the task itself as the only one."""
    present = [] if folder.is_symlink() else [name for name in COMMANDS if _exists(folder / f"{name}.json")]
    if not present:
        return [Gate(task=task, command=task, task_status=status)]
    return [_gate(folder, task, status, command) for command in present if command != "report"]


def _exists(file: Path) -> bool:
    return file.is_symlink() or file.exists()


def _gate(folder: Path, task: str, status: str, command: str) -> Gate:
    try:
        report = parse(left_behind.read(folder / f"{command}.json", what="its report", maximum=MAXIMUM_BYTES), command)
    except BadInputError as error:
        return Gate(task=task, command=command, task_status=status, trouble=error.message)
    return Gate(task=task, command=command, task_status=status, report=report)


def parse(data: bytes, command: str) -> GateReport:
    """A report's JSON. Raises BadInputError where it is none of `command`."""
    try:
        report = _REPORT.validate_json(data)
    except ValidationError as error:
        raise BadInputError(
            f"its report is not understood: {first_of(error)}", solution="let the command write it"
        ) from error
    if report.command != command:
        raise BadInputError(f"its report says that it is of {report.command[:80]}", solution="let the command write it")
    return report
