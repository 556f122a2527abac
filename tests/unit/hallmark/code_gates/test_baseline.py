"""The baseline: what it accepts, until when, and what it never does."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark.tools import bandit

Run = Callable[..., Any]

SHELL = "import subprocess\n\n\ndef call(text):\n    subprocess.call(text, shell=True)\n"
TODAY = datetime.datetime.now(datetime.UTC).date()
YESTERDAY = TODAY - datetime.timedelta(days=1)


@pytest.fixture
def accept(policy: Path) -> Callable[..., None]:
    """Writes a baseline that accepts the findings of a report."""
    with (policy / "policy.yaml").open("a") as file:
        file.write("code: {baseline: baseline.yaml}\n")
    (policy / "baseline.yaml").write_text(baseline([]))

    def write(ran: Any, **values: Any) -> None:
        keys = ("tool", "rule", "file", "fingerprint")
        more = {"reason": "The text is a constant.", "expires": f"{TODAY}", **values}
        found = [{key: one[key] for key in keys} | more for one in ran.report["figures"]["findings"]]
        (policy / "baseline.yaml").write_text(baseline(found))

    return write


def baseline(accepted: list[dict[str, Any]], **values: Any) -> str:
    return json.dumps({"apiVersion": "hallmark.dev/v1alpha1", "kind": "Baseline", "accepted": accepted, **values})


def test_an_accepted_finding_does_not_count_and_is_shown_as_suppressed(
    run: Run, repository: Path, accept: Callable[..., None]
) -> None:
    (repository / "coins.py").write_text(SHELL)
    accept(run("check-code"))
    ran = run("check-code")
    assert ran.exit_code == 0
    assert "1 accepted one" in ran.report["summary"]
    assert ran.check("accepted findings (baseline)")["value"] == "1 accepted, 0 expired"
    (shown,) = ran.report["figures"]["baseline"]["accepted"]
    assert (shown["rule"], shown["reason"]) == ("B602", "The text is a constant.")
    sarif = json.loads((ran.folder / "check-code.sarif").read_text())
    (result,) = [result for part in sarif["runs"] for result in part["results"]]
    assert result["suppressions"] == [{"kind": "external", "justification": "The text is a constant."}]


def test_it_holds_when_lines_are_added_above_and_not_when_the_line_changes(
    run: Run, repository: Path, accept: Callable[..., None]
) -> None:
    (repository / "coins.py").write_text(SHELL)
    accept(run("check-code"))
    (repository / "coins.py").write_text("# one more\n\n" + SHELL)
    assert run("check-code").exit_code == 0
    (repository / "coins.py").write_text(SHELL.replace("(text,", "(text + text,"))
    ran = run("check-code")
    assert ran.exit_code == 1
    assert ran.check("accepted findings (baseline)")["value"] == "0 accepted, 0 expired; 1 entry without a finding"
    assert [one["rule"] for one in ran.report["figures"]["baseline"]["unmatched"]] == ["B602"]


def test_an_entry_stands_for_one_finding_also_among_equal_ones(
    run: Run, repository: Path, accept: Callable[..., None]
) -> None:
    (repository / "coins.py").write_text(SHELL)
    accept(run("check-code"))
    (repository / "coins.py").write_text(SHELL + "    subprocess.call(text, shell=True)\n")
    ran = run("check-code")
    assert ran.exit_code == 1
    assert [one["line"] for one in ran.report["figures"]["findings"]] == [6]


def test_a_statement_of_several_lines_counts_as_a_whole(
    run: Run, repository: Path, accept: Callable[..., None]
) -> None:
    text = "import subprocess\n\nsubprocess.call(\n    {},\n    shell=True,\n)\n"
    (repository / "coins.py").write_text(text.format("'ls' + X"))
    accept(run("check-code"))
    (repository / "coins.py").write_text(text.format("'rm' + X"))
    assert run("check-code").exit_code == 1


def test_an_expired_entry_does_not_count_and_is_told(run: Run, repository: Path, accept: Callable[..., None]) -> None:
    (repository / "coins.py").write_text(SHELL)
    accept(run("check-code"), expires=f"{YESTERDAY}")
    ran = run("check-code")
    assert ran.exit_code == 1
    assert not ran.check("accepted findings (baseline)")["passed"]
    assert f"expired on {YESTERDAY}" in ran.check("accepted findings (baseline)")["detail"]
    assert [one["expires"] for one in ran.report["figures"]["baseline"]["expired"]] == [f"{YESTERDAY}"]
    (repository / "coins.py").write_text("")
    ran = run("check-code")
    assert ran.exit_code == 0
    assert ran.check("accepted findings (baseline)")["value"] == "0 accepted, 1 expired"


def test_a_compiled_file_is_accepted_for_its_content_only(
    run: Run, repository: Path, accept: Callable[..., None]
) -> None:
    (repository / "fast.so").write_bytes(b"\x7fELF one")
    accept(run("check-code"))
    assert run("check-code").exit_code == 0
    (repository / "fast.so").write_bytes(b"\x7fELF two")
    assert run("check-code").exit_code == 1


def test_a_file_that_bandit_cannot_read_is_accepted_for_its_content_only(
    run: Run, repository: Path, accept: Callable[..., None]
) -> None:
    deep = "x = " + "(" * 250 + "1" + ")" * 250 + "\n"
    (repository / "coins.py").write_text(deep)
    accept(run("check-code"))
    assert run("check-code").exit_code == 0
    (repository / "coins.py").write_text(deep + "y = 1\n")
    assert bandit.UNREAD in [one["rule"] for one in run("check-code").report["figures"]["findings"]]


def test_a_finding_in_a_notebook_is_accepted_for_the_text_of_its_cell(
    run: Run, repository: Path, accept: Callable[..., None]
) -> None:
    def cells(*sources: str) -> str:
        more = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
        made = [{**more, "id": f"c{number}", "source": source} for number, source in enumerate(sources)]
        return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})

    call = "subprocess.call('ls ' + X, shell=True)"
    (repository / "study.ipynb").write_text(cells("import subprocess", call))
    accept(run("check-code"))
    (repository / "study.ipynb").write_text(cells("# Words", "import subprocess", "\n" + call))
    assert run("check-code").exit_code == 0
    (repository / "study.ipynb").write_text(cells("import subprocess", call.replace("ls", "rm")))
    assert run("check-code").exit_code == 1


def test_the_fingerprint_of_a_secret_does_not_depend_on_the_secret(run: Run, repository: Path) -> None:
    prints = []
    for letter in "ab":
        (repository / "coins.py").write_text('T = "gh' + f'p_{letter}B3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"\n')
        found = run("check-code").report["figures"]["findings"]
        prints.append([one["fingerprint"] for one in found if not one["commit"]])
    assert prints[0] == prints[1] != []


def test_an_entry_for_another_file_rule_or_tool_accepts_nothing(
    run: Run, repository: Path, policy: Path, accept: Callable[..., None]
) -> None:
    (repository / "coins.py").write_text(SHELL)
    first = run("check-code")
    for change in ({"file": "train.py"}, {"rule": "B603"}, {"tool": "ruff"}, {"fingerprint": "0" * 16}):
        accept(first, **change)
        assert run("check-code").exit_code == 1


GOOD = {
    "tool": "bandit",
    "rule": "B602",
    "file": "coins.py",
    "fingerprint": "0" * 16,
    "reason": "The text is a constant.",
    "expires": f"{TODAY}",
}


@pytest.mark.parametrize(
    ("text", "said", "help_"),
    [
        (baseline([{**GOOD, "why": "x"}]), "unknown key accepted.0.why", ""),
        (baseline([{**GOOD, "reasons": "x"}]), "unknown key accepted.0.reasons", "did you mean reason?"),
        (baseline([{**GOOD, "tool": "bandid"}]), "there is no tool bandid", "did you mean bandit?"),
        (baseline([{**GOOD, "reason": "ok"}]), "accepted.0.reason", ""),
        (baseline([{**GOOD, "expires": "never"}]), "accepted.0.expires", ""),
        (baseline([{**GOOD, "fingerprint": "*"}]), "accepted.0.fingerprint", ""),
        (baseline([{key: GOOD[key] for key in GOOD if key != "expires"}]), "accepted.0.expires is missing", ""),
        (baseline([GOOD, GOOD]), "stands twice", ""),
        (baseline([], kind="Policy"), "kind", ""),
        ("", "is empty", ""),
        ("{", "is not YAML", ""),
    ],
)
def test_a_mistake_in_the_baseline_is_bad_input(
    run: Run, policy: Path, accept: Callable[..., None], text: str, said: str, help_: str
) -> None:
    (policy / "baseline.yaml").write_text(text)
    ran = run("check-code")
    assert ran.exit_code == 2
    assert said in ran.report["summary"]
    assert help_ in ran.report["solution"]


def test_a_missing_baseline_is_bad_input(run: Run, policy: Path, accept: Callable[..., None]) -> None:
    (policy / "baseline.yaml").unlink()
    ran = run("check-code")
    assert ran.exit_code == 2
    assert "baseline" in ran.report["summary"]
