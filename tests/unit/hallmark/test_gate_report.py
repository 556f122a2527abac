from __future__ import annotations

from hallmark.gate_report import Check, failures


def test_a_refusal_names_up_to_three_reasons_and_counts_the_others() -> None:
    checks = [Check(name=name, passed=name == "e", value=f"{name} found", limit="none") for name in "abcde"]
    assert failures(checks[3:]) == "1 of 2 checks failed: d: d found (needed: none)"
    reasons = "; ".join(f"{name}: {name} found (needed: none)" for name in "abc")
    assert failures(checks) == f"4 of 5 checks failed: {reasons}; and 1 more"
    assert failures([]) == "nothing was checked"


def test_a_long_finding_leaves_room_for_the_other_reasons() -> None:
    checks = [Check(name="a", passed=False, value="x" * 1000), Check(name="b", passed=False, value="y")]
    assert failures(checks) == f"2 of 2 checks failed: a: {'x' * 200}…; b: y"
