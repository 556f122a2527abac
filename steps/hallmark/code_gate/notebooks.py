"""The Python in a notebook as a module that tools can read; nothing of it runs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hallmark.reporting.sarif import Finding

TOOL = "hallmark"
UNREAD = "unread-notebook"

_ASSIGNED = re.compile(r"(?P<target>\s*[A-Za-z_][\w.,\s\[\]'\"]*=\s*)(?P<escape>%{1,2}|!{1,2})(?P<rest>.*)", re.DOTALL)
_ESCAPED = re.compile(r"\s*(?P<escape>%{1,2}|!{1,2}|\?)(?P<rest>.*)", re.DOTALL)
_TIMED = re.compile(r"(?:time|timeit|prun|memit|mprun)\b(?:\s+-\S+(?:\s+\d+)?)*\s*(?P<python>.*)", re.DOTALL)
_PYTHON_CELLS = re.compile(r"%%(?:time|timeit|capture|prun|python3?|pypy|memit)\b")


@dataclass(frozen=True, kw_only=True)
class Module:
    """A notebook's Python: `text` has the line `first` + k for line k (from 0) of a cell; see `place`."""

    text: str
    starts: tuple[tuple[int, int], ...]
    """(line of `text` from 1, number of the cell from 1) where each cell begins, in order."""
    unread: tuple[Finding, ...] = ()
    """Cells that are not Python although they should be; `line` counts within the cell."""
    left_out: int = 0
    """How many cells are in another language, which no tool here examines."""

    def place(self, finding: Finding, file: str) -> Finding:
        """A tool's finding in `text` as one in the cell of the notebook `file`."""
        first, cell = max(start for start in self.starts if start[0] <= max(finding.line, self.starts[0][0]))
        return replace(
            finding,
            file=file,
            line=max(1, finding.line - first + 1),
            end_line=max(0, finding.end_line - first + 1),
            cell=cell,
            message=f"cell {cell}: {finding.message}",
        )


def read(path: Path, name: str) -> Module | Finding:
    """The module in the notebook file `path`, or why there is none; `name` is its path in the repository."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = _cells(notebook)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        place = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        message = f"it is no notebook that can be read: {str(error)[:200]}"
        return Finding(tool=TOOL, rule=UNREAD, file=name, line=place, message=message)
    return module(cells, name) if _is_python(notebook) else Module(text="", starts=(), left_out=len(cells))


def module(cells: Sequence[tuple[int, str]], name: str) -> Module:
    """The cells (number from 1, source) one after the other, as they share their names and imports.

    What only IPython understands is replaced by something as long in lines: a shell command or a magic by `pass`, a
    timed statement by itself. What is no Python is left out, and told.
    """
    lines: list[str] = []
    starts: list[tuple[int, int]] = []
    unread: list[Finding] = []
    left_out = 0
    for number, source in cells:
        if source.lstrip().startswith("%%") and not _PYTHON_CELLS.match(source.lstrip()):
            left_out += 1
            continue
        text, problem = _python(source)
        if problem:
            line, reason = problem
            message = f"cell {number}: {reason}"
            unread.append(Finding(tool=TOOL, rule=UNREAD, file=name, line=line, cell=number, message=message))
            continue
        starts.append((len(lines) + 1, number))
        lines.extend(text.split("\n"))
    return Module(text="\n".join(lines) + "\n", starts=tuple(starts), unread=tuple(unread), left_out=left_out)


def _is_python(notebook: dict[str, Any]) -> bool:
    """Whether its kernel is one for Python; a notebook that does not say is taken for one, as Jupyter does."""
    metadata = notebook.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    told = [(known.get("kernelspec"), "language"), (known.get("language_info"), "name")]
    languages = [str(part[key]).lower() for part, key in told if isinstance(part, dict) and part.get(key)]
    return not languages or any(language in ("python", "ipython") for language in languages)


def _cells(notebook: Any) -> list[tuple[int, str]]:
    """Number and source of each code cell in a notebook of format 3 or 4. Raises ValueError where it is none."""
    if not isinstance(notebook, dict):
        raise ValueError("its JSON is no object")
    cells = notebook.get("cells")
    if cells is None and isinstance(notebook.get("worksheets"), list):
        cells = [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise ValueError("it has no list of cells")
    return [(number, _source(cell)) for number, cell in enumerate(cells, start=1) if cell.get("cell_type") == "code"]


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    if not isinstance(source, str):
        raise ValueError("the source of a cell is no text")
    return source


def _python(source: str) -> tuple[str, tuple[int, str] | None]:
    """The cell as Python, or the line and reason for which it is none."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    top = next((position for position, line in enumerate(lines) if line.strip()), 0)
    if lines[top].startswith("%%"):
        lines[top] = "pass"
    mistake = _mistake(lines)
    # Only the line that Python stumbles over is read as IPython's: elsewhere a `%` or a `!` may be a string's or an
    # operator. Each round replaces one line, so it ends.
    for _ in range(len(lines)):
        if mistake is None or not _replace(lines, mistake[0] - 1):
            break
        mistake = _mistake(lines)
    return "\n".join(lines), mistake


def _mistake(lines: Sequence[str]) -> tuple[int, str] | None:
    """The line, from 1, and the message of the first mistake, None where the lines are Python."""
    try:
        ast.parse("\n".join(lines))
    except SyntaxError as error:
        return max(1, error.lineno or 1), f"it is not Python: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return 1, f"it is not Python: {error}"
    return None


def _replace(lines: list[str], position: int) -> bool:
    """Replace the line `position`, and those it continues on, by Python as many lines long; False: it is no magic."""
    if position >= len(lines):
        return False
    line, last = lines[position], position
    while line.endswith("\\") and last + 1 < len(lines):
        last += 1
        line = f"{line[:-1]} {lines[last]}"
    python = _replaced(line)
    if python is None or python == lines[position]:
        return False
    lines[position : last + 1] = [python, *[""] * (last - position)]
    return True


def _replaced(line: str) -> str | None:
    indent = line[: len(line) - len(line.lstrip())]
    if found := _ASSIGNED.fullmatch(line):
        return f"{found['target']}{_timed(found) or 'None'}"
    if found := _ESCAPED.fullmatch(line):
        return f"{indent}{_timed(found) or 'pass'}"
    return f"{indent}pass" if line.rstrip().endswith("?") else None


def _timed(found: re.Match[str]) -> str:
    """The statement that a magic such as `%time` runs, empty for other magics and for shell commands."""
    timed = _TIMED.fullmatch(found["rest"]) if found["escape"] == "%" else None
    return timed["python"] if timed else ""
