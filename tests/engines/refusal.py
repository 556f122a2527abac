"""The folders of `tests/scenarios` in which a delivery is refused.

`in/` is laid over the sample (a file `X.merge.yaml` is merged into `X.yaml`), and `expect.yaml` says how it ends:

- `failed`, `exitCode`: the task that says no, and its step's exit code
- `message`: what that task's report says, a regular expression; `report`: the same for the report of the run
- `refused`: names of checks, each of which that task's log has to say no to
- `present`, `absent`: what some log has to say, and what none may say; regular expressions
- `world`: what is amiss around the delivery: `remove` a file of the validators, `stop` a registry; `champion`: the
  sample's own repository is delivered before it, under the scenario's policy

Tasks that neither lead to the refusing one nor follow from it may or may not have begun by then, on either engine.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from engines.scenario import FOLDER
from laptop.delivery import Sides
from laptop.setup import ROOT

SAMPLE = ROOT / "samples" / "iris"
PIPELINE = ROOT / "pipelines" / "model-delivery.yaml"
REFUSALS = sorted(
    path.parent.name for path in FOLDER.glob("*/expect.yaml") if "failed" in yaml.safe_load(path.read_text())
)


@dataclass(frozen=True)
class Refusal:
    """A delivery that has to be refused."""

    name: str

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @cached_property
    def expect(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = yaml.safe_load((self.folder / "expect.yaml").read_text())
        return found

    @property
    def failed(self) -> str:
        return str(self.expect["failed"])

    @property
    def has_champion(self) -> bool:
        return bool(self.expect.get("world", {}).get("champion"))

    def wanted(self) -> dict[str, Any]:
        """What `settled` has to give of the run, on every engine."""
        before, after = _before(self.failed), _after(self.failed)
        # A task's steps are named as their task, in the one where several could fail the first one does.
        message = f'"step-{self.failed}" exited with code {self.expect["exitCode"]}: Error'
        return {
            "reason": "Failed",
            "outcome": "refused" if self.expect["exitCode"] == 1 else "failed",
            "stopped by": self.failed,
            "results": [name for name, task in _results() if task in (*before, "report")],
            "tasks": {
                **dict.fromkeys((*before, "report"), "Succeeded"),
                self.failed: {"reason": "Failed", "message": message},
            },
            "skipped": dict.fromkeys(after, "PipelineRun was stopping"),
        }

    def settled(self, objects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What a finished run came to, without what depends on which task was the quicker."""
        run, children = objects[0], {item["metadata"]["name"]: item for item in objects[1:]}
        told = (self.failed, "report", *_before(self.failed), *_after(self.failed))
        conditions = {
            child["pipelineTaskName"]: children[child["name"]]["status"]["conditions"][0]
            for child in run["status"]["childReferences"]
        }
        results = {result["name"]: result["value"] for result in run["status"].get("results", [])}
        return {
            "reason": run["status"]["conditions"][0]["reason"],
            "outcome": results.get("outcome"),
            "stopped by": str(results.get("stopped-by")).partition(":")[0],
            "results": [name for name, task in _results() if name in results and task in told],
            "tasks": {
                task: condition["reason"]
                if condition["status"] == "True"
                else {"reason": condition["reason"], "message": condition["message"]}
                for task, condition in conditions.items()
                if task in told
            },
            "skipped": {
                item["name"]: item["reason"] for item in run["status"].get("skippedTasks", []) if item["name"] in told
            },
        }

    def complaints(self, logs: Mapping[str, str]) -> list[str]:
        """What the logs, each by its `task/step`, lack or must not hold."""
        own = "\n".join(text for place, text in logs.items() if place.startswith(f"{self.failed}/"))
        everything = "\n".join(logs.values())
        found = []
        if not re.search(self.expect["message"], own):
            found.append(f"the log of {self.failed} does not say {self.expect['message']!r}: {own}")
        for name in self.expect.get("refused", []):
            if not re.search(f"NO  .*{re.escape(name)}", own):
                found.append(f"the log of {self.failed} does not say no to {name!r}: {own}")
        if self.failed not in logs["report/report"]:
            found.append(f"the log of report does not name {self.failed}: {logs['report/report']}")
        if "present" in self.expect and not re.search(self.expect["present"], everything):
            found.append(f"no log says {self.expect['present']!r}")
        if "absent" in self.expect:
            found += re.findall(f".*(?:{self.expect['absent']}).*", everything)[:20]
        return found


PARTS = {"repository": "repository", "policy": "validators/policy", "data": "validators/data"}


def lay_out(changes: Path, target: Path, *, plain: str = "") -> Sides:
    """The sample with a scenario's `in/`, or with nothing if that does not exist, laid over it; but for `plain`."""
    for name, part in PARTS.items():
        shutil.copytree(SAMPLE / part, target / part, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
        for path in sorted((changes / name).rglob("*")) if name != plain else ():
            beneath = target / part / path.relative_to(changes / name)
            if path.name.endswith(".merge.yaml"):
                whole = beneath.with_name(path.name.replace(".merge.yaml", ".yaml"))
                both = _merged(yaml.safe_load(whole.read_text()), yaml.safe_load(path.read_text()))
                whole.write_text(yaml.safe_dump(both))
            elif path.is_file():
                beneath.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, beneath)
    return Sides(repository=target / "repository", validators=target / "validators", config=SAMPLE / "config")


def _merged(base: Any, change: Any) -> Any:
    if not isinstance(base, Mapping) or not isinstance(change, Mapping):
        return change
    return {**base, **{key: _merged(base.get(key), value) for key, value in change.items()}}


@cache
def _results() -> list[tuple[str, str]]:
    """Each result of the pipeline, and the task that it is from."""
    declared = yaml.safe_load(PIPELINE.read_text())["spec"]["results"]
    return [(result["name"], re.findall(r"\.([\w-]+)\.results\.", str(result["value"]))[0]) for result in declared]


@cache
def _parents() -> dict[str, set[str]]:
    """Each task of the pipeline to those that it waits for; without those that run only where a policy asks for it."""
    tasks = [task for task in yaml.safe_load(PIPELINE.read_text())["spec"]["tasks"] if "when" not in task]
    waits = {
        task["name"]: {*task.get("runAfter", []), *re.findall(r"\$\(tasks\.([\w-]+)\.", yaml.safe_dump(task))}
        for task in tasks
    }
    return {name: parents & set(waits) for name, parents in waits.items()}


@cache
def _before(task: str) -> set[str]:
    parents = _parents()[task]
    return parents.union(*map(_before, parents))


def _after(task: str) -> set[str]:
    return {other for other in _parents() if task in _before(other)}
