"""A run with everything looked up: what `resolve` makes and all later stages read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tkn_solo.facts import Graph, RunTimeouts
from tkn_solo.model import Param, PipelineSpec, Run, TaskSpec, WorkspaceBinding
from tkn_solo.names import child_name

NAMESPACE = "default"
NETWORK_LABEL = "hallmark.dev/network"


@dataclass(frozen=True, kw_only=True)
class TaskDefinition:
    """The Task behind one pipeline task. `timeout` is in seconds for each attempt; None: no limit."""

    task_name: str
    spec: TaskSpec
    embedded: bool
    place: str
    labels: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = 3600.0

    @property
    def host_network(self) -> bool:
        """The Task declares by its label that it needs the network."""
        return self.labels.get(NETWORK_LABEL) == "host"


@dataclass(frozen=True, kw_only=True)
class RunDefinition:
    """A PipelineRun, or a TaskRun as a run of a single task.

    `pipeline` is the spec after parameters, context and workspace variables were replaced; None for a TaskRun.
    """

    name: str
    uid: str
    run: Run
    place: str
    pipeline_name: str
    pipeline: PipelineSpec | None
    graph: Graph
    tasks: Mapping[str, TaskDefinition]
    timeouts: RunTimeouts
    workspaces: Mapping[str, WorkspaceBinding]
    params: tuple[Param, ...]
    namespace: str = NAMESPACE

    def child_of(self, task: str) -> str:
        """The TaskRun's name of a pipeline task."""
        return self.name if self.pipeline is None else child_name(self.name, f"-{task}")
