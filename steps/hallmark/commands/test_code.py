"""Runs the repository's own tests with coverage, under the guard, in a copy that goes afterwards.

Trusts: that pytest ended by itself with what it says, as far as code that runs in the same process can be trusted at
all. These are the maker's tests and the reports say so; that the model is good is judged elsewhere, on other data.
Refuses: a failing test; a run without a test that passed; a run that ended early or left no readable report (an
`os._exit(0)` somewhere, say); coverage below the higher of the policy's and hallmark.yaml's minimum.
Writes `tests.junit.xml` beside the report, made anew from what the tests left behind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hallmark import guard, left_behind
from hallmark.command import Context, Outcome
from hallmark.contract import param, path
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import Policy, load_policy
from hallmark.errors import BadInputError
from hallmark.files import require_digest, sha256_bytes, sha256_tree, write_text
from hallmark.gate_report import Check, GateReport, decide
from hallmark.guard import GuardedRun
from hallmark.tools import pytest
from hallmark.tools.pytest import Coverage, TestCase

EXAMPLE = "hallmark test-code --source=. --policy=policy --source-digest=sha256:... --policy-digest=sha256:..."
COMMAND = "test-code"
JUNIT = "tests.junit.xml"

SHOWN_TESTS = 100
"""The report names no more failed tests; all are in the JUnit file."""


@dataclass(frozen=True, kw_only=True)
class Params:
    source: Path = path("The checked out repository.")
    policy: Path = path("The validators' folder.")
    source_digest: str = param("Digest of the checked out tree.")
    policy_digest: str = param("Digest of the validators' folder.")


@dataclass(frozen=True, kw_only=True)
class Results:
    """None of its own; the CLI writes the report's digest."""


@dataclass(frozen=True, kw_only=True)
class TestRun:
    """What is known of a run of the tests; None where they left nothing that can be read, and `unreadable` says why."""

    __test__ = False

    ended: GuardedRun
    cases: Sequence[TestCase] | None
    coverage: Coverage | None
    unreadable: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CoverageLimit:
    percent: float
    owner: str

    def __str__(self) -> str:
        return f"at least {self.percent:g} % ({self.owner})"


def run(params: Params, context: Context) -> Outcome:
    """Run the tests. Figures: `tests` {passed, failed, skipped, coverage, minimum_coverage}, `failed_tests`
    [{name, message}], `confinement`."""
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    require_digest("the source", sha256_tree(params.source), params.source_digest)
    model = load_model(params.source)
    context.say(f"running the repository's tests: {', '.join(model.tests.paths)}")
    found = run_tests(params.source, model, context, allow_suppressions=policy.code.allow_suppressions)
    junit = pytest.to_junit(found.cases or ())
    write_text(context.report_dir / JUNIT, junit)
    digests = {
        "source": params.source_digest,
        "policy": params.policy_digest,
        "tests-junit": sha256_bytes(junit.encode()),
    }
    return Outcome(report=report(found, coverage_limit(policy, model), digests), results=Results())


def run_tests(source: Path, model: Model, context: Context, *, allow_suppressions: bool) -> TestRun:
    """Run pytest under the guard on a copy of `source`, and read what it left."""
    with guard.private_folder() as folder:
        copy = guard.copy_source(source, folder / "source")
        out = folder / "out"
        out.mkdir()
        configuration = folder / "coverage.ini"
        write_text(configuration, pytest.coverage_configuration(out=out, allow_suppressions=allow_suppressions))
        ended = guard.run_untrusted(
            pytest.build_argv(model.tests.paths, out=out, configuration=configuration),
            cwd=copy,
            writable=[copy, out],
            timeout=model.tests.timeout,
            say=context.say,
        )
        unreadable = []
        cases, coverage = None, None
        try:
            cases = pytest.parse_junit(_read(out / pytest.JUNIT_FILE, "the tests' JUnit report"))
        except BadInputError as error:
            unreadable.append(error.message)
        try:
            coverage = pytest.parse_coverage(_read(out / pytest.COVERAGE_FILE, "the tests' coverage report"))
        except BadInputError as error:
            unreadable.append(error.message)
        return TestRun(ended=ended, cases=cases, coverage=coverage, unreadable=tuple(unreadable))


def coverage_limit(policy: Policy, model: Model) -> CoverageLimit:
    """The higher of both minimums: the repository may only tighten."""
    if model.tests.minimum_coverage > policy.code.minimum_coverage:
        return CoverageLimit(percent=model.tests.minimum_coverage, owner="hallmark.yaml")
    return CoverageLimit(percent=policy.code.minimum_coverage, owner="the policy")


def report(found: TestRun, limit: CoverageLimit, digests: dict[str, str]) -> GateReport:
    """The gate's decision on what the tests left."""
    cases = found.cases or ()
    failed = [case for case in cases if case.state == "failed"]
    skipped = sum(case.state == "skipped" for case in cases)
    passed = len(cases) - len(failed) - skipped
    counts = f"{passed} passed, {len(failed)} failed, {skipped} skipped"
    coverage = found.coverage or Coverage(covered=0, lines=0)
    # Rounded down: 79.96 % must not be shown as the 80 % that it is not.
    percent = math.floor(coverage.percent * 10) / 10
    checks = [
        _ended_well(found, explained=bool(failed)),
        Check(
            name="the repository's own tests",
            passed=found.cases is not None and passed > 0 and not failed,
            value=counts,
            limit="at least one passed, none failed",
            detail="\n".join(f"{case.title}: {_first_line(case.message)}" for case in failed[:SHOWN_TESTS]),
        ),
        Check(
            name="coverage",
            passed=found.coverage is not None and coverage.percent >= limit.percent,
            value=f"{percent:g} % of {coverage.lines} lines" if found.coverage else "not measured",
            limit=str(limit),
        ),
    ]
    return decide(
        COMMAND,
        checks,
        passed=f"the repository's own tests: {counts}; {percent:g} % of its lines were run",
        refused=_refusal(checks, failed, found),
        solution="run `python -m pytest` in the repository and mend what it shows",
        figures={
            "tests": {
                "passed": passed,
                "failed": len(failed),
                "skipped": skipped,
                "coverage": percent if found.coverage else None,
                "minimum_coverage": limit.percent,
            },
            "failed_tests": [{"name": case.title, "message": case.message} for case in failed[:SHOWN_TESTS]],
            "confinement": found.ended.confinement,
        },
        digests=digests,
    )


def _ended_well(found: TestRun, *, explained: bool) -> Check:
    """Whether pytest came to its end; the end of its output says why not, unless failed tests `explained` it."""
    ended = found.ended
    meaning = "" if ended.timed_out else pytest.EXIT_CODES.get(ended.exit_code, "")
    passed = ended.exit_code == 0 and not ended.timed_out and not found.unreadable
    return Check(
        name="the test run",
        passed=passed,
        value="; ".join(filter(None, [ended.ending, meaning, *found.unreadable])),
        limit="exit code 0, with a JUnit and a coverage report",
        detail="" if passed or explained else ended.output_tail,
    )


def _refusal(checks: Sequence[Check], failed: Sequence[TestCase], found: TestRun) -> str:
    if failed:
        first = f"{failed[0].title}: {_first_line(failed[0].message)}"
        return f"{len(failed)} of {len(found.cases or ())} tests failed; the first: {first}"
    wrong = next((check for check in checks if not check.passed), checks[0])
    return f"{wrong.name}: {wrong.value} (needed: {wrong.limit})"


def _read(file: Path, what: str) -> bytes:
    return left_behind.read(file, what=what, maximum=pytest.MAXIMUM_BYTES)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:200] if text.strip() else "no message"
