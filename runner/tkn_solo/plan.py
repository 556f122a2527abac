"""The plan: what will run in which order, what stands in for what, and what is not enforced. Plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tkn_solo.build import Place, build
from tkn_solo.decode import yaml_name
from tkn_solo.definition import RunDefinition
from tkn_solo.graph import order, parents
from tkn_solo.invocation import TaskInvocation
from tkn_solo.model import Pipeline


@dataclass(frozen=True)
class PlannedTask:
    """One task of the plan; `images` are its steps' images, which the host's tools replace."""

    name: str
    parents: tuple[str, ...]
    final: bool
    images: tuple[str, ...]
    sidecars: tuple[str, ...]
    root: bool
    network: bool


@dataclass(frozen=True)
class Plan:
    run: str
    tasks: tuple[PlannedTask, ...]
    images: tuple[str, ...]
    not_enforced: tuple[str, ...]

    @property
    def needs_root(self) -> bool:
        return any(task.root for task in self.tasks)

    @property
    def needs_containers(self) -> bool:
        return any(task.sidecars for task in self.tasks)

    def text(self) -> str:
        """The tasks in order with their parents, then what differs from a cluster."""
        lines = [f"{self.run}: {len(self.tasks)} tasks"]
        for task in self.tasks:
            after = f" after {', '.join(task.parents)}" if task.parents else ""
            marks = [
                word
                for word, is_set in (("finally", task.final), ("root", task.root), ("network", task.network))
                if is_set
            ]
            marks += [f"sidecar {image}" for image in task.sidecars]
            told = f" ({', '.join(marks)})" if marks else ""
            lines.append(f"  {task.name}{after}{told}")
        lines += self.notices()
        return "\n".join(lines)

    def notices(self) -> list[str]:
        """What is not as on a cluster, each thing said once."""
        lines = [f"host tools stand in for image {image}" for image in self.images]
        if self.not_enforced:
            lines.append(f"not enforced on this machine: {', '.join(self.not_enforced)}")
        return lines

    def dot(self) -> str:
        """The graph in Graphviz' language."""
        lines = [f'digraph "{self.run}" {{', "  rankdir=LR;"]
        for task in self.tasks:
            lines.append(f'  "{task.name}"{" [style=dashed]" if task.final else ""};')
            lines += [f'  "{parent}" -> "{task.name}";' for parent in task.parents]
        return "\n".join([*lines, "}"])


def make_plan(run: RunDefinition, place: Place) -> Plan:
    """The plan of a run; raises InputError if a Secret, ConfigMap or claim is not given."""
    drafts = {name: build(run, task, 0, "", place, draft=True) for name, task in run.graph.everything().items()}
    ordered = [*order(run.graph.parents), *run.graph.finals]
    tasks = tuple(_planned(drafts[name], run) for name in ordered)
    images = dict.fromkeys(image for task in tasks for image in task.images)
    return Plan(run.name, tasks, tuple(images), tuple(sorted(set(_not_enforced(run)))))


def pipeline_plan(pipeline: Pipeline) -> Plan:
    """The plan of a Pipeline without a run: its tasks and their parents, before any value is known."""
    edges = parents(pipeline.spec.tasks)
    finals = [task.name for task in pipeline.spec.finally_]
    tasks = tuple(
        PlannedTask(
            name=name,
            parents=edges.get(name, ()),
            final=name in finals,
            images=(),
            sidecars=(),
            root=False,
            network=False,
        )
        for name in (*order(edges), *finals)
    )
    return Plan(pipeline.metadata.name, tasks, (), ())


def _planned(task: TaskInvocation, run: RunDefinition) -> PlannedTask:
    return PlannedTask(
        name=task.task,
        parents=run.graph.parents.get(task.task, ()),
        final=task.task in run.graph.finals,
        images=tuple(dict.fromkeys(step.image for step in task.steps)),
        sidecars=tuple(sidecar.image for sidecar in task.sidecars),
        root=any(step.user == 0 for step in task.steps),
        network=task.host_network,
    )


def _not_enforced(run: RunDefinition) -> Iterator[str]:
    """Names of the fields that are set and have no effect here."""
    yield from _ignored(run.run)
    for definition in run.tasks.values():
        yield from _ignored(definition.spec)


def _ignored(obj: Any) -> Iterator[str]:
    for field in dataclasses.fields(obj):
        value = getattr(obj, field.name)
        if not value:
            continue
        if field.metadata.get("ignored"):
            yield yaml_name(field.name)
        elif dataclasses.is_dataclass(value):
            yield from _ignored(value)
        elif isinstance(value, tuple):
            for item in value:
                if dataclasses.is_dataclass(item):
                    yield from _ignored(item)
