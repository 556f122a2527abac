"""explain on reports that the gates of code really wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark import cli

Run = Callable[..., Any]


def explained(ran: Any, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["explain", f"--reports={ran.folder}"]) == 0
    return capsys.readouterr().out


def test_findings_are_told_with_file_and_line(run: Run, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "coins.py").write_text("\n\nimport os\n")
    text = explained(run("check-code"), capsys)
    assert "1. check-code: style and bugs (ruff): 1 finding: coins.py:3: F401" in text
    assert "Next: mend the code at the lines named" in text


def test_failed_tests_are_named_before_the_exit_code(
    run: Run, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "tests/test_coins.py").write_text("def test_heads():\n    assert False\n")
    text = explained(run("test-code"), capsys)
    assert "1. test-code: 0 passed, 1 failed, 0 skipped: tests.test_coins::test_heads" in text
    assert text.index("test_heads") < text.index("exit code 1")


def test_missing_coverage_is_told_in_lines(
    run: Run, repository: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (policy / "policy.yaml").open("a") as file:
        file.write("code: {minimumCoverage: 100}\n")
    text = explained(run("test-code"), capsys)
    assert "% are asked for" in text
    assert "write tests that run about " in text
