from pathlib import Path
from typing import Any

import pytest

from hallmark.documents.loading import parse
from hallmark.documents.rules_performance import Performance
from hallmark.errors import BadInputError
from hallmark.performance.document import Measure, Measured, ModelPerformance, Noise, read_performance
from hallmark.performance.judgement import judge_performance, undecided

UNITS = {"batch.throughput": "rows/s", "memory": "MiB", "size": "MiB", "loadSeconds": "s"}


def rules(text: str = "{}") -> Performance:
    return parse(text, Performance, name="policy.yaml")


def model(low: float, value: float, high: float, *, key: str = "latency.mean", mismatches: int = 0) -> ModelPerformance:
    unit: Any = UNITS.get(key, "ms")
    plain = {"latency.mean": Measure(value=1, low=1, high=1, unit="ms", samples=200)}
    found = Measure(value=value, low=low, high=high, unit=unit, samples=2000)
    return ModelPerformance(measures={**plain, key: found}, histogram=[(1.0, 200)], answers=9, mismatches=mismatches)


def measured(candidate: ModelPerformance, **other: Any) -> Measured:
    given: dict[str, Any] = {"rounds": 5, "batch_rows": 1000, "threads": 1, "models": {"candidate": candidate}} | other
    return Measured(start_seconds=1.0, noise=Noise(median=0.1, spread=0.2, drift=0.1), **given)


def decisions(candidate: ModelPerformance, text: str = "{}", **other: Any) -> list[bool]:
    return [check.passed for check in judge_performance(measured(candidate, **other), rules(text)).checks]


def test_a_fast_model_passes_by_default() -> None:
    assert decisions(model(1, 2, 3)) == [True, True]


@pytest.mark.parametrize(
    ("decide", "low", "value", "high", "passed"),
    [
        ("bound", 13, 14, 14.9, True),
        ("bound", 13, 14, 15.1, False),
        ("bound", 16, 17, 18, False),
        ("estimate", 13, 14, 16, True),
        ("estimate", 14, 15.1, 16, False),
        ("evidence", 14.9, 16, 17, True),
        ("evidence", 15.1, 16, 17, False),
    ],
)
def test_the_interval_decides_as_the_policy_says(
    decide: str, low: float, value: float, high: float, passed: bool
) -> None:
    assert decisions(model(low, value, high), f"decide: {decide}") == [True, passed]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("latency.p50", "latency: {p50: {maximum: 10}}"),
        ("latency.p95", "latency: {p95: {maximum: 10}}"),
        ("latency.p99", "latency: {p99: {maximum: 10}}\nrequests: 200"),
        ("batch.latency.mean", "batch: {latency: {mean: {maximum: 10}}}"),
        ("memory", "memory: {maximum: 10}"),
        ("size", "size: {maximum: 10}"),
        ("loadSeconds", "loadSeconds: {maximum: 10}"),
    ],
)
def test_each_limit_says_no(key: str, text: str) -> None:
    assert decisions(model(7, 8, 9, key=key), text)[-1]
    assert not decisions(model(11, 12, 13, key=key), text)[-1]


def test_too_low_a_throughput_is_refused() -> None:
    text = "batch: {throughput: {minimum: 10}}"
    assert decisions(model(11, 12, 13, key="batch.throughput"), text)[-1]
    assert not decisions(model(9, 12, 13, key="batch.throughput"), text)[-1]


def test_a_fast_wrong_answer_is_refused() -> None:
    assert decisions(model(1, 2, 3, mismatches=1)) == [False, True]


def test_a_champions_wrong_answer_is_refused_too() -> None:
    both = {"candidate": model(1, 2, 3), "champion": model(1, 2, 3, mismatches=1)}
    assert decisions(both["candidate"], models=both) == [True, False, True]


def test_the_words_tell_the_doubt_and_the_noise() -> None:
    check = judge_performance(measured(model(14, 14.5, 16)), rules()).checks[-1]
    assert "straddles the limit after 5 rounds" in check.value
    assert "the machine's noise" in check.detail
    assert check.limit == "at most 15 ms, decided by the bound"


@pytest.mark.parametrize(
    "other", [{"rounds": 4}, {"threads": 2}, {"batch_rows": 10}, {"models": {"champion": model(1, 2, 3)}}]
)
def test_what_was_not_measured_as_asked_is_bad_input(other: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        decisions(model(1, 2, 3), **other)


def test_a_limit_for_what_was_not_measured_is_bad_input() -> None:
    with pytest.raises(BadInputError, match="memory"):
        decisions(model(1, 2, 3), "memory: {maximum: 10}")


def test_a_percentile_of_too_few_samples_is_bad_input() -> None:
    few = Measure(value=1, low=1, high=1, unit="ms", samples=199)
    candidate = ModelPerformance(measures={"latency.p95": few}, histogram=[], answers=1, mismatches=0)
    with pytest.raises(BadInputError, match="at least 200 samples"):
        decisions(candidate, "latency: {p95: {maximum: 10}}")


def test_an_interval_that_does_not_hold_its_value_is_bad_input() -> None:
    with pytest.raises(BadInputError, match=r"latency\.mean"):
        decisions(model(5, 1, 6))


@pytest.mark.parametrize(("decide", "expected"), [("bound", True), ("evidence", True), ("estimate", False)])
def test_more_rounds_are_wanted_while_an_interval_that_decides_straddles(decide: str, expected: bool) -> None:
    assert undecided(model(14, 14.5, 16), rules(f"decide: {decide}")) is expected
    assert not undecided(model(13, 14, 14.5), rules(f"decide: {decide}"))
    assert not undecided(model(16, 17, 18), rules(f"decide: {decide}"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("latency: {p99: {maximum: 5}}", "needs 1000 questions"),
        ("batch: {latency: {p95: {maximum: 5}}}", "needs 200 questions"),
        ("rounds: 20", "maximumRounds"),
        ("latency: {p90: {maximum: 5}}", "p90"),
        ("latency: {mean: {maximum: 0}}", "more than 0"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_bad_input(text: str, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        rules(text)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    assert read_performance(measured(model(1, 2, 3)).write(tmp_path)) == measured(model(1, 2, 3))


@pytest.mark.parametrize("content", [b"", b"{}", b"[", b'{"rounds": NaN}'])
def test_a_file_that_is_none_is_bad_input(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "performance.json").write_bytes(content)
    with pytest.raises(BadInputError, match=r"performance\.json"):
        read_performance(tmp_path / "performance.json")
    with pytest.raises(BadInputError):
        read_performance(tmp_path / "none")


def test_the_figures_hold_what_the_page_draws() -> None:
    figures = judge_performance(measured(model(1, 2, 3)), rules()).figures["performance"]
    assert figures["limits"] == [
        {
            "name": "latency.mean",
            "value": 2.0,
            "low": 1.0,
            "high": 3.0,
            "unit": "ms",
            "limit": 15.0,
            "atLeast": False,
            "passed": True,
        }
    ]
    assert figures["models"]["candidate"]["histogram"] == [[1.0, 200]]
    assert {"noise", "rounds", "batchRows", "threads", "startSeconds"} < set(figures)
