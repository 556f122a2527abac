"""What test-image asks a container beside predictions: wrong input, health, metrics, and a short load.

Everything is bounded in number, size and time. What the container says of itself (metrics) is told as its own word.
"""

from __future__ import annotations

import json
import re
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from hallmark.documents.rules_image import ImageRules
from hallmark.gate_report import Check
from hallmark.inference_client import BadAnswerError, Server, described

SECONDS = 10.0
"""For each of these requests."""
HUGE_BYTES = 16 << 20
METRICS_BYTES = 4 << 20
LOAD_SECONDS = 120.0
"""For the whole load."""
FAILURES = 10
"""Of the load, until no more is asked."""
MEMORY, STARTED = "process_resident_memory_bytes", "process_start_time_seconds"
"""As client libraries call them (prometheus.io/docs/instrumenting/writing_clientlibs, process metrics)."""
_SAMPLE = re.compile(
    r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})?\s+([-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|Inf|NaN))(\s+-?[0-9]+)?"
)
"""A line of the text format that is no comment."""


@dataclass(kw_only=True)
class Loaded:
    """What the load found."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    wrong: int = 0
    """Answers that are not the model's."""
    wrong_rows: set[int] = field(default_factory=set)
    """The rows that they are of, each of which may be asked many times."""


def wrong_questions(server: Server, row: Sequence[object]) -> dict[str, bytes]:
    """Bodies that no server can answer, each by what is wrong about it; made of one good row."""
    good = json.loads(server.question([row]))
    wrong: dict[str, bytes] = {
        "no JSON": b'{"instances": [[',
        "no body": b"",
        "no rows": b"{}",
    }
    if server.is_v2:
        named = {"name": "no_such_column", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}
        changed: dict[str, Any] = {
            "a missing column": {"inputs": good["inputs"][1:]},
            "an unknown column": {"inputs": [*good["inputs"][1:], named]},
            "a wrong shape": {"inputs": [{**tensor, "shape": [2, 7]} for tensor in good["inputs"]]},
        }
    else:
        values = good["instances"][0]
        changed = {
            "a missing value": {"instances": [values[1:]]},
            "one value too many": {"instances": [[*values, 1]]},
            "values that are lists": {"instances": [[[value] for value in values]]},
            "an unknown column": {"instances": [{"no_such_column": 1}]},
        }
    return wrong | {name: json.dumps(content).encode() for name, content in changed.items()}


def wrong_input_check(server: Server, row: Sequence[object]) -> Check:
    """Whether each wrong question is answered with 4xx, and the container is ready after all of them."""
    complaints: list[str] = []
    questions = wrong_questions(server, row)
    for name, body in questions.items():
        try:
            status, answer = server.ask("POST", server.predict, body, seconds=SECONDS)
            if not 400 <= status < 500:
                complaints.append(f"{name}: {described(status, answer, [row])}")
        except BadAnswerError as error:
            complaints.append(f"{name}: {error}")
    name = f"a body of {HUGE_BYTES >> 20} MiB"
    try:
        # Who hangs up on it has refused it too.
        found = server.ask_too_much(HUGE_BYTES, seconds=SECONDS)
        if found is not None and not 400 <= found < 500:
            complaints.append(f"{name}: status {found}")
    except BadAnswerError as error:
        complaints.append(f"{name}: {error}")
    complaints += _not_200(server, server.readiness, "ready afterwards")
    return Check(
        name="wrong input",
        passed=not complaints,
        value=complaints[0] if complaints else f"{len(questions) + 1} kinds were refused",
        limit="answered with 4xx, and ready afterwards",
        detail="\n".join(complaints),
    )


def health_check(server: Server, path: str) -> Check:
    """Whether the path that tells liveness answers 200."""
    complaints = _not_200(server, path, path)
    return Check(name="health", passed=not complaints, value=complaints[0] if complaints else path, limit="status 200")


def _not_200(server: Server, path: str, what: str) -> list[str]:
    try:
        status, answer = server.ask("GET", path, seconds=SECONDS)
    except BadAnswerError as error:
        return [f"{what}: {error}"]
    return [] if status == 200 else [f"{what}: {described(status, answer)}"]


