"""check-code with real ruff and bandit: what it finds, and every way to hide code from it that we know."""

from __future__ import annotations

import json
import py_compile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

UNUSED = "import os\n"
SHELL = "import subprocess\n\n\ndef call(text):\n    subprocess.call(text, shell=True)\n"


def add_rules(policy: Path, text: str) -> None:
    with (policy / "policy.yaml").open("a") as file:
        file.write(text)


def found(ran: Any) -> list[tuple[str, str, int]]:
    return [(finding["rule"], finding["file"], finding["line"]) for finding in ran.report["figures"]["findings"]]


def test_clean_code_passes(run: Run) -> None:
    ran = run("check-code")
    assert ran.exit_code == 0
    assert ran.report["status"] == "passed"
    assert ran.check("something to check")["value"] == "3 Python files"
    assert found(ran) == []


def test_a_finding_of_ruff_is_refused_with_its_place(run: Run, repository: Path) -> None:
    (repository / "coins.py").write_text("\n\n" + UNUSED)
    ran = run("check-code")
    assert ran.exit_code == 1
    assert found(ran) == [("F401", "coins.py", 3)]
    assert "coins.py:3: F401 (ruff)" in ran.report["summary"]
    assert not ran.check("style and bugs (ruff)")["passed"]
    assert ran.check("security (bandit)")["passed"]
    assert ran.report["solution"]


def test_a_finding_of_bandit_is_refused_with_its_place(run: Run, repository: Path) -> None:
    (repository / "coins.py").write_text(SHELL)
    ran = run("check-code")
    assert ran.exit_code == 1
    assert found(ran) == [("B602", "coins.py", 5)]
    assert not ran.check("security (bandit)")["passed"]


def test_the_policys_levels_and_rules_count(run: Run, repository: Path, policy: Path) -> None:
    (repository / "coins.py").write_text(UNUSED + "assert os\n")
    assert run("check-code").exit_code == 0
    add_rules(policy, "code: {ruff: {select: [D100]}, bandit: {severity: low, confidence: low}}\n")
    assert {rule for rule, file, _ in found(run("check-code")) if file == "coins.py"} == {"D100", "B101"}


def test_a_bandit_test_that_the_policy_skips_is_not_looked_for(run: Run, repository: Path, policy: Path) -> None:
    (repository / "coins.py").write_text(SHELL)
    add_rules(policy, "code: {bandit: {skip: [B602]}}\n")
    ran = run("check-code")
    assert ran.exit_code == 0
    assert "B602 left out" in ran.check("security (bandit)")["limit"]


@pytest.mark.parametrize(
    "text",
    [
        "import os  # noqa\n",
        "# ruff: noqa\nimport os\n",
        "# flake8: noqa\nimport os\n",
        "# ruff: noqa: F401\nimport os\n",
        "# ruff: disable[F401]\nimport os\n# ruff: enable[F401]\n",
    ],
)
def test_ruffs_suppressions_count_only_if_the_policy_allows_them(
    run: Run, repository: Path, policy: Path, text: str
) -> None:
    (repository / "coins.py").write_text(text)
    assert [rule for rule, _, _ in found(run("check-code"))] == ["F401"]
    add_rules(policy, "code: {allowSuppressions: true}\n")
    assert run("check-code").exit_code == 0


def test_bandits_suppressions_count_only_if_the_policy_allows_them(run: Run, repository: Path, policy: Path) -> None:
    (repository / "coins.py").write_text(SHELL.rstrip() + "  # nosec\n")
    assert [rule for rule, _, _ in found(run("check-code"))] == ["B602"]
    add_rules(policy, "code: {allowSuppressions: true}\n")
    assert run("check-code").exit_code == 0


def test_the_repositorys_configuration_switches_nothing_off(run: Run, repository: Path) -> None:
    (repository / "pyproject.toml").write_text(
        "[tool.ruff]\nexclude = ['*']\nlint.ignore = ['ALL']\nforce-exclude = true\n"
        "[tool.bandit]\nexclude_dirs = ['.']\nskips = ['B602']\n"
    )
    (repository / "ruff.toml").write_text("exclude = ['*']\nforce-exclude = true\n")
    (repository / ".bandit").write_text("[bandit]\nexclude: .,*,coins.py\nskips: B602\n")
    (repository / "setup.cfg").write_text("[bandit]\nexclude: .\n")
    (repository / ".gitignore").write_text("*.py\n")
    (repository / "coins.py").write_text("import os\n" + SHELL)
    assert [rule for rule, _, _ in found(run("check-code"))] == ["F401", "B602"]


