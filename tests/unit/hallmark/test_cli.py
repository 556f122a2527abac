from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hallmark import cli
from hallmark.command import COMMANDS, load
from hallmark.contract import flags_of, param, parse_value
from hallmark.errors import BadInputError
from hallmark.files import sha256_tree
from hallmark.gate_report import Check, GateReport, decide

SAMPLE = Path(__file__).parents[3] / "samples/iris/repository"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)


def test_help_imports_nothing_heavy() -> None:
    script = "import sys; from hallmark.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"numpy", "polars", "pandas", "sklearn", "pydantic", "yaml", "great_expectations", "jinja2"}
    assert heavy.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("name", ["sign-image", "verify-image"])
def test_commands_that_have_tools_answer_while_they_import_do_so_from_the_start(name: str) -> None:
    script = f"import sys; from hallmark.command import load; load({name!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"pydantic", "yaml", "hallmark.verdict", "importlib.metadata", "xml.etree"}.isdisjoint(done.stdout.split())


def test_an_unknown_command_is_a_usage_error_that_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify-modle"]) == 2
    assert "did you mean verify-model?" in capsys.readouterr().err
    assert cli.main(["keys", "genrate"]) == 2
    assert "did you mean keys-generate?" in capsys.readouterr().err
    assert cli.main(["keys", "--help"]) == 2
    assert "give one of keys-generate, keys-public" in capsys.readouterr().err


def test_a_folder_for_the_report_that_cannot_be_made_is_a_failed_tool(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none")):
        assert cli.main(["policy", "check", f"--policy={tmp_path}", f"--report={folder}"]) == 3
        assert f"cannot write {folder}" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"hallmark {name}" in text.split("example:")[1]
    assert all(flag.flag in text for flag in flags_of(load(name).Params))


def test_bad_input_is_reported_and_forged_results_are_taken_away(tmp_path: Path) -> None:
    digest = tmp_path / "results/source-digest"
    digest.parent.mkdir()
    digest.write_text("forged")
    code = cli.main(
        [
            "train",
            f"--source={tmp_path / 'nowhere'}",
            f"--model={tmp_path / 'model'}",
            "--source-digest=sha256:0",
            f"--report={tmp_path / 'report'}",
            f"--result-model-digest={digest}",
        ]
    )
    assert code == 2
    report = json.loads((tmp_path / "report/train.json").read_text())
    assert report["status"] == "error"
    assert "nowhere" in report["summary"]
    assert "<error" in (tmp_path / "report/train.junit.xml").read_text()
    assert not digest.exists()


def test_a_bug_does_not_pass_for_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("hunter2")

    monkeypatch.setattr(load("check-code"), "run", broken)
    arguments = [f"{flag.flag}=x" for flag in flags_of(load("check-code").Params) if flag.required]
    assert cli.main(["check-code", *arguments, f"--report={tmp_path}"]) == 70
    report = json.loads((tmp_path / "check-code.json").read_text())
    assert (report["status"], report["exit_code"]) == ("error", 70)
    assert f"KeyError at {__file__}" in report["summary"]
    assert "hunter2" not in json.dumps(report)
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS], ids=errno.errorcode.__getitem__)
def test_what_the_machine_does_not_let_us_do_is_a_failed_tool(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/somewhere")

    monkeypatch.setattr(load("check-code"), "run", stopped)
    arguments = [f"{flag.flag}=x" for flag in flags_of(load("check-code").Params) if flag.required]
    assert cli.main(["check-code", *arguments, f"--report={tmp_path}"]) == 3
    report = json.loads((tmp_path / "check-code.json").read_text())
    assert (report["status"], report["summary"]) == ("error", f"{os.strerror(number)}: /somewhere")
    assert "Traceback" not in capsys.readouterr().err


def test_a_missing_flag_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["train"])
    assert stopped.value.code == 2


def test_sigterm_ends_a_command_with_a_report(tmp_path: Path) -> None:
    """A step that the kubelet stops says so, and its folder holds no half of a model."""
    source = tmp_path / "source"
    shutil.copytree(SAMPLE, source)
    (source / "train.py").write_text("import time; print('training', flush=True); time.sleep(600)")
    command = [sys.executable, "-m", "hallmark.cli", "train", f"--source={source}", f"--model={tmp_path / 'model'}"]
    digest = f"--source-digest={sha256_tree(source)}"
    process = subprocess.Popen([*command, digest, f"--report={tmp_path / 'report'}"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert any("training" in line for line in process.stdout), "the script never started"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 3
    process.stdout.close()
    report = json.loads((tmp_path / "report/train.json").read_text())
    assert report["status"] == "error"
    assert "SIGTERM" in report["summary"]
    assert list((tmp_path / "model").glob("*")) == []


def flag_of(annotation: object, default: object) -> object:
    import dataclasses

    declared = dataclasses.make_dataclass("Params", [("some_flag", annotation, param("What it is.", default=default))])
    return flags_of(declared)[0]


@pytest.mark.parametrize(
    ("annotation", "given", "value"),
    [(bool, "true", True), (int, "3", 3), (float, "0.5", 0.5), (str, "x", "x"), (Path | None, "", None)],
)
def test_a_value_has_its_declared_type(annotation: object, given: str, value: object) -> None:
    assert parse_value(flag_of(annotation, None), given) == value


@pytest.mark.parametrize(("annotation", "given"), [(bool, "yes"), (bool, "True"), (int, "1.5"), (float, "much")])
def test_a_value_of_another_type_is_bad_input(annotation: object, given: str) -> None:
    with pytest.raises(BadInputError, match="some-flag"):
        parse_value(flag_of(annotation, None), given)


def words() -> dict[str, str]:
    return {"passed": "good", "refused": "bad", "solution": "mend it"}


def test_a_gate_without_checks_says_no() -> None:
    assert decide("gate", [], **words()).exit_code == 1


def test_one_failed_check_refuses() -> None:
    report = decide("gate", [Check(name="a", passed=True), Check(name="b", passed=False, value="1")], **words())
    assert (report.status, report.exit_code, report.solution) == ("refused", 1, "mend it")
    assert '<failure message="1">' in report.to_junit()
    assert "NO  b: 1" in report.to_text()


def test_equal_findings_give_equal_bytes() -> None:
    one = GateReport(command="c", status="passed", summary="s", digests={"a": "1", "b": "2"})
    two = GateReport(command="c", status="passed", summary="s", digests={"b": "2", "a": "1"})
    assert one.to_json() == two.to_json()


def test_control_characters_do_not_break_the_junit() -> None:
    from defusedxml import ElementTree

    report = decide("gate", [Check(name="a", passed=False, value="\x00\x1b[31m<&")], **words())
    assert ElementTree.fromstring(report.to_junit()).find("testcase/failure") is not None


def test_a_reader_who_stops_early_changes_no_exit_code() -> None:
    """`hallmark ... | head`: here the other end is closed before anything is said."""
    reading, writing = os.pipe()
    os.close(reading)
    program = Path(sys.executable).with_name("hallmark")
    done = subprocess.run(
        [program, "fetch-data", "--policy=/nowhere", "--fetched=/nowhere", "--policy-digest=x"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (2, "")
