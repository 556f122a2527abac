"""pytest with pytest-cov for the repository's own tests, and what they leave behind, read as hostile text."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree  # nosec B405: it only writes here

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from hallmark.errors import BadInputError
from hallmark.guard import without_private_names

State = Literal["passed", "failed", "skipped"]

NO_TESTS = 5
EXIT_CODES = {
    1: "a test failed, or a limit of the repository's own settings was missed",
    2: "the run was interrupted",
    3: "pytest itself failed inside",
    4: "pytest did not accept how it was called or configured",
    NO_TESTS: "there are no tests",
}
"""What pytest says by its exit code (pytest.ExitCode)."""

MAXIMUM_BYTES = 64 << 20
_MAXIMUM_CASES = 100_000
_MESSAGE_CHARACTERS = 400
_NAME_CHARACTERS = 300

_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
"""An object's, in a failed assertion: another in every run."""

JUNIT_FILE, COVERAGE_FILE = "tests.xml", "coverage.json"


@dataclass(frozen=True, kw_only=True)
class TestCase:
    """One test, as the repository's own run tells it."""

    __test__ = False

    group: str
    name: str
    state: State
    message: str = ""

    @property
    def title(self) -> str:
        return f"{self.group}::{self.name}" if self.group else self.name


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Lines of the repository's code outside of its tests."""

    covered: int
    lines: int

    @property
    def percent(self) -> float:
        """From 0 to 100; 0 where there is no line."""
        return 100 * self.covered / self.lines if self.lines else 0.0


def build_argv(paths: Sequence[str], *, out: Path, configuration: Path) -> list[str]:
    """The command, to be run in the repository's root; its own pytest settings count, its coverage settings do not."""
    return [
        *(sys.executable, "-m", "pytest", "--color=no", "-p", "no:cacheprovider"),
        f"--junitxml={out / JUNIT_FILE}",
        *("--cov=.", f"--cov-config={configuration}", f"--cov-report=json:{out / COVERAGE_FILE}"),
        *(f"./{path}" for path in paths),
    ]


def coverage_configuration(*, out: Path, allow_suppressions: bool) -> str:
    """The whole of coverage's settings: files of tests are told by pytest's names for them, and by nothing else."""
    excluded = "" if allow_suppressions else "exclude_lines = (?!)\n"
    return (
        f"[run]\ndata_file = {out / 'coverage.data'}\n"
        "omit =\n    */test_*.py\n    */*_test.py\n    */conftest.py\n"
        f"[report]\ninclude_namespace_packages = true\n{excluded}"
    )


def parse_junit(data: bytes) -> list[TestCase]:
    """The test cases in a JUnit report. Raises BadInputError where it is none."""
    try:
        root = defusedxml.ElementTree.fromstring(data, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise BadInputError(
            f"the tests' JUnit report is not XML: {error!r}", solution="let pytest write it, and nothing else"
        ) from error
    cases = [_case(element) for element in root.iter("testcase")]
    if len(cases) > _MAXIMUM_CASES:
        raise BadInputError(f"the tests' JUnit report holds {len(cases)} tests", solution="split the repository")
    return cases


def _case(element: ElementTree.Element) -> TestCase:
    state: State = "passed"
    message = ""
    for child in element:
        if child.tag in ("failure", "error"):
            state, message = "failed", _reason(child)
        elif child.tag == "skipped" and state == "passed":
            state, message = "skipped", child.get("message") or ""
    return TestCase(
        group=element.get("classname", "")[:_NAME_CHARACTERS],
        name=element.get("name", "")[:_NAME_CHARACTERS],
        state=state,
        message=_ADDRESS.sub("0x...", without_private_names(message))[:_MESSAGE_CHARACTERS],
    )


def _reason(failure: ElementTree.Element) -> str:
    """Why a test failed; where pytest's message says only that (at collection), the traceback's `E` line."""
    message = failure.get("message", "")
    if message and message != "collection failure":
        return message
    lines = (line.removeprefix("E").strip() for line in (failure.text or "").splitlines() if line.startswith("E "))
    return next(lines, message)


def to_junit(cases: Iterable[TestCase]) -> str:
    """The test cases as JUnit again: only what was understood, without times, and labelled as the maker's own."""
    suite = ElementTree.Element("testsuite", name="the repository's own tests")
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for case in cases:
        count[case.state] += 1
        element = ElementTree.SubElement(suite, "testcase", classname=case.group, name=case.name)
        if case.state != "passed":
            ElementTree.SubElement(element, "failure" if case.state == "failed" else "skipped", message=case.message)
    suite.set("tests", str(sum(count.values())))
    suite.set("failures", str(count["failed"]))
    suite.set("skipped", str(count["skipped"]))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def parse_coverage(data: bytes) -> Coverage:
    """The line counts in coverage's JSON report, added up over its files. Raises BadInputError where it is none."""
    try:
        summaries = [file["summary"] for file in json.loads(data)["files"].values()]
        counts = [(summary["covered_lines"], summary["num_statements"]) for summary in summaries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInputError(
            f"the tests' coverage report is not understood: {error!r}", solution="let pytest-cov write it"
        ) from error
    if not all(type(covered) is int and type(lines) is int and 0 <= covered <= lines for covered, lines in counts):
        raise BadInputError(
            "the tests' coverage report holds impossible counts", solution="let pytest-cov write it, and nothing else"
        )
    return Coverage(covered=sum(covered for covered, _ in counts), lines=sum(lines for _, lines in counts))