@pytest.mark.parametrize(
    "name",
    [
        *("build/a.py", "dist/a.py", ".venv/a.py", "venv/a.py", "node_modules/a.py", "site-packages/a.py"),
        *(".git-hooks/a.py", ".tox/a.py", ".eggs/a.py", "CVS/a.py", "__pycache__/a.py", "a.egg/a.py", ".hidden.py"),
        *("-rf.py", "--exclude=a.py", "with space.py", "@list.py", "glob[a]*.py", "ünïcode.py", "a,b.py", "A.PY"),
    ],
)
def test_no_name_and_no_folder_hides_a_file(run: Run, repository: Path, name: str) -> None:
    file = repository / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(UNUSED + SHELL)
    assert found(run("check-code")) == [("F401", name, 1), ("B602", name, 6)]


def test_scripts_are_found_by_their_first_line_and_by_the_description(run: Run, repository: Path) -> None:
    (repository / "tool").write_text("#!/usr/bin/env python3\n" + SHELL)
    (repository / "recipe.txt").write_text(SHELL)
    described = (repository / "hallmark.yaml").read_text().replace("script: train.py", "script: ./recipe.txt")
    (repository / "hallmark.yaml").write_text(described)
    assert found(run("check-code")) == [("B602", "recipe.txt", 5), ("B602", "tool", 6)]


def test_a_module_named_like_a_tool_does_not_run(run: Run, repository: Path) -> None:
    for name in ("ruff", "bandit", "json", "sitecustomize"):
        (repository / f"{name}.py").write_text("open('it-ran', 'w').close()\n")
    assert run("check-code").exit_code == 0
    assert not (repository / "it-ran").exists()


def test_a_syntax_error_is_refused_with_its_line(run: Run, repository: Path) -> None:
    (repository / "coins.py").write_text("x = 1\ndef broken(:\n")
    ran = run("check-code")
    assert ran.exit_code == 1
    assert {(rule, file) for rule, file, _ in found(ran)} == {("invalid-syntax", "coins.py")}
    assert found(ran)[0][2] == 2


def test_a_file_that_only_bandit_cannot_examine_is_refused(run: Run, repository: Path) -> None:
    (repository / "coins.py").write_text("x = " + "(" * 250 + "1" + ")" * 250 + "\n")
    ran = run("check-code")
    assert ran.exit_code == 1
    assert ("unread", "coins.py", 1) in found(ran)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"# -*- coding: utf-7 -*-\n# +AAo-import os\n", "declares the encoding utf-7"),
        (b"# coding: latin-1\nname = '\xe9'\n", "not UTF-8"),
        (b"# coding: no-such\n", "unknown encoding"),
        (b"x = '\xff'\n", "not UTF-8"),
        (b"#" * (4 << 20) + b"\n", "larger than 4 MiB"),
    ],
)
def test_source_that_python_reads_in_another_way_is_refused(
    run: Run, repository: Path, content: bytes, reason: str
) -> None:
    (repository / "coins.py").write_bytes(content)
    ran = run("check-code")
    assert ran.exit_code == 1
    assert reason in ran.check("nothing hidden from the tools")["detail"]


def test_an_ordinary_declaration_of_utf8_is_accepted(run: Run, repository: Path) -> None:
    (repository / "coins.py").write_bytes(b"\xef\xbb\xbf# -*- coding: utf-8 -*-\nname = '\xc3\xa9'\n")
    assert run("check-code").exit_code == 0


def test_compiled_code_is_refused(run: Run, repository: Path) -> None:
    cache = repository / "__pycache__/coins.cpython-311.pyc"
    py_compile.compile(str(repository / "coins.py"), cfile=str(cache), doraise=True)
    (repository / "fast.so").write_bytes(b"\x7fELF")
    ran = run("check-code")
    assert ran.exit_code == 1
    assert [(rule, file) for rule, file, _ in found(ran)] == [
        ("hidden-code", "__pycache__/coins.cpython-311.pyc"),
        ("hidden-code", "fast.so"),
    ]


