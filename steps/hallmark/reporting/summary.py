"""A run for programs: `summary.json`, and JUnit with one suite for each gate."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree  # nosec B405: it only writes here

from hallmark.gate_report import GateReport
from hallmark.reporting.run import Gate, Run

_NOT_XML = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold."""


def to_json(run: Run) -> str:
    """The run as JSON; equal runs give equal bytes."""
    failure = run.failure
    value = {
        "run": run.name,
        "outcome": run.outcome,
        "headline": run.headline,
        "solution": run.solution,
        "failed": None
        if failure is None
        else {
            "task": failure.task,
            "command": failure.command,
            "exitCode": failure.report.exit_code if failure.report else None,
        },
        "delivered": run.delivered,
        "signedImage": run.signed_image,
        "facts": run.facts,
        "digests": [
            {"name": stated.name, "digest": stated.digest, "statedBy": list(stated.gates)} for stated in run.digests
        ],
        "gates": [_gate(gate) for gate in run.gates],
    }
    return json.dumps(value, indent=2) + "\n"


def _gate(gate: Gate) -> dict[str, Any]:
    checks = gate.report.checks if gate.report else ()
    return {
        "task": gate.task,
        "command": gate.command,
        "taskStatus": gate.task_status,
        "result": gate.result,
        "summary": gate.summary,
        "solution": gate.solution,
        "checks": [
            {"name": check.name, "passed": check.passed, "value": check.value, "limit": check.limit} for check in checks
        ],
    }


def to_junit(run: Run) -> str:
    """The run as JUnit: a suite a gate, a test case a check (https://github.com/testmoapp/junitxml)."""
    root = ElementTree.Element("testsuites", name=_clean(run.name))
    for gate in run.gates:
        root.append(_suite(gate))
    for kind in ("tests", "failures", "errors", "skipped"):
        root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in root)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(gate: Gate) -> ElementTree.Element:
    suite = ElementTree.Element("testsuite", name=_clean(f"hallmark.{gate.command}"))
    if gate.report is not None and gate.report.checks:
        _add_checks(suite, gate.command, gate.report)
    else:
        _add_whole(suite, gate)
    suite.set("tests", str(len(suite)))
    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(kind, str(len(suite.findall(f"testcase/{tag}"))))
    return suite


def _add_checks(suite: ElementTree.Element, command: str, report: GateReport) -> None:
    for check in report.checks:
        case = _case(suite, command, check.name)
        if not check.passed:
            tag = "error" if report.status == "error" else "failure"
            found = ElementTree.SubElement(case, tag, message=_clean(f"{check.value} {check.limit}".strip()))
            found.text = _clean(check.detail or report.summary)


def _add_whole(suite: ElementTree.Element, gate: Gate) -> None:
    """A gate that names no check stands as one test case."""
    case = _case(suite, gate.command, gate.command)
    tag = {"refused": "failure", "error": "error", "missing": "error", "not run": "skipped"}.get(gate.result)
    if tag:
        ElementTree.SubElement(case, tag, message=_clean(gate.summary))


def _case(suite: ElementTree.Element, command: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=_clean(f"hallmark.{command}"), name=_clean(name))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
