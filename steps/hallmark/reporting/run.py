"""A whole run as one value: what each gate said, what that makes of the run, and what failed first and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hallmark.command import COMMANDS
from hallmark.gate_report import GateReport

Result = Literal["passed", "refused", "error", "missing", "not run"]
"""Of a gate: `missing` where its task failed without a report that can be read."""
Outcome = Literal["passed", "refused", "failed", "incomplete"]
"""Of a run: `failed` where something broke, so that nothing was decided."""

WRONG: tuple[Result, ...] = ("refused", "error", "missing")
SUCCEEDED, FAILED = "Succeeded", "Failed"
ABOUT_THE_DATA = ("validate-data", "prepare-evaluation")
"""Bad data makes tests, training and model fail too, and never the other way round."""
_VERBS: dict[Result, str] = {"refused": "refused", "error": "could not decide", "missing": "failed"}

_TASK = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_REFERENCE = re.compile(r"\S+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One command of one task, as far as it came."""

    task: str
    command: str
    task_status: str
    """Tekton's `$(tasks.<task>.status)`: Succeeded, Failed or None; empty where nobody told."""
    report: GateReport | None = None
    trouble: str = ""
    """Why there is no report."""

    @property
    def result(self) -> Result:
        if self.report is not None:
            return self.report.status
        if self.trouble or self.task_status == FAILED:
            return "missing"
        return "passed" if self.task_status == SUCCEEDED else "not run"

    @property
    def summary(self) -> str:
        if self.report is not None:
            return self.report.summary
        if self.result == "not run":
            return "was not run"
        verb = "succeeded" if self.task_status == SUCCEEDED else "failed"
        return self.trouble or f"the task {verb} and left no report"

    @property
    def solution(self) -> str:
        if self.report is not None:
            return self.report.solution
        return f"see the log of the task {self.task}" if self.result == "missing" else ""

    @property
    def purpose(self) -> str:
        """What the command does, as in its help."""
        return COMMANDS.get(self.command, "")


