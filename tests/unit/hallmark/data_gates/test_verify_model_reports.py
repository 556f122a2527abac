"""verify-model: what other tasks hand over, and in which form it counts."""

from __future__ import annotations

import polars as pl
import pytest

from hallmark.datasets import write_frame
from hallmark.files import sha256_bytes, sha256_tree
from hallmark.gate_report import Check, GateReport, decide

from .trial import GATES, IMAGE, MODEL, SOURCE, Trial, assert_refused


def test_a_container_that_was_asked_too_little_is_refused(trial: Trial) -> None:
    trial.respond(trial.truth[:10])
    assert_refused(trial, trial.run(), "the container answers as the model")
    trial.workshop.rules["image"] = {"rows": 10}
    assert trial.run().exit_code == 0


def test_a_container_that_was_not_asked_is_refused_whatever_the_policy_allows(trial: Trial) -> None:
    trial.workshop.rules["image"] = {"rows": 1, "maximumMismatches": 1000}
    empty = pl.DataFrame(schema={"row": pl.Int64, "prediction": pl.String, "seconds": pl.Float64})
    write_frame(empty, trial.workshop.folder("responses") / "responses.parquet")
    assert_refused(trial, trial.run(), "the container answers as the model")


@pytest.mark.parametrize("gate", GATES)
def test_a_required_gate_without_a_report_is_refused(trial: Trial, gate: str) -> None:
    del trial.reports[gate]
    run = trial.run()
    assert_refused(trial, run, f"gate {gate}")
    assert run.check(f"gate {gate}")["value"] == "no report"
    assert gate not in trial.verdict.gates


def test_a_gate_with_an_empty_digest_has_no_report(trial: Trial) -> None:
    trial.reports["test-code"] = ""
    assert_refused(trial, trial.run(), "gate test-code")


def test_a_required_gate_that_was_refused_is_refused_here_too(trial: Trial) -> None:
    trial.reports["check-code"] = trial.report("check-code", passed=False)
    run = trial.run()
    assert_refused(trial, run, "gate check-code")
    assert not trial.verdict.gates["check-code"].passed


def test_a_gate_that_ended_with_an_error_has_not_passed(trial: Trial) -> None:
    report = GateReport(command="check-code", status="error", summary="no ruff", exit_code=3)
    trial.reports["check-code"] = trial.write("check-code", report)
    assert_refused(trial, trial.run(), "gate check-code")


def test_another_gates_report_does_not_count(trial: Trial) -> None:
    report = decide("check-code", [Check(name="x", passed=True)], passed="", refused="", solution="")
    trial.reports["test-code"] = trial.write("test-code", report)
    assert_refused(trial, trial.run(), "gate test-code")


@pytest.mark.parametrize("name", ["model", "image", "source", "policy", "predictions", "responses", "independent-data"])
def test_a_report_about_another_delivery_does_not_count(trial: Trial, name: str) -> None:
    trial.reports["test-image"] = trial.report("test-image", digests={name: sha256_bytes(b"another")})
    run = trial.run()
    assert_refused(trial, run, "gate test-image")
    assert run.check("gate test-image")["value"] == f"its report is about another {name}"


def test_a_report_about_this_delivery_counts_wherever_it_lies(trial: Trial) -> None:
    trial.report("test-image", passed=False)
    trial.reports["test-image"] = trial.report("test-image", folder="my-task", digests={"model": MODEL, "image": IMAGE})
    assert trial.run().exit_code == 0


def test_a_gate_that_the_policy_does_not_require_may_be_missing(trial: Trial) -> None:
    trial.workshop.rules["requiredGates"] = ["predict-model", "test-image"]
    trial.reports = {gate: trial.reports[gate] for gate in ("predict-model", "test-image")}
    assert trial.run().exit_code == 0


def test_a_report_that_was_changed_is_bad_input(trial: Trial) -> None:
    trial.report("check-code", digests={"source": SOURCE})
    run = trial.run()
    assert run.exit_code == 2
    assert "no report of check-code has the digest" in run.told
    assert not (trial.workshop.folder("verdict") / "verdict.json").exists()