def test_a_link_to_source_in_the_tree_is_read_and_one_that_leads_out_is_refused(
    run: Run, repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside.py").write_text("")
    (repository / "text").write_text(SHELL)
    (repository / "inside.py").symlink_to("text")
    (repository / "out.py").symlink_to(tmp_path / "outside.py")
    (repository / "nowhere.py").symlink_to("nothing")
    ran = run("check-code")
    assert [(rule, file) for rule, file, _ in found(ran)] == [
        ("B602", "inside.py"),
        ("hidden-code", "nowhere.py"),
        ("hidden-code", "out.py"),
    ]


def test_a_name_that_cannot_be_shown_is_refused(run: Run, repository: Path) -> None:
    (repository / "line\nbreak.py").write_text("")
    ran = run("check-code")
    assert ran.exit_code == 1
    assert "'line\\nbreak.py':1: " in ran.check("nothing hidden from the tools")["detail"]
    assert "cannot be printed" in ran.check("nothing hidden from the tools")["detail"]


def notebook(source: str) -> str:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "a",
        "metadata": {},
        "outputs": [],
        "source": source,
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_notebook_is_read_by_ruff(run: Run, repository: Path) -> None:
    (repository / "study.ipynb").write_text(notebook(UNUSED))
    ran = run("check-code")
    assert found(ran) == [("F401", "study.ipynb", 1)]
    assert "cell 1: " in ran.report["figures"]["findings"][0]["message"]
    assert ran.check("something to check")["value"].endswith("and 1 notebook")


def test_a_notebook_that_is_none_is_refused(run: Run, repository: Path) -> None:
    (repository / "study.ipynb").write_text("{")
    ran = run("check-code")
    assert ran.exit_code == 1
    assert [file for _, file, _ in found(ran)] == ["study.ipynb"]


def test_without_a_python_file_nothing_passes(run: Run, repository: Path) -> None:
    for file in repository.rglob("*.py"):
        file.unlink()
    ran = run("check-code")
    assert ran.exit_code == 1
    assert ran.report["summary"] == "there is no Python file, so nothing was checked"


def test_all_files_are_checked_also_when_there_are_many(run: Run, repository: Path) -> None:
    folder = repository / ("long" * 50)
    folder.mkdir()
    for number in range(600):
        (folder / f"{number}.py").write_text("")
    (folder / "last.py").write_text(SHELL)
    ran = run("check-code")
    assert ran.check("something to check")["value"] == "604 Python files"
    assert [rule for rule, _, _ in found(ran)] == ["B602"]


def test_equal_code_gives_an_equal_report(run: Run, repository: Path) -> None:
    (repository / "coins.py").write_text(UNUSED + SHELL)
    first = run("check-code")
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    run("check-code")
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == before
    assert sorted(before) == ["check-code.json", "check-code.junit.xml", "check-code.sarif"]


def test_the_sarif_file_names_places_that_a_forge_can_show(run: Run, repository: Path) -> None:
    (repository / "a b.py").write_text(UNUSED + SHELL)
    sarif = json.loads((run("check-code").folder / "check-code.sarif").read_text())
    assert sarif["version"] == "2.1.0"
    by_tool = {run["tool"]["driver"]["name"]: run for run in sarif["runs"]}
    assert sorted(by_tool) == ["bandit", "gitleaks", "hallmark", "ruff"]
    for name, rule, line in (("ruff", "F401", 1), ("bandit", "B602", 6)):
        (result,) = by_tool[name]["results"]
        assert result["ruleId"] == rule == by_tool[name]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "a%20b.py", "uriBaseId": "%SRCROOT%"}
        assert place["region"]["startLine"] == line


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ("code: {ruff: {select: [ZZZ9]}}", "code.ruff.select"),
        ("code: {ruff: {select: [F, E111]}}", "code.ruff.select"),
        ("code: {bandit: {skip: [B999]}}", "code.bandit.skip"),
    ],
)
def test_a_rule_that_the_tools_do_not_have_is_bad_input(run: Run, policy: Path, rules: str, named: str) -> None:
    add_rules(policy, rules + "\n")
    ran = run("check-code")
    assert ran.exit_code == 2
    assert named in ran.report["summary"]


def test_a_source_that_was_changed_on_the_way_is_bad_input(run: Run) -> None:
    ran = run("check-code", source_digest=f"sha256:{'1' * 64}")
    assert ran.exit_code == 2
    assert "changed on the way" in ran.report["summary"]


def test_a_missing_tool_is_a_failed_tool(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no interpreter >&2\nexit 9\n")
    broken.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(broken))
    ran = run("check-code")
    assert ran.exit_code == 3
    assert "no interpreter" in ran.report["summary"]
