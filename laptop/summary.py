"""What a delivery came to, in a few lines: where its things are, or who refused it and what to do."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hallmark.attestations import ATTESTATIONS, TYPES
from laptop.delivery import Delivery, Project


def summary(project: Project, delivery: Delivery) -> str:
    """What the run came to, and how anybody can verify it with cosign alone."""
    lines = _refused(delivery) if delivery.exit_code else _delivered(project, delivery)
    return "\n".join(["", *lines, f"The registries keep running for the next delivery; {_clean(project)} ends them."])


def _delivered(project: Project, delivery: Delivery) -> list[str]:
    results = delivery.results
    changed = "" if results["manifest-changed"] == "true" else " (stood there already)"
    program = [
        f"DOCKER_CONFIG={shlex.quote(_near(project.world.releases.credential))}",
        shlex.quote(_near(project.world.cosign)),
    ]
    flags = ["--insecure-ignore-tlog=true", f"--key {shlex.quote(_near(project.policy / 'cosign.pub'))}"]
    verify = [["verify", *flags], *(["verify-attestation", *flags, f"--type {kind}"] for kind in _attested(delivery))]
    return [
        f"Delivered {project.name}, commit {results['commit']}",
        f"  image             {results['image']}",
        *([f"  accuracy          {results['accuracy']} on independent data"] if results["accuracy"] else []),
        f"  manifest commit   {results['manifest-commit']}{changed}",
        f"  report            {_near(delivery.report)}",
        *_not_reproduced(project, delivery),
        "verify it with nothing but cosign (without a transparency log its two WARNING lines are expected):",
        *(f"  {' '.join([*program, *command, results['image']])}" for command in verify),
        "look at the manifest:",
        f"  git -C {shlex.quote(_near(project.config))} show",
    ]


def _attested(delivery: Delivery) -> list[str]:
    """The predicate types that sign-image attested, as its report has them; none where it cannot be read."""
    try:
        report = json.loads((delivery.volume / "reports" / "sign-image" / "sign-image.json").read_text())
        told = next(check["value"] for check in report["checks"] if check["name"] == ATTESTATIONS)
        return [TYPES[kind] for kind in told.split(", ")]
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return []


def _refused(delivery: Delivery) -> list[str]:
    """The refusing gate's own sentence and advice; the run's condition where the report was not written."""
    try:
        report = json.loads((delivery.volume / "report" / "summary.json").read_text())
    except (OSError, ValueError):
        report = {}
    condition = delivery.run["status"]["conditions"][0]["message"]
    failed = (report.get("failed") or {}).get("task")
    lines = [f"Not delivered: {(report.get('headline') if failed else '') or condition}"]
    if failed and report.get("solution"):
        lines.append(f"  what to do        {report['solution']}")
    if delivery.report.exists():
        lines.append(f"  report            {_near(delivery.report)}")
    if failed:
        reports = delivery.volume / "reports"
        lines.append(f"  in plain words    .venv/bin/hallmark explain --reports={shlex.quote(_near(reports))}")
        folder = delivery.folder / "logs" / failed
        lines.append(f"  its log           tail -n +1 {shlex.quote(_near(folder))}/*.log")
        logs = sorted(folder.glob("sidecar-*.log"))
        lines += [f"  container's log   {_near(log)}" for log in logs]
    return lines


def _not_reproduced(project: Project, delivery: Delivery) -> list[str]:
    """A warning where an earlier run made another image of the same commit."""
    results = delivery.results
    for file in sorted((project.folder / "runs").glob("*/run.yaml")):
        earlier = {} if file.parent == delivery.folder else _results(file)
        before, now = (found.get("image", "").partition("@")[2] for found in (earlier, results))
        if earlier.get("commit") == results["commit"] and before and before != now:
            return [
                f"  WARNING           run {file.parent.name} made another image of this commit, {before}: "
                "the training, the data or the base image is not the same each time"
            ]
    return []


def _results(file: Path) -> Mapping[str, str]:
    """The results of an earlier run; none if its file cannot be read."""
    try:
        run: Any = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)["items"][0]
        return {result["name"]: str(result["value"]) for result in run["status"].get("results", [])}
    except (OSError, yaml.YAMLError, TypeError, KeyError, IndexError):
        return {}


def _clean(project: Project) -> str:
    state = project.world.state
    default = Path.cwd() / ".hallmark"
    return "`make clean`" if state == default else f"`python -m laptop.clean {shlex.quote(_near(state))}`"


def _near(path: Path) -> str:
    """A path as a person here would type it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
