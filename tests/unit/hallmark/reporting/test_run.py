"""What a run's reports and statuses make of the run."""

from __future__ import annotations

from typing import Any

import pytest

from hallmark.gate_report import Check, GateReport
from hallmark.reporting.run import Gate, Run, in_order, parse_statuses

DIGEST = f"sha256:{'a' * 64}"


def gate(command: str, status: Any = "passed", *, task_status: str = "", task: str = "", **report: Any) -> Gate:
    """A gate with a report of that status, or without one where the status is empty."""
    said = GateReport(command=command, status=status, summary=f"{command} was {status}", solution="do it", **report)
    return Gate(task=task or command, command=command, task_status=task_status, report=said if status else None)


def run_of(*gates: Gate) -> Run:
    return Run(name="delivery-1", gates=gates)


def test_a_run_passes_if_every_gate_passed() -> None:
    run = run_of(gate("check-code"), gate("train"))
    assert (run.outcome, run.headline, run.solution, run.failure) == ("passed", "Every gate passed", "", None)


def test_a_delivered_run_says_what_was_delivered() -> None:
    run = run_of(gate("update-manifest"))
    assert run.headline == "Every gate passed; update-manifest was passed"


def test_a_refusal_is_the_runs_reason_with_its_solution() -> None:
    run = run_of(gate("fetch-source"), gate("check-code", "refused"), gate("train", ""))
    assert (run.outcome, run.headline, run.solution) == (
        "refused",
        "check-code refused: check-code was refused",
        "do it",
    )


def test_an_error_is_a_failed_run_and_no_refusal() -> None:
    run = run_of(gate("check-code", "error"))
    assert (run.outcome, run.headline) == ("failed", "check-code could not decide: check-code was error")


def test_the_first_failure_in_the_pipelines_order_counts_and_the_others_are_named() -> None:
    run = run_of(gate("check-code"), gate("test-code", "refused"), gate("train", "error"))
    assert run.failure is not None
    assert run.failure.command == "test-code"
    assert [other.command for other in run.other_failures] == ["train"]


@pytest.mark.parametrize("status", ["refused", "error"])
def test_bad_data_is_the_cause_and_what_followed_from_it_is_named_after_it(status: str) -> None:
    run = run_of(
        gate("test-code", "refused", task_status="Failed"),
        gate("validate-data", status, task_status="Failed"),
        gate("train", "error", task_status="Failed"),
        gate("predict-model", "", task_status="Failed"),
        gate("notify", "", task_status="Failed"),
    )
    assert run.failure is not None
    assert run.failure.command == "validate-data"
    assert run.headline.endswith(
        f": validate-data was {status}; test-code refused; train could not decide; predict-model and notify failed"
    )


def test_a_task_that_did_not_fail_is_not_the_cause_although_it_is_about_the_data() -> None:
    run = run_of(
        gate("test-code", "refused", task_status="Failed"), gate("validate-data", "refused", task_status="None")
    )
    assert run.headline == "test-code refused: test-code was refused; validate-data refused"


def test_a_task_that_tekton_calls_failed_comes_before_one_that_only_reported() -> None:
    run = run_of(gate("check-code", "refused", task_status="None"), gate("test-code", "refused", task_status="Failed"))
    assert run.failure is not None
    assert run.failure.command == "test-code"


def test_a_task_that_failed_without_a_report_is_the_reason() -> None:
    run = run_of(gate("check-code", "", task_status="Failed"))
    assert (run.outcome, run.headline) == ("failed", "check-code failed: the task failed and left no report")
    assert run.solution == "see the log of the task check-code"


def test_a_task_that_failed_after_a_passing_report_is_no_passed_run() -> None:
    run = run_of(gate("check-code", task_status="Failed"))
    assert (run.outcome, run.headline) == ("failed", "check-code failed after its report was written")
    assert run.solution


def test_a_refused_report_of_a_task_that_succeeded_is_still_a_refusal() -> None:
    assert run_of(gate("check-code", "refused", task_status="Succeeded")).outcome == "refused"


@pytest.mark.parametrize("gates", [(), (gate("check-code", "", task_status="None"),)])
def test_a_run_without_every_answer_is_incomplete(gates: tuple[Gate, ...]) -> None:
    run = run_of(*gates)
    assert (run.outcome, run.solution) == ("incomplete", "start the run again")


def test_a_task_of_somebody_else_may_succeed_without_a_report() -> None:
    assert run_of(gate("check-code"), gate("notify", "", task_status="Succeeded")).outcome == "passed"


def test_facts_come_from_gates_that_passed_only() -> None:
    source = GateReport(
        command="fetch-source",
        status="passed",
        summary="https://git.example.org/a at b.git at 0123",
        checks=(
            Check(name="revision", passed=True, value="0123"),
            Check(name="model", passed=True, value="coin 1.0.0"),
        ),
        digests={"policy": DIGEST},
    )
    run = Run(
        name="delivery-1",
        gates=(
            Gate(task="fetch-source", command="fetch-source", task_status="Succeeded", report=source),
            gate("sign-image", "refused", checks=(Check(name="x", passed=False),)),
        ),
        revision="main",
    )
    assert run.facts == {
        "Model": "coin 1.0.0",
        "Repository": "https://git.example.org/a at b.git",
        "Revision": "main",
        "Commit": "0123",
        "Policy": DIGEST,
    }


def test_the_repository_that_was_asked_for_is_a_fact_also_without_a_report() -> None:
    assert Run(name="r", gates=(), repository="https://git.example.org/a").facts == {
        "Repository": "https://git.example.org/a"
    }


def test_a_signed_image_is_known_only_if_sign_image_passed() -> None:
    reference = f"registry.example.org/releases/coin@{DIGEST}"
    for status, known in (("passed", reference), ("refused", "")):
        report = GateReport(command="sign-image", status=status, summary=f"{reference} is signed")  # type: ignore[arg-type]
        signed = Gate(task="sign-image", command="sign-image", task_status="", report=report)
        assert run_of(signed).signed_image == known


def test_equal_digests_are_one_line_and_different_ones_are_disputed() -> None:
    other = f"sha256:{'b' * 64}"
    run = run_of(
        gate("train", digests={"model": DIGEST, "source": DIGEST}),
        gate("predict-model", digests={"model": other, "source": DIGEST}),
        gate("build-image", digests={"model": other, "verdict": ""}),
    )
    assert [(stated.name, stated.digest, stated.gates, stated.disputed) for stated in run.digests] == [
        ("model", DIGEST, ("train",), True),
        ("source", DIGEST, ("train", "predict-model"), False),
        ("model", other, ("predict-model", "build-image"), True),
    ]


def test_statuses_are_read_in_order_and_other_texts_left_out() -> None:
    assert list(parse_statuses(["b=Succeeded", "a=None", "odd", "=x", "../c=Failed", "c=a=b"]).items()) == [
        ("b", "Succeeded"),
        ("a", "None"),
        ("c", "a=b"),
    ]


def test_gates_stand_in_the_pipelines_order_and_commands_of_a_task_in_theirs() -> None:
    gates = [
        gate("report"),
        gate("verify-image", task="deliver"),
        gate("prepare-evaluation", task="data"),
        gate("validate-data", task="data"),
    ]
    assert [found.command for found in in_order(gates, {"data": "", "deliver": ""})] == [
        *("validate-data", "prepare-evaluation", "verify-image", "report")
    ]
