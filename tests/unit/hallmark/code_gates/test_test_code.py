"""test-code with real pytest: what passes, every way to fail, and what a dishonest repository may try."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import defusedxml.ElementTree
import pytest

Run = Callable[..., Any]


def describe(repository: Path, tests: str) -> None:
    """Replace the `tests` of hallmark.yaml."""
    file = repository / "hallmark.yaml"
    lines = [f"tests: {tests}" if line.startswith("tests:") else line for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines))


def require_coverage(policy: Path, percent: float) -> None:
    with (policy / "policy.yaml").open("a") as file:
        file.write(f"code: {{minimumCoverage: {percent}}}\n")


def test_passing_tests_pass(run: Run) -> None:
    ran = run("test-code")
    assert ran.exit_code == 0
    # coins.py has four statements, of which the tests run three; none of train.py's nineteen.
    assert ran.report["figures"]["tests"] == {
        "passed": 1,
        "failed": 0,
        "skipped": 0,
        "coverage": 13.0,
        "minimum_coverage": 0,
    }
    assert ran.report["figures"]["confinement"] == "writing confined by Landlock"
    assert "tests/test_coins.py" in ran.log


def test_the_makers_junit_is_kept_and_labelled_as_theirs(run: Run) -> None:
    text = (run("test-code").folder / "tests.junit.xml").read_text()
    suite = defusedxml.ElementTree.fromstring(text)
    assert suite.attrib == {"name": "the repository's own tests", "tests": "1", "failures": "0", "skipped": "0"}
    assert [case.attrib for case in suite] == [{"classname": "tests.test_coins", "name": "test_double"}]


def test_equal_code_gives_an_equal_report(run: Run) -> None:
    first = run("test-code")
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    run("test-code")
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == before


def test_a_failing_test_is_refused_by_name_and_message(run: Run, repository: Path) -> None:
    with (repository / "tests/test_coins.py").open("a") as file:
        file.write("\n\ndef test_a_coin_is_round(tmp_path):\n    assert coins.half(3) == 2, tmp_path\n")
    ran = run("test-code")
    assert ran.exit_code == 1
    assert ran.report["summary"].startswith("1 of 2 tests failed; the first: tests.test_coins::test_a_coin_is_round: ")
    assert "1 passed, 1 failed" in ran.check("the repository's own tests")["value"]
    assert run("test-code").report == ran.report, "a temporary folder's name must not get in"
    assert 'failures="1"' in (ran.folder / "tests.junit.xml").read_text()


def test_an_error_outside_of_a_test_is_refused(run: Run, repository: Path) -> None:
    (repository / "tests/test_coins.py").write_text("import no_such_module\n")
    ran = run("test-code")
    assert ran.exit_code == 1
    assert "no_such_module" in (ran.folder / "tests.junit.xml").read_text()


@pytest.mark.parametrize("text", ["", "import pytest\n\n\n@pytest.mark.skip\ndef test_later():\n    pass\n"])
def test_without_a_test_that_passed_nothing_passes(run: Run, repository: Path, text: str) -> None:
    (repository / "tests/test_coins.py").write_text(text)
    ran = run("test-code")
    assert ran.exit_code == 1
    assert ran.check("the repository's own tests")["value"].startswith("0 passed, 0 failed")
    assert not ran.check("the repository's own tests")["passed"]


def test_a_folder_of_tests_that_is_not_there_is_refused(run: Run, repository: Path) -> None:
    describe(repository, "{paths: [missing]}")
    ran = run("test-code")
    assert ran.exit_code == 1
    assert "exit code 4" in ran.report["summary"]
    assert "not found" in ran.check("the test run")["detail"]


def test_a_path_that_looks_like_a_flag_is_only_a_path(run: Run, repository: Path) -> None:
    describe(repository, "{paths: [--version]}")
    assert "file or directory not found: ./--version" in run("test-code").check("the test run")["detail"]


def test_coverage_under_the_policys_minimum_is_refused(run: Run, policy: Path) -> None:
    require_coverage(policy, 50)
    ran = run("test-code")
    assert ran.exit_code == 1
    assert ran.report["summary"] == "coverage: 13 % of 23 lines (needed: at least 50 % (the policy))"


def test_the_repository_may_tighten_the_coverage_but_not_loosen_it(run: Run, repository: Path, policy: Path) -> None:
    require_coverage(policy, 12)
    describe(repository, "{minimumCoverage: 1}")
    assert run("test-code").check("coverage")["limit"] == "at least 12 % (the policy)"
    describe(repository, "{minimumCoverage: 14}")
    ran = run("test-code")
    assert ran.exit_code == 1
    assert ran.check("coverage")["limit"] == "at least 14 % (hallmark.yaml)"


def test_coverage_is_compared_exactly_and_shown_rounded_down(run: Run, policy: Path) -> None:
    require_coverage(policy, 15.79)  # 3 of 23 lines are 15.789... %
    ran = run("test-code")
    assert ran.exit_code == 1
    assert ran.check("coverage")["value"] == "13 % of 23 lines"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".coveragerc", "[run]\nomit = *\n"),
        ("setup.cfg", "[coverage:run]\nomit = *\n[coverage:report]\nexclude_lines = .\n"),
        ("pyproject.toml", "[tool.coverage.run]\nomit = ['*']\n[tool.coverage.report]\nexclude_also = ['.']\n"),
    ],
)
def test_the_repositorys_coverage_settings_hide_no_line(
    run: Run, repository: Path, policy: Path, name: str, text: str
) -> None:
    (repository / name).write_text(text)
    assert run("test-code").check("coverage")["value"] == "13 % of 23 lines"


def test_code_that_no_test_imports_counts_wherever_it_lies(run: Run, repository: Path) -> None:
    (repository / "deep/er").mkdir(parents=True)
    (repository / "deep/er/code.py").write_text("a = 1\n")
    assert run("test-code").check("coverage")["value"].endswith("of 24 lines")


def test_lines_marked_as_not_to_cover_count_only_if_the_policy_allows_it(
    run: Run, repository: Path, policy: Path
) -> None:
    marked = (repository / "train.py").read_text().replace("def main():", "def main():  # pragma: no cover")
    (repository / "train.py").write_text(marked)
    assert run("test-code").check("coverage")["value"].endswith("of 23 lines")
    with (policy / "policy.yaml").open("a") as file:
        file.write("code: {allowSuppressions: true}\n")
    assert not run("test-code").check("coverage")["value"].endswith("of 23 lines")


def test_the_repositorys_pytest_settings_count(run: Run, repository: Path) -> None:
    (repository / "pyproject.toml").write_text("[tool.pytest.ini_options]\npython_functions = ['check_*']\n")
    (repository / "tests/test_coins.py").write_text(
        "def check_nothing():\n    pass\n\n\ndef test_not():\n    assert 0\n"
    )
    ran = run("test-code")
    assert ran.exit_code == 0
    assert ran.report["figures"]["tests"]["passed"] == 1


def test_a_limit_in_the_repositorys_own_settings_counts_too(run: Run, repository: Path) -> None:
    (repository / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--cov-fail-under=90'\n")
    ran = run("test-code")
    assert ran.exit_code == 1
    assert "exit code 1" in ran.report["summary"]


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ("-p no:cov", "the tests' JUnit report is missing"),
        ("-p no:junitxml", "the tests' JUnit report is missing"),
        ("--no-cov", "the tests' coverage report is missing"),
        ("--collect-only", "0 passed"),
    ],
)
def test_settings_that_switch_the_evidence_off_are_refused(
    run: Run, repository: Path, settings: str, missing: str
) -> None:
    (repository / "pytest.ini").write_text(f"[pytest]\naddopts = {settings}\n")
    ran = run("test-code")
    assert ran.exit_code == 1
    assert missing in str(ran.report["checks"])


def test_leaving_early_without_an_error_is_refused(run: Run, repository: Path) -> None:
    (repository / "tests/conftest.py").write_text("import os\n\nos._exit(0)\n")
    ran = run("test-code")
    assert ran.exit_code == 1
    assert "the tests' JUnit report is missing" in ran.report["summary"]


FORGER = """
import os
import sys

