"""The part of the Tekton Pipelines v1 API that tkn-solo reads, as frozen dataclasses.

Python names are the snake_case of the API's names. Three kinds of marks on fields steer the generic code:
`var()` fields accept variables (docs/variables.md upstream), `unsupported()` fields are refused with the reason
given, and `ignored()` fields are accepted and have no effect on one machine (`plan` says so once).
"""

# ruff: noqa: RUF009 - var, unsupported and ignored make dataclass fields

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tkn_solo.fields import ignored, unsupported, var
from tkn_solo.kubernetes import (
    ClaimSource,
    ConfigMapSource,
    EnvFrom,
    EnvVar,
    ObjectMeta,
    Probe,
    SecretSource,
    SecurityContext,
    Volume,
    VolumeMount,
)
from tkn_solo.values import Value


@dataclass(frozen=True, kw_only=True)
class PropertySpec:
    type: str = "string"


@dataclass(frozen=True, kw_only=True)
class ParamSpec:
    name: str
    type: str = ""
    description: str = ""
    properties: Mapping[str, PropertySpec] | None = None
    default: Value | None = None
    enum: Any = unsupported("param enum needs an alpha feature flag upstream")


@dataclass(frozen=True, kw_only=True)
class Param:
    name: str
    value: Value = var()


@dataclass(frozen=True, kw_only=True)
class ResultSpec:
    """A result declared by a Task or a step; `value` takes it from a step's result."""

    name: str
    type: str = "string"
    description: str = ""
    properties: Mapping[str, PropertySpec] | None = None
    value: Value | None = None


@dataclass(frozen=True, kw_only=True)
class PipelineResult:
    name: str
    value: Value
    type: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class WorkspaceDeclaration:
    name: str
    description: str = ""
    mount_path: str = var()
    read_only: bool = False
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class PipelineWorkspaceDeclaration:
    name: str
    description: str = ""
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class PipelineTaskWorkspace:
    name: str
    workspace: str = ""
    sub_path: str = var()


@dataclass(frozen=True, kw_only=True)
class WorkspaceBinding:
    """Where the files of a workspace come from: exactly one source."""

    name: str
    sub_path: str = var()
    empty_dir: Any = None
    config_map: ConfigMapSource | None = None
    secret: SecretSource | None = None
    persistent_volume_claim: ClaimSource | None = None
    volume_claim_template: Any = None
    projected: Any = unsupported("bind one secret or configMap at a time")
    csi: Any = unsupported("no CSI drivers on one machine")


@dataclass(frozen=True, kw_only=True)
class WorkspaceUsage:
    name: str
    mount_path: str = ""


@dataclass(frozen=True, kw_only=True)
class When:
    input: str = var()
    operator: str = ""
    values: tuple[str, ...] = var(())
    cel: Any = unsupported("CEL in when needs an alpha feature flag upstream; use input, operator, values")


@dataclass(frozen=True, kw_only=True)
class Step:
    name: str = var()
    display_name: str = ""
    image: str = var()
    command: tuple[str, ...] = var(())
    args: tuple[str, ...] = var(())
    script: str = var()
    working_dir: str = var()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    workspaces: tuple[WorkspaceUsage, ...] = ()
    results: tuple[ResultSpec, ...] = ()
    when: tuple[When, ...] = ()
    on_error: str = var()
    timeout: str = ""
    security_context: SecurityContext | None = None
    compute_resources: Any = ignored()
    image_pull_policy: str = ignored("")
    ref: Any = unsupported("StepActions are not implemented yet; write the step into the Task")
    params: Any = unsupported("params of a step need a StepAction, which is not implemented yet")
    volume_devices: Any = unsupported("no block devices in a step")
    stdout_config: Any = unsupported("read the step's log, or redirect in its script")
    stderr_config: Any = unsupported("read the step's log, or redirect in its script")


