"""The verdict's time and evidence, and its published schema."""

from __future__ import annotations

import importlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from hallmark.documents.loading import parse
from hallmark.documents.policy import Policy
from hallmark.errors import BadInputError
from hallmark.evidence import read_evidence
from hallmark.files import sha256_bytes
from hallmark.gate_report import Check, decide
from hallmark.release import age_check, holds_for_long
from hallmark.verdict import CLOCK_SKEW, SHOWN_CHARACTERS, SHOWN_CHECKS, UtcTime, Verdict, read_verdict, this_second

from .supply_chain_images import POLICY_WITH_KEY, digest, verdict_content

ROOT = Path(__file__).parents[4]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def verdict(judged: datetime) -> Verdict:
    content = verdict_content(digest("7"), "registry.example.com/iris", digest("8"))
    return read_verdict(json.dumps({**content, "judgedAt": f"{judged:%Y-%m-%dT%H:%M:%SZ}"}))


def policy(days: str) -> Policy:
    return parse(POLICY_WITH_KEY.replace("[cosign.pub]", f"[cosign.pub], validFor: {days}"), Policy, name="policy.yaml")


@pytest.mark.parametrize(
    ("age", "days", "passed"),
    [
        (timedelta(0), "1", True),
        (timedelta(days=1, seconds=-1), "1", True),
        (timedelta(days=1), "1", False),
        (timedelta(days=3000), "null", True),
        (-CLOCK_SKEW, "1", True),
        (-CLOCK_SKEW - timedelta(seconds=1), "1", False),
        (-CLOCK_SKEW - timedelta(seconds=1), "null", False),
    ],
)
def test_a_verdict_holds_from_now_to_the_policys_end(age: timedelta, days: str, passed: bool) -> None:
    assert age_check(verdict(NOW - age), policy(days), NOW).passed is passed


@pytest.mark.parametrize(
    ("age", "days", "long"),
    [
        (timedelta(days=4), "10", True),
        (timedelta(days=5), "10", False),
        (timedelta(days=5000), "null", True),
        (timedelta(days=-1), "10", False),
    ],
)
def test_a_verdict_is_renewed_when_half_of_its_time_is_over(age: timedelta, days: str, long: bool) -> None:
    assert holds_for_long(verdict(NOW - age), policy(days), NOW) is long


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00:00", "2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00+01:00", "2026-01-31", "", "0", 0]
)
def test_a_time_that_is_not_utc_in_whole_seconds_is_no_verdicts(text: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(UtcTime).validate_json(json.dumps(text), strict=True)


def test_the_time_is_written_so_that_texts_sort_like_times() -> None:
    assert json.loads(verdict(NOW).model_dump_json(by_alias=True))["judgedAt"] == "2026-06-01T12:00:00Z"
    assert this_second().microsecond == 0


def test_two_verdicts_that_differ_in_their_time_judge_the_same() -> None:
    assert verdict(NOW).judges_the_same(verdict(NOW - timedelta(days=9)))


def test_the_published_schema_takes_a_verdict_and_refuses_what_is_none() -> None:
    schema = json.loads((ROOT / "docs/schemas/verdict.schema.json").read_text())
    jsonschema: Any = importlib.import_module("jsonschema")
    content = json.loads(verdict(NOW).model_dump_json(by_alias=True))
    jsonschema.validate(content, schema)
    for change in ({"passed": "yes"}, {"policy": "latest"}, {"forged": 1}, {"kind": "Opinion"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**content, **change}, schema)
    for key in ("judgedAt", "gates", "image", "passed", "metrics"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({name: value for name, value in content.items() if name != key}, schema)


def test_a_verdict_repeats_as_much_of_a_report_as_fits(tmp_path: Path) -> None:
    checks = [Check(name=f"check {number}", passed=True, value="v" * 9999) for number in range(100)]
    report = decide("check-code", checks, passed="p" * 9999, refused="", solution="", tools={"ruff": "1.2.3"})
    text = report.to_json()
    (tmp_path / "check-code").mkdir()
    (tmp_path / "check-code/check-code.json").write_text(text)
    (found,) = read_evidence([f"check-code={sha256_bytes(text.encode())}"], tmp_path, {}).values()
    evidence = found.in_verdict()
    assert evidence.passed
    assert len(evidence.checks) == SHOWN_CHECKS
    assert len(evidence.summary) == len(evidence.checks[0].value) == SHOWN_CHARACTERS
    assert evidence.tools == {"ruff": "1.2.3"}


@pytest.mark.parametrize("text", ["[]", '{"command": "check-code"}', "{"])
def test_a_report_that_is_none_is_bad_input_though_its_digest_is_right(tmp_path: Path, text: str) -> None:
    (tmp_path / "check-code").mkdir()
    (tmp_path / "check-code/check-code.json").write_text(text)
    with pytest.raises(BadInputError, match="not understood"):
        read_evidence([f"check-code={sha256_bytes(text.encode())}"], tmp_path, {})