out = next(flag for flag in sys.argv if flag.startswith("--junitxml=")).split("=", 1)[1]
folder = os.path.dirname(out)
{act}
os._exit(0)
"""


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        ("os.symlink('/etc/passwd', out)", "is a link"),
        ("os.mkfifo(out)", "is not a regular file"),
        ("os.mkdir(out)", "is not a regular file"),
        ("open(out, 'w').truncate(1 << 40)", "is larger than"),
        ("open(out, 'w').write('<testsuite')", "is not XML"),
        ("open(out, 'wb').write(bytes(range(256)))", "is not XML"),
        (
            "open(out, 'w').write('<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>')",
            "is not XML: DTDForbidden",
        ),
        ("open(out, 'w').write('<testsuite><testcase name=\"a\"/></testsuite>')", "coverage report is missing"),
    ],
)
def test_a_forged_report_that_is_no_report_is_refused(run: Run, repository: Path, act: str, reason: str) -> None:
    (repository / "tests/conftest.py").write_text(FORGER.format(act=act))
    ran = run("test-code")
    assert ran.exit_code == 1
    assert reason in ran.check("the test run")["value"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "not understood"),
        ('{"files": {"a": {}}}', "not understood"),
        ("[" * 100_000, "not understood"),
        ('{"files": {"a": {"summary": {"covered_lines": 9, "num_statements": 1}}}}', "impossible"),
        ('{"files": {"a": {"summary": {"covered_lines": NaN, "num_statements": NaN}}}}', "impossible"),
    ],
)
def test_a_forged_coverage_report_that_makes_no_sense_is_refused(
    run: Run, repository: Path, text: str, reason: str
) -> None:
    act = f"""
