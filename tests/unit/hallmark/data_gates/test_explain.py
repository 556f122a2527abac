"""explain on reports that the gates of data and model really wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hallmark import cli
from hallmark.explanation import Explanation, explain
from hallmark.files import sha256_bytes
from hallmark.gate_report import Check, GateReport
from hallmark.judgement import wilson_interval
from hallmark.platforms import as_text
from hallmark.reporting.run import Gate, Run

from .trial import Trial, against
from .workshop import Workshop

Explained = Callable[..., str]


@pytest.fixture
def explained(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> Explained:
    """What `hallmark explain` prints about a report, or about all of them."""

    def call(command: str = "") -> str:
        place = workshop.folder("reports") / (f"{command}/{command}.json" if command else "")
        capsys.readouterr()
        assert cli.main(["explain", f"--reports={place}", f"--markdown={workshop.root / 'explanation.md'}"]) == 0
        text = capsys.readouterr().out
        assert "Next: " in text
        assert "**Next:** " in (workshop.root / "explanation.md").read_text()
        return text

    return call


def test_an_accuracy_below_its_minimum_is_told_in_rows(trial: Trial, explained: Explained) -> None:
    trial.workshop.rules["model"]["metrics"] = {"accuracy": {"minimum": 0.95}}
    trial.predict(trial.wrong(6))
    trial.respond(trial.wrong(6))
    assert trial.run().exit_code == 1
    text = explained("verify-model")
    assert "The model was refused: verify-model." in text
    assert "accuracy is 0.9, and it is below 0.95" in text
    assert "Next: 3 of 60 rows more would have to be right: improve the model or its data" in text


def test_a_platform_that_was_not_tested_is_told_with_who_can_allow_it(trial: Trial, explained: Explained) -> None:
    parts = {"linux/amd64": sha256_bytes(b"amd64"), "linux/arm64": sha256_bytes(b"arm64")}
    assert trial.run(image_platforms=as_text(parts), tested_platform="linux/amd64").exit_code == 1
    text = explained("verify-model")
    assert "the image is not tested on linux/arm64, and the policy allows it for linux/amd64 only" in text
    assert "image.untestedPlatforms" in text


def test_an_intervals_bound_below_the_minimum_is_told_in_rows_too(trial: Trial, explained: Explained) -> None:
    trial.workshop.rules["model"]["metrics"] = {"accuracy": {"minimum": 0.85, "decide": "bound"}}
    trial.predict(trial.wrong(6))
    trial.respond(trial.wrong(6))
    assert trial.run().exit_code == 1
    text = explained("verify-model")
    assert "accuracy is 0.9, and the lower end of its 95 % interval (0.7985) is below 0.85" in text
    more = int(text.split("Next: ")[1].split()[0])
    assert wilson_interval(54 + more, 60)[0] >= 0.85 > wilson_interval(53 + more, 60)[0]


def test_other_metrics_are_told_by_what_is_lacking(trial: Trial, explained: Explained) -> None:
    trial.workshop.rules["model"]["metrics"] = {"f1": {"minimum": 0.95}}
    trial.predict(trial.wrong(6))
    trial.respond(trial.wrong(6))
    assert trial.run().exit_code == 1
    text = explained("verify-model")
    assert "is below 0.95" in text
    assert "higher: improve the model or its data" in text


def test_too_few_rows_a_missing_gate_and_a_lying_container_are_told(trial: Trial, explained: Explained) -> None:
    trial.workshop.rules["model"]["minimumRows"] = trial.rows + 40
    trial.reports["test-code"] = ""
    trial.respond(trial.wrong(5))
    assert trial.run().exit_code == 1
    text = explained("verify-model")
    assert "judged on 60 independent rows, and the policy asks for 100" in text
    assert "the validators have to provide 40 more independent rows" in text
    assert "test-code left no report, and the policy requires it" in text
    assert "5 of 60 answers differ from what the model itself predicts" in text


def test_what_the_champion_is_better_in_is_told_in_numbers(trial: Trial, explained: Explained) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy", "rule": "non-inferiority", "margin": 0.05}
    trial.workshop.rules["model"]["metrics"] = {"accuracy": {"minimum": 0.5}}
    for wrong, change in ((1, "have to provide more independent rows"), (20, "as good as the one in production")):
        trial.predict(trial.wrong(wrong))
        trial.respond(trial.wrong(wrong))
        assert against(trial, 0).exit_code == 1
        text = explained("verify-model")
        assert f"accuracy is {1 - wrong / 60:.4g}, the model in production has 1 on the same rows" in text
        assert change in text
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    assert against(trial, 0).exit_code == 1
    assert "choose `rule: non-inferiority`" in explained("verify-model")
    assert trial.run().exit_code == 1
    assert "nothing is in production yet" in explained("verify-model")
    assert "first: allow" in explained("verify-model")


def test_more_rows_are_advised_only_where_the_value_itself_keeps_its_limit() -> None:
    for value, keeps in ((0.92, True), (0.88, False)):
        metric = {"name": "f1", "value": value, "low": 0.85, "high": 0.95, "minimum": 0.9, "decide": "bound"}
        (reason,) = one(refusing(Check(name="f1", passed=False), metrics=[metric])).reasons
        assert ("narrows the interval" in reason.change) is keeps


def test_formats_are_offered_with_or() -> None:
    check = Check(name="the policy allows the format", passed=False, value="pickle", limit="allowed: skops, onnx")
    (reason,) = one(refusing(check, command="predict-model")).reasons
    assert "write the model as skops or onnx, and" in reason.change


def test_overlapping_rows_are_counted_and_those_to_take_out_named(workshop: Workshop, explained: Explained) -> None:
    workshop.write_training(pl.concat([workshop.training, workshop.independent.head(3)]))
    trial = Trial(workshop)
    assert trial.run().exit_code == 1
    text = explained("verify-model")
    assert "3 of 60 independent rows are in the training data too, at most 0 may be" in text
    assert "take at least 3 of these rows out of the training data, and train again" in text
    workshop.rules["data"]["quality"] = {"overlaps": [{}]}
    assert workshop.run("validate-data").exit_code == 1
    assert "rows 1, 2, 3 of the independent data" in explained("validate-data")


def test_what_only_follows_from_another_refusal_comes_last(trial: Trial, explained: Explained) -> None:
    trial.workshop.suite(
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "species", "value_set": []}}
    )
    validated = trial.workshop.run("validate-data")
    assert validated.exit_code == 1
    trial.reports["validate-data"] = validated.results["report-digest"]
    assert trial.run().exit_code == 1
    text = explained()
    assert "1. validate-data: training data: expect_column_values_to_be_in_set species" in text
    assert text.index("validate-data did not pass: ") > text.index("1. validate-data")
    assert "Passed: check-code, test-code, prepare-evaluation, predict-model, test-image" in text


def test_a_passing_run_has_nothing_to_change(trial: Trial, explained: Explained) -> None:
    assert trial.run().exit_code == 0
    text = explained()
    assert "Nothing stands against the model" in text
    assert "Next: nothing has to change" in text


@pytest.mark.parametrize("content", [None, "", "[]", '{"command": "nothing"}', '{"command": "train"}', "{"])
def test_where_there_is_no_report_there_is_no_explanation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    if content is None:
        assert cli.main(["explain", f"--reports={tmp_path}"]) == 2
        assert cli.main(["explain", f"--reports={tmp_path / 'nowhere'}"]) == 2
        return
    (tmp_path / "train.json").write_text(content)
    assert cli.main(["explain", f"--reports={tmp_path / 'train.json'}"]) == 2
    assert cli.main(["explain", f"--reports={tmp_path}"]) == 2


def one(report: GateReport) -> Explanation:
    gate = Gate(task=report.command, command=report.command, task_status="", report=report)
    return explain(Run(name="", gates=(gate,)))


def refusing(*checks: Check, command: str = "verify-model", **figures: Any) -> GateReport:
    return GateReport(
        command=command, status="refused", summary="no", solution="s", checks=checks, figures=figures, exit_code=1
    )


def test_a_check_that_nobody_knows_is_told_by_its_own_words() -> None:
    check = Check(name="the moon", passed=False, value="half", limit="full", detail="seen from here")
    report = GateReport(command="train", status="refused", summary="no", solution="wait", checks=(check,), exit_code=1)
    (reason,) = one(report).reasons
    assert reason.what == "the moon: half; asked for: full (seen from here)"
    assert reason.change == "wait"


def test_an_error_is_no_refusal() -> None:
    report = GateReport(command="sign-image", status="error", summary="no registry", solution="start it", exit_code=3)
    found = one(report)
    assert found.outcome == "The model was not judged to its end: sign-image."
    assert found.reasons[0].what == "nothing was decided, because no registry"
    assert found.next_step == "start it"


def test_markdown_holds_what_reports_say_as_text() -> None:
    check = Check(name="x", passed=False, value="<script>alert(1)</script> [a](b) `c` **d**")
    report = GateReport(command="train", status="refused", summary="no", solution="s", checks=(check,), exit_code=1)
    text = one(report).to_markdown()
    assert "<script>" not in text.replace("\\<", "")
    assert "\\[a\\](b) \\`c\\` \\*\\*d\\*\\*" in text


HOSTILE: list[Any] = [None, {}, "x", 1, [1], [{"name": "accuracy"}], [{"name": "failed"}], [None]]


@pytest.mark.parametrize("figure", HOSTILE, ids=json.dumps)
def test_odd_figures_take_no_explanation_away(figure: Any) -> None:
    for command in ("verify-model", "test-code", "check-code", "validate-data"):
        names = ("accuracy", "coverage", "rows judged", "the repository's own tests", "required gates", "verdict's age",
                 "accuracy in every slice", "accuracy_difference by sex", "robust to noise: accuracy lost",
                 "throughput")  # fmt: skip
        checks = tuple(Check(name=name, passed=False, value="odd", limit="odd") for name in names)
        figures = dict.fromkeys(("metrics", "failed_tests", "failing_rows", "findings", "fairness"), figure)
        report = GateReport(
            command=command, status="refused", summary="no", solution="s", checks=checks, figures=figures, exit_code=1
        )
        assert len(one(report).reasons) == len(names)