def load(
    server: Server, questions: Sequence[tuple[Sequence[object], Callable[[str], bool]]], rules: ImageRules
) -> Loaded:
    """Send rows one by one, several at the same time, until all are sent, time is up or too many have failed.

    Args:
        questions: rows, each with what tells whether a label is the right answer; repeated as often as needed.
    """
    found, lock = Loaded(), threading.Lock()
    end = time.monotonic() + LOAD_SECONDS

    def one(number: int) -> None:
        if len(found.failures) >= FAILURES:
            return
        row, is_right = questions[number % len(questions)]
        try:
            if time.monotonic() > end:
                raise BadAnswerError(f"the load took longer than {LOAD_SECONDS:g} s")
            labels, seconds = server.predictions([row])
        except BadAnswerError as error:
            with lock:
                found.failures.append(str(error))
            return
        with lock:
            found.seconds.append(seconds)
            if not is_right(labels[0]):
                found.wrong += 1
                found.wrong_rows.add(number % len(questions))

    with ThreadPoolExecutor(rules.load.concurrency) as pool:
        list(pool.map(one, range(rules.load.requests)))
    return found


def load_checks(found: Loaded, rules: ImageRules) -> list[Check]:
    """Whether every request was answered, and rightly; and the 95th percentile, where it has a limit."""
    asked, at_once = rules.load.requests, f"{rules.load.concurrency} at the same time"
    right = len(found.seconds) - found.wrong
    told = f"{right} of {asked} answered as by the model, {at_once}"
    checks = [
        Check(
            name="load",
            passed=not found.failures
            and len(found.seconds) == asked
            and len(found.wrong_rows) <= rules.maximum_mismatches,
            value=f"{told}: {found.failures[0]}" if found.failures else told,
            limit=f"all but those of {rules.maximum_mismatches} rows" if rules.maximum_mismatches else "all",
        )
    ]
    if rules.load.p95 is not None:
        value = p95(found.seconds)
        checks.append(
            Check(
                name="p95 under load",
                passed=value is not None and value * 1000 <= rules.load.p95,
                value="too few answers" if value is None else f"{value * 1000:.1f} ms",
                limit=f"at most {rules.load.p95:g} ms",
            )
        )
    return checks


def p95(seconds: Sequence[float]) -> float | None:
    """The 95th percentile (of the sample, interpolated); None of fewer than two numbers."""
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else None


def metrics(server: Server, path: str) -> tuple[dict[str, float], str]:
    """The samples without labels that the container offers, and why there are none.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    try:
        status, answer = server.ask("GET", path, seconds=SECONDS, limit=METRICS_BYTES)
    except BadAnswerError as error:
        return {}, str(error)
    if status != 200:
        return {}, described(status, answer)
    return parse_metrics(answer)


def parse_metrics(answer: bytes) -> tuple[dict[str, float], str]:
    """Samples by name (of those with labels, the last), or what is wrong.

    >>> parse_metrics(b'# TYPE up gauge\\nup 1\\nhits{path="/"} 3 1700000000000\\n')
    ({'up': 1.0, 'hits': 3.0}, '')
    >>> parse_metrics(b"<html>")
    ({}, "line 1 is none of Prometheus' text format")
    """
    found: dict[str, float] = {}
    for number, line in enumerate(answer.decode(errors="replace").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        sample = _SAMPLE.fullmatch(line.strip())
        try:
            found[sample.group(1)] = float(sample.group(3))  # type: ignore[union-attr]
        except (AttributeError, ValueError):
            return {}, f"line {number} is none of Prometheus' text format"
    return found, "" if found else "there is no sample"


def metrics_checks(samples: dict[str, float], reason: str, rules: ImageRules) -> list[Check]:
    """Whether there are metrics, where the policy wants them, and whether the memory that they tell is small enough."""
    checks = []
    if rules.metrics == "required":
        value = f"{len(samples)} metrics" if samples else reason
        checks.append(Check(name="metrics", passed=bool(samples), value=value, limit="Prometheus' text format"))
    if rules.memory is not None:
        memory = samples.get(MEMORY)
        checks.append(
            Check(
                name="memory",
                passed=memory is not None and 0 < memory <= rules.memory * (1 << 20),
                value="the container does not tell it" if memory is None else f"{memory / (1 << 20):.0f} MiB, it says",
                limit=f"at most {rules.memory:g} MiB ({MEMORY})",
            )
        )
    return checks