open(out, "w").write('<testsuite><testcase name="a"/></testsuite>')
open(folder + "/coverage.json", "w").write({text!r})
"""
    (repository / "tests/conftest.py").write_text(FORGER.format(act=act))
    ran = run("test-code")
    assert ran.exit_code == 1
    assert reason in ran.check("the test run")["value"]


def test_code_that_was_never_measured_does_not_reach_a_minimum(run: Run, repository: Path, policy: Path) -> None:
    require_coverage(policy, 1)
    act = """
open(out, "w").write('<testsuite><testcase name="a"/></testsuite>')
open(folder + "/coverage.json", "w").write('{"files": {}}')
"""
    (repository / "tests/conftest.py").write_text(FORGER.format(act=act))
    assert run("test-code").exit_code == 1


def test_the_tests_change_neither_the_source_nor_the_report(run: Run, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    targets = [tmp_path / "report/test-code.json", repository / "coins.py", tmp_path / "elsewhere"]
    (repository / "tests/test_coins.py").write_text(
        "import pathlib\n\nimport pytest\n\n\n"
        f"@pytest.mark.parametrize('target', {list(map(str, targets))!r})\n"
        "def test_it_cannot_write(target):\n"
        "    with pytest.raises(PermissionError):\n        pathlib.Path(target).write_text('forged')\n"
        "\n\ndef test_it_can_write_beside_itself():\n    pathlib.Path('scratch').write_text('x')\n"
    )
    before = (repository / "coins.py").read_text()
    ran = run("test-code")
    assert ran.exit_code == 0
    assert ran.report["figures"]["tests"]["passed"] == 4
    assert (repository / "coins.py").read_text() == before
    assert not (repository / "scratch").exists()


def test_tests_that_take_too_long_are_refused(run: Run, repository: Path) -> None:
    describe(repository, "{timeout: 2}")
    (repository / "tests/test_coins.py").write_text("import time\n\n\ndef test_forever():\n    time.sleep(600)\n")
    ran = run("test-code")
    assert ran.exit_code == 1
    assert "its time ran out" in ran.report["summary"]


def test_a_source_that_was_changed_on_the_way_is_bad_input(run: Run) -> None:
    ran = run("test-code", source_digest=f"sha256:{'1' * 64}")
    assert ran.exit_code == 2
    assert "changed on the way" in ran.report["summary"]


def test_an_interpreter_that_does_not_start_is_a_failed_tool(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", os.devnull)
    ran = run("test-code")
    assert ran.exit_code == 3
    assert "cannot start" in ran.report["summary"]