def test_a_link_in_a_reports_place_is_bad_input(trial: Trial) -> None:
    path = trial.workshop.folder("reports") / "check-code" / "check-code.json"
    path.rename(trial.workshop.root / "elsewhere.json")
    path.symlink_to(trial.workshop.root / "elsewhere.json")
    assert trial.run().exit_code == 2


@pytest.mark.parametrize(
    "entry", ["check-code", "no-such-gate=sha256:00", f"check-code=sha256:{'0' * 63}", f"={sha256_bytes(b'')}"]
)
def test_an_entry_that_names_no_report_is_bad_input(trial: Trial, entry: str) -> None:
    run = trial.run(gates=(entry,))
    assert (run.exit_code, "--gates has" in run.told) == (2, True)


def test_a_gate_named_twice_is_bad_input(trial: Trial) -> None:
    entry = f"check-code={trial.reports['check-code']}"
    run = trial.run(gates=(entry, entry))
    assert (run.exit_code, "stands twice" in run.told) == (2, True)


@pytest.mark.parametrize("digest", ["policy_digest", "labels_digest", "predictions_digest", "responses_digest"])
def test_a_digest_that_is_not_its_writers_is_bad_input(trial: Trial, digest: str) -> None:
    run = trial.run(**{digest: f"sha256:{'0' * 64}"})
    assert run.exit_code == 2
    assert "changed on the way" in run.told


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("commit", "main"),
        ("commit_time", "-1"),
        ("commit_time", "yesterday"),
        ("source_digest", "none"),
        ("model_digest", "sha256:12"),
        ("training_data_digest", "sha256:12"),
        ("image_digest", "latest"),
        ("candidate_image", "registry.example.com/iris:latest"),
        ("repository_url", "https://user:secret@git.example.com/iris.git"),
    ],
)
def test_params_that_no_verdict_may_rest_on_are_bad_input(trial: Trial, flag: str, value: str) -> None:
    run = trial.run(**{flag: value})
    assert run.exit_code == 2, run.told
    assert "secret" not in run.report_text
    assert not (trial.workshop.folder("verdict") / "verdict.json").exists()


def test_predictions_for_other_rows_are_bad_input(trial: Trial) -> None:
    trial.predict(trial.truth[1:])
    run = trial.run()
    assert (run.exit_code, "not about the same rows" in run.told) == (2, True)


def test_responses_for_unknown_rows_are_bad_input(trial: Trial) -> None:
    trial.respond(trial.truth, rows=[*range(trial.rows - 1), 9999])
    assert trial.run().exit_code == 2


def test_a_row_that_was_answered_twice_is_bad_input(trial: Trial) -> None:
    trial.respond(["setosa", "setosa"], rows=[1, 1])
    run = trial.run()
    assert (run.exit_code, "a row twice" in run.told) == (2, True)


def test_a_gap_in_the_predictions_is_bad_input(trial: Trial) -> None:
    trial.predict([None, *trial.truth[1:]])
    run = trial.run()
    assert (run.exit_code, "predictions.parquet is not what its writer writes" in run.told) == (2, True)


def test_a_file_that_is_no_parquet_is_bad_input(trial: Trial) -> None:
    (trial.workshop.folder("predictions") / "predictions.parquet").write_bytes(b"PAR1 and nothing more")
    assert trial.run().exit_code == 2


def test_a_label_added_to_the_folder_changes_its_digest(trial: Trial) -> None:
    digest = sha256_tree(trial.workshop.folder("labels"))
    (trial.workshop.folder("labels") / "more.parquet").write_bytes(b"x")
    assert trial.run(labels_digest=digest).exit_code == 2


def test_a_verdict_that_cannot_be_written_is_a_failed_tool(trial: Trial) -> None:
    trial.workshop.folder("verdict").rmdir()
    trial.workshop.folder("verdict").write_text("a file where the folder should be")
    run = trial.run()
    assert (run.exit_code, "cannot write" in run.told) == (3, True)
