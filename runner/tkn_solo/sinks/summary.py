"""The end of a run on the console: a table of tasks, results, and where the logs are."""

from __future__ import annotations

import shlex
from pathlib import Path

from tkn_solo.record import RunRecord
from tkn_solo.values import compact_json, value_to_data

_MARKS = {True: "ok", False: "FAILED"}
_HEAD = ("task", "status", "reason", "duration", "message")


def summary(record: RunRecord, run_dir: str) -> str:
    """Several lines of plain text."""
    rows = [_HEAD, *_rows(record)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    lines = [
        "",
        *(
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
            for row in rows
        ),
    ]
    if record.results:
        lines += ["", "results:"]
        lines += [f"  {name}: {_short(value_to_data(value))}" for name, value in record.results.items()]
    condition = record.condition
    if condition is not None:
        kind = "TaskRun" if record.definition.pipeline is None else "PipelineRun"
        state = "succeeded" if condition.succeeded else "failed"
        seconds = record.finished - record.started
        lines += [
            "",
            f"{kind} {record.definition.name} {state}: {condition.reason} in {seconds:.1f} s: {condition.message}",
        ]
    lines.append(f"logs: {run_dir}/logs")
    if failed := _failed(record):
        folders = (f"{shlex.quote(str(Path(run_dir, 'logs', name)))}/*.log" for name in failed)
        lines.append(f"look:  tail -n +1 {' '.join(folders)}")
    return "\n".join(lines)


def _rows(record: RunRecord) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name in record.definition.graph.everything():
        task = record.tasks.get(name)
        if task is not None and task.last is not None:
            end = task.last.end
            again = f" (attempt {len(task.attempts)})" if len(task.attempts) > 1 else ""
            status = "ignored" if end.reason == "FailureIgnored" else _MARKS[end.succeeded]
            seconds = f"{task.last.finished - task.started:.1f} s"
            message = "" if end.succeeded else end.message.replace("\n", " ")
            rows.append((name, status, f"{end.reason}{again}", seconds, message))
        elif name in record.skipped:
            rows.append((name, "skipped", str(record.skipped[name]), "", ""))
        else:
            rows.append((name, "not run", "", "", ""))
    return rows


def _failed(record: RunRecord) -> list[str]:
    """The log folders of the tasks that failed, the earliest first: what failed later is often a consequence."""
    ended = [
        (task.last.finished, task.attempts[-1][0])
        for task in record.tasks.values()
        if task.last is not None and not task.last.end.succeeded and task.last.end.reason != "FailureIgnored"
    ]
    return [start.log_dir.name for _, start in sorted(ended, key=lambda end: end[0]) if start is not None]


def _short(data: object, limit: int = 200) -> str:
    text = data.rstrip("\n") if isinstance(data, str) else compact_json(data)
    text = text.replace("\n", "\\n")
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
