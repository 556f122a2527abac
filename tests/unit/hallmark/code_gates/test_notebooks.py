"""Notebooks as Python: what IPython understands beside it, places in cells, and what is no notebook."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark.code_gate import notebooks
from hallmark.code_gate.notebooks import Module
from hallmark.reporting.sarif import Finding

Run = Callable[..., Any]


def notebook(*cells: str, language: str = "python", kind: str = "code") -> str:
    more = {"execution_count": None, "outputs": []} if kind == "code" else {}
    made = [
        {"cell_type": kind, "id": f"c{number}", "metadata": {}, "source": cell, **more}
        for number, cell in enumerate(cells)
    ]
    metadata = {"kernelspec": {"language": language, "name": "k", "display_name": "k"}}
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def found(ran: Any) -> list[tuple[str, str, int, int]]:
    return [(one["rule"], one["file"], one["cell"], one["line"]) for one in ran.report["figures"]["findings"]]


@pytest.mark.parametrize(
    ("cell", "python"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("!pip install \\\n  coins\nx = 1", "pass\n\nx = 1"),
        ("files = !ls\nfor f in files:\n    !rm {f}", "files = None\nfor f in files:\n    pass"),
        ("%time call(1)\n%timeit -n 10 call(2)", "call(1)\ncall(2)"),
        ("x = %time call(1)", "x = call(1)"),
        ("%%time\ncall(1)", "pass\ncall(1)"),
        ("\n%%capture out\n!ls", "\npass\npass"),
        ("call?\n?call\ncall??", "pass\npass\npass"),
        ("x = 7 \\\n  % 2\n!ls\ny = '''\n%time z\n'''", "x = 7 \\\n  % 2\npass\ny = '''\n%time z\n'''"),
        ("x = await call()", "x = await call()"),
        ("a = 1\r\n%pwd\r\nb = 2", "a = 1\npass\nb = 2"),
    ],
)
def test_ipythons_own_syntax_becomes_python_line_for_line(cell: str, python: str) -> None:
    module = notebooks.module([(1, cell)], "study.ipynb")
    assert module.text == python + "\n"
    assert module.unread == ()
    ast.parse(module.text)


def test_a_finding_gets_the_place_in_its_cell() -> None:
    module = notebooks.module([(2, "a = 1\nb = 2"), (5, "c = 3\n\nd = 4")], "study.ipynb")
    place = module.place(Finding(tool="t", rule="r", file="0.py", line=5, end_line=5, message="bad"), "study.ipynb")
    assert (place.file, place.cell, place.line, place.end_line) == ("study.ipynb", 5, 3, 3)
    assert place.message == "cell 5: bad"


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"cells": 3}', '{"cells": [3]}', '{"cells": [{"cell_type": "code", "source": 7}]}', "", "\0"],
)
def test_what_is_no_notebook_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.ipynb").write_text(text)
    told = notebooks.read(tmp_path / "a.ipynb", "a.ipynb")
    assert isinstance(told, Finding)
    assert (told.rule, told.file) == (notebooks.UNREAD, "a.ipynb")


def test_a_notebook_that_is_not_utf8_or_nested_too_deeply_is_told(tmp_path: Path) -> None:
    for data in (b"\xff\xfe", b"[" * 100_000):
        (tmp_path / "a.ipynb").write_bytes(data)
        assert isinstance(notebooks.read(tmp_path / "a.ipynb", "a.ipynb"), Finding)


def test_notebooks_of_the_third_format_are_read(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "input": ["x = 1\n", "y = 2"]}
    (tmp_path / "old.ipynb").write_text(json.dumps({"worksheets": [{"cells": [cell]}], "nbformat": 3}))
    module = notebooks.read(tmp_path / "old.ipynb", "old.ipynb")
    assert isinstance(module, Module)
    assert module.text == "x = 1\ny = 2\n"


def test_bandit_reads_the_cells_of_a_notebook_together(run: Run, repository: Path) -> None:
    cells = (
        "%matplotlib inline\nimport subprocess as sp",
        "# Words\n",
        "def call(text):\n    sp.call(text, shell=True)",
    )
    (repository / "study.ipynb").write_text(notebook(*cells))
    ran = run("check-code")
    assert ran.exit_code == 1
    assert found(ran) == [("B602", "study.ipynb", 3, 2)]
    assert not ran.check("security (bandit)")["passed"]


def test_a_timed_statement_hides_nothing_from_bandit(run: Run, repository: Path) -> None:
    (repository / "study.ipynb").write_text(notebook("import subprocess\n%time subprocess.call('ls ' + X, shell=True)"))
    assert ("B602", "study.ipynb", 1, 2) in found(run("check-code"))


def test_a_cell_that_is_not_python_is_refused_also_without_ruff(run: Run, repository: Path, policy: Path) -> None:
    with (policy / "policy.yaml").open("a") as file:
        file.write("code: {ruff: {enabled: false}}\n")
    (repository / "study.ipynb").write_text(notebook("x = 1", "def broken(:"))
    ran = run("check-code")
    assert ran.exit_code == 1
    assert found(ran) == [("unread-notebook", "study.ipynb", 2, 1)]


def test_cells_in_other_languages_are_told_and_are_nothing_to_check(run: Run, repository: Path) -> None:
    for file in repository.rglob("*.py"):
        file.unlink()
    (repository / "shell.ipynb").write_text(notebook("%%bash\nrm -r x"))
    (repository / "words.ipynb").write_text(notebook("Hello", kind="markdown"))
    (repository / "other.ipynb").write_text(notebook("x <- 1", language="R"))
    ran = run("check-code")
    assert ran.exit_code == 1
    assert ran.report["summary"] == "there is no Python file, so nothing was checked"
    assert ran.check("something to check")["value"].endswith("3 notebooks (2 cells in other languages left out)")