@dataclass(frozen=True, kw_only=True)
class StepTemplate:
    image: str = var()
    command: tuple[str, ...] = var(())
    args: tuple[str, ...] = var(())
    working_dir: str = var()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    security_context: SecurityContext | None = None
    compute_resources: Any = ignored()
    image_pull_policy: str = ignored("")
    volume_devices: Any = unsupported("no block devices in a step")


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    name: str = var()
    image: str = var()
    command: tuple[str, ...] = var(())
    args: tuple[str, ...] = var(())
    script: str = var()
    working_dir: str = var()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    workspaces: tuple[WorkspaceUsage, ...] = ()
    readiness_probe: Probe | None = None
    security_context: SecurityContext | None = None
    ports: Any = None
    compute_resources: Any = ignored()
    image_pull_policy: str = ignored("")
    liveness_probe: Any = ignored()
    startup_probe: Any = unsupported("use readinessProbe")
    restart_policy: Any = unsupported("a sidecar is started once")
    lifecycle: Any = unsupported("no lifecycle hooks on one machine")
    stdin: bool = unsupported("a sidecar has no standard input", default=False)
    tty: bool = unsupported("a sidecar has no terminal", default=False)


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    display_name: str = ""
    description: str = ""
    params: tuple[ParamSpec, ...] = ()
    workspaces: tuple[WorkspaceDeclaration, ...] = ()
    results: tuple[ResultSpec, ...] = ()
    steps: tuple[Step, ...] = ()
    step_template: StepTemplate | None = None
    sidecars: tuple[Sidecar, ...] = ()
    volumes: tuple[Volume, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EmbeddedMetadata:
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EmbeddedTask(TaskSpec):
    """A Task written into a PipelineTask."""

    metadata: EmbeddedMetadata = field(default_factory=EmbeddedMetadata)
    api_version: Any = unsupported("custom tasks have no controller here")
    kind: Any = unsupported("custom tasks have no controller here")
    spec: Any = unsupported("custom tasks have no controller here")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A Task or Pipeline by name, from the loaded files."""

    name: str = var()
    kind: str = ""
    api_version: str = ""
    resolver: Any = unsupported("resolvers are not implemented yet; pass the file with -f and refer to it by name")
    params: Any = unsupported("resolvers are not implemented yet; pass the file with -f and refer to it by name")
    bundle: Any = unsupported("bundles are not implemented yet; pass the file with -f")


@dataclass(frozen=True, kw_only=True)
class PipelineTask:
    name: str
    display_name: str = var()
    description: str = ""
    task_ref: Reference | None = None
    # Not marked as a variable field: scopes decide which variables reach an embedded spec.
    task_spec: EmbeddedTask | None = None
    params: tuple[Param, ...] = ()
    workspaces: tuple[PipelineTaskWorkspace, ...] = ()
    when: tuple[When, ...] = ()
    run_after: tuple[str, ...] = ()
    retries: int = 0
    on_error: str = var()
    timeout: str = ""
    matrix: Any = unsupported("matrix is not implemented yet")
    pipeline_ref: Any = unsupported("pipelines in pipelines are alpha upstream")
    pipeline_spec: Any = unsupported("pipelines in pipelines are alpha upstream")


@dataclass(frozen=True, kw_only=True)
class PipelineSpec:
    display_name: str = ""
    description: str = ""
    params: tuple[ParamSpec, ...] = ()
    workspaces: tuple[PipelineWorkspaceDeclaration, ...] = ()
    results: tuple[PipelineResult, ...] = ()
    tasks: tuple[PipelineTask, ...] = ()
    finally_: tuple[PipelineTask, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    pipeline: str = ""
    tasks: str = ""
    finally_: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskRunTemplate:
    pod_template: Any = ignored()
    service_account_name: str = ignored("")


@dataclass(frozen=True, kw_only=True)
class PipelineTaskRunSpec:
    pipeline_task_name: str
    timeout: str = ""
    pod_template: Any = ignored()
    service_account_name: str = ignored("")
    step_specs: Any = ignored()
    sidecar_specs: Any = ignored()
    compute_resources: Any = ignored()
    metadata: EmbeddedMetadata | None = None


@dataclass(frozen=True, kw_only=True)
class PipelineRunSpec:
    pipeline_ref: Reference | None = None
    pipeline_spec: PipelineSpec | None = None
    params: tuple[Param, ...] = ()
    workspaces: tuple[WorkspaceBinding, ...] = ()
    timeouts: Timeouts | None = None
    task_run_template: TaskRunTemplate | None = None
    task_run_specs: tuple[PipelineTaskRunSpec, ...] = ()
    status: str = unsupported("a run that is cancelled or pending from the start does nothing", default="")
    managed_by: Any = unsupported("tkn-solo runs it itself")


@dataclass(frozen=True, kw_only=True)
class TaskRunSpec:
    task_ref: Reference | None = None
    task_spec: TaskSpec | None = None
    params: tuple[Param, ...] = ()
    workspaces: tuple[WorkspaceBinding, ...] = ()
    retries: int = 0
    timeout: str = ""
    pod_template: Any = ignored()
    service_account_name: str = ignored("")
    step_specs: Any = ignored()
    sidecar_specs: Any = ignored()
    compute_resources: Any = ignored()
    debug: Any = unsupported("look at the run's folder instead")
    status: str = unsupported("a run that is cancelled from the start does nothing", default="")
    status_message: Any = None
    managed_by: Any = unsupported("tkn-solo runs it itself")


@dataclass(frozen=True, kw_only=True)
class Task:
    api_version: str
    kind: str
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: TaskSpec


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    api_version: str
    kind: str
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PipelineSpec


@dataclass(frozen=True, kw_only=True)
class TaskRun:
    api_version: str
    kind: str
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: TaskRunSpec
    status: Any = None


@dataclass(frozen=True, kw_only=True)
class PipelineRun:
    api_version: str
    kind: str
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PipelineRunSpec
    status: Any = None


Run = PipelineRun | TaskRun