@dataclass(frozen=True, kw_only=True)
class StatedDigest:
    """A digest, and the gates that state it for the artefact `name`."""

    name: str
    digest: str
    gates: tuple[str, ...]
    disputed: bool
    """Whether another gate states another digest for the same name."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that is known of a run, in the order of the pipeline."""

    name: str
    gates: tuple[Gate, ...]
    repository: str = ""
    revision: str = ""

    @property
    def failure(self) -> Gate | None:
        """The gate to look at first: of those whose task failed one about the data, else the pipeline's first."""
        wrong = [gate for gate in self.gates if gate.result in WRONG]
        failed = [gate for gate in wrong if gate.task_status in (FAILED, "")]
        return min(failed or wrong, key=lambda gate: gate.command not in ABOUT_THE_DATA, default=None)

    @property
    def other_failures(self) -> tuple[Gate, ...]:
        """Gates beside it that said no or broke, by themselves or as a consequence; tasks run at the same time."""
        return tuple(gate for gate in self.gates if gate.result in WRONG and gate is not self.failure)

    @property
    def silently_failed(self) -> str:
        """A task that failed although all its reports passed; empty where there is none."""
        by_task: dict[str, list[Gate]] = {}
        for gate in self.gates:
            by_task.setdefault(gate.task, []).append(gate)
        for task, gates in by_task.items():
            if gates[0].task_status == FAILED and all(gate.result == "passed" for gate in gates):
                return task
        return ""

    @property
    def outcome(self) -> Outcome:
        failure = self.failure
        if failure is not None:
            return "refused" if failure.result == "refused" else "failed"
        if self.silently_failed:
            return "failed"
        unfinished = not self.gates or any(gate.result == "not run" for gate in self.gates)
        return "incomplete" if unfinished else "passed"

    @property
    def reason(self) -> str:
        """What the failure is, and which other gates did not pass either; empty where nothing failed."""
        if self.failure is None:
            return ""
        others = [
            f"{_listed(gates)} {verb}"
            for result, verb in _VERBS.items()
            if (gates := [gate.command for gate in self.other_failures if gate.result == result])
        ]
        return "; ".join([self.failure.summary, *others])

    @property
    def headline(self) -> str:
        """The run in a sentence."""
        if self.failure is not None:
            return f"{self.failure.command} {_VERBS[self.failure.result]}: {self.reason}"
        if self.silently_failed:
            return f"{self.silently_failed} failed after its report was written"
        if self.outcome == "incomplete":
            return "The run was stopped before every gate had been asked"
        return f"Every gate passed; {self.delivered}" if self.delivered else "Every gate passed"

    @property
    def solution(self) -> str:
        """What to do, where the run did not pass."""
        if self.failure is not None:
            return self.failure.solution
        if self.silently_failed:
            return f"see the log of the task {self.silently_failed}"
        return "start the run again" if self.outcome == "incomplete" else ""

    @property
    def delivered(self) -> str:
        """What the configuration repository got, in the words of the command that did it; empty: nothing."""
        report = self.report_of("update-manifest")
        return report.summary if report is not None and report.status == "passed" else ""

    @property
    def signed_image(self) -> str:
        """`repository@sha256:...` where sign-image passed, else empty."""
        report = self.report_of("sign-image")
        found = _REFERENCE.search(report.summary) if report is not None and report.status == "passed" else None
        return found.group() if found else ""

    @property
    def facts(self) -> dict[str, str]:
        """What the run was about, for people; only what is known."""
        source = self.report_of("fetch-source")
        url, _, _ = source.summary.rpartition(" at ") if source and source.status == "passed" else ("", "", "")
        known = {
            "Model": self.value_of("fetch-source", "model"),
            "Repository": url or self.repository,
            "Revision": self.revision,
            "Commit": self.value_of("fetch-source", "revision"),
            "Accuracy": self.value_of("verify-model", "accuracy"),
            "Policy": source.digests.get("policy", "") if source else "",
            "Signed image": self.signed_image,
            "Manifest commit": self.value_of("update-manifest", "manifest commit"),
        }
        return {name: value for name, value in known.items() if value}

    @property
    def digests(self) -> tuple[StatedDigest, ...]:
        """Every artefact's digest and who states it; gates state a digest after they have recomputed it."""
        stated: dict[tuple[str, str], list[str]] = {}
        for gate in self.gates:
            for name, digest in (gate.report.digests if gate.report else {}).items():
                if digest:
                    stated.setdefault((name, digest), []).append(gate.command)
        names = [name for name, _ in stated]
        return tuple(
            StatedDigest(name=name, digest=digest, gates=tuple(gates), disputed=names.count(name) > 1)
            for (name, digest), gates in stated.items()
        )

    def report_of(self, command: str) -> GateReport | None:
        """The report of a command, None where there is none."""
        return next((gate.report for gate in self.gates if gate.command == command), None)

    def value_of(self, command: str, check: str) -> str:
        """What a passed command found in one of its checks; empty where it is not known."""
        report = self.report_of(command)
        if report is None or report.status != "passed":
            return ""
        return next((found.value for found in report.checks if found.name == check), "")


def _listed(names: Sequence[str]) -> str:
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last


def parse_statuses(statuses: Iterable[str]) -> dict[str, str]:
    """`task=Status` texts as a mapping in their order; what is no such text is left out."""
    pairs = (status.partition("=") for status in statuses)
    return {task: status for task, separator, status in pairs if separator and _TASK.fullmatch(task)}


def in_order(gates: Sequence[Gate], statuses: Mapping[str, str]) -> tuple[Gate, ...]:
    """The gates in the order of the pipeline's tasks, and within a task in that of the commands."""
    tasks, commands = list(statuses), list(COMMANDS)

    def position(gate: Gate) -> tuple[int, int, str]:
        # A task whose status nobody told stands where its command stands among all commands.
        command = commands.index(gate.command) if gate.command in commands else len(commands)
        return (tasks.index(gate.task) if gate.task in statuses else len(tasks), command, gate.command)

    return tuple(sorted(gates, key=position))
