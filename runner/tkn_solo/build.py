"""From a resolved pipeline task to its `TaskInvocation`: Tekton's variable passes, then volumes and environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TypeVar

from tkn_solo import invocation
from tkn_solo.capabilities import granted
from tkn_solo.definition import RunDefinition, TaskDefinition
from tkn_solo.errors import InputError
from tkn_solo.expansion import expand
from tkn_solo.invocation import Mount, TaskInvocation, Volume
from tkn_solo.kubernetes import ConfigMapSource, EnvVar, SecretSource, SecurityContext, VolumeMount
from tkn_solo.kubernetes import Volume as VolumeSpec
from tkn_solo.model import PipelineTask, Sidecar, Step, StepTemplate, TaskSpec, WorkspaceBinding, WorkspaceDeclaration
from tkn_solo.names import container_name
from tkn_solo.params import declared_type
from tkn_solo.sources import Sources
from tkn_solo.substitution import Replacements, replace, replace_text
from tkn_solo.values import parse_duration, type_of
from tkn_solo.variables import (
    CREDENTIALS,
    exit_code_paths,
    of_params,
    result_paths,
    step_paths,
    task_context,
)

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a run keeps its files, and what is shared by all its tasks."""

    run_dir: Path
    sources: Sources
    host_network: bool = False


def build(
    run: RunDefinition, task: PipelineTask, attempt: int, uid: str, place: Place, *, draft: bool = False
) -> TaskInvocation:
    """The invocation of one attempt; `task` has its results and statuses already put in.

    A `draft` is made before the run, to find what is missing: references to results are still in it.
    Raises InputError where a value that came from a result does not fit, or a secret or claim is not given.
    """
    definition = run.tasks[task.name]
    name = run.child_of(task.name)
    pod_dir = place.run_dir / "pods" / (task.name if attempt == 0 else f"{task.name}-retry-{attempt}")
    log_dir = place.run_dir / "logs" / (task.name if attempt == 0 else f"{task.name}-retry-{attempt}")
    bindings = _bindings(run, task, definition.spec, place)
    context = task_context(run=name, namespace=run.namespace, uid=uid, task=definition.task_name or name, retry=attempt)
    spec = _replace(definition, task, context, bindings, draft=draft)
    metadata = {
        "metadata.name": f"{name}-pod",
        "metadata.namespace": run.namespace,
        "metadata.uid": uid,
        **_labels(run, definition, task, name),
    }
    if spec.sidecars and (definition.host_network or place.host_network):
        raise InputError(
            f"task {task.name!r} has sidecars and this machine's network; only one of them is supported",
            where=definition.place,
        )
    builder = _Builder(spec, bindings, metadata, place, pod_dir, f"{definition.place}: task {task.name}")
    return TaskInvocation(
        task=task.name,
        task_run=name,
        attempt=attempt,
        pod_dir=pod_dir,
        log_dir=log_dir,
        steps=tuple(builder.step(step, index) for index, step in enumerate(spec.steps)),
        sidecars=tuple(builder.sidecar(sidecar) for sidecar in spec.sidecars),
        results=spec.results,
        spec=spec,
        host_network=definition.host_network or place.host_network,
        timeout=definition.timeout,
    )


def _labels(run: RunDefinition, definition: TaskDefinition, task: PipelineTask, name: str) -> dict[str, str]:
    labels = {**run.run.metadata.labels, **definition.labels, "tekton.dev/taskRun": name}
    if run.pipeline is not None:
        labels |= {"tekton.dev/pipelineRun": run.name, "tekton.dev/pipelineTask": task.name}
    if definition.task_name:
        labels["tekton.dev/task"] = definition.task_name
    return {f"metadata.labels['{key}']": value for key, value in labels.items()}


def _bindings(
    run: RunDefinition, task: PipelineTask, spec: TaskSpec, place: Place
) -> dict[str, tuple[WorkspaceBinding, Volume]]:
    """The task's workspaces that are bound, with the run's and the task's subPath joined."""
    found = {}
    for item in task.workspaces:
        outer = item.workspace or item.name
        if outer not in run.workspaces:
            continue
        binding = run.workspaces[outer]
        where = f"workspace {outer!r}"
        joined = str(PurePosixPath(binding.sub_path) / item.sub_path) if binding.sub_path else item.sub_path
        context = {"context.pipelineRun.name": run.name, "context.pipelineRun.uid": run.uid}
        joined = replace_text(joined, Replacements(context))
        volume = _workspace_volume(binding, outer, place, where)
        found[item.name] = (binding, dataclasses.replace(volume, sub_path=joined))
    return found


def _workspace_volume(binding: WorkspaceBinding, name: str, place: Place, where: str) -> Volume:
    if binding.secret is not None:
        return _projected("secret", binding.secret.secret_name, binding.secret, place.sources, where)
    if binding.config_map is not None:
        return _projected("configMap", binding.config_map.name, binding.config_map, place.sources, where)
    if binding.persistent_volume_claim is not None:
        return Volume(root=place.sources.folder("claim", binding.persistent_volume_claim.claim_name, where))
    if binding.volume_claim_template is not None:
        return Volume(root=place.run_dir / "workspaces" / name, create=True)
    # An emptyDir workspace of a PipelineRun is a new folder in every pod.
    return Volume(root=Path("@pod") / f"workspace-{name}", create=True)


def _projected(kind: str, name: str, source: SecretSource | ConfigMapSource, sources: Sources, where: str) -> Volume:
    if source.optional and not sources.has(kind, name):
        return Volume(root=Path("@pod") / f"absent-{kind}-{name}", create=True)
    only = {item.key: item.path for item in source.items} if source.items else None
    return Volume(root=sources.folder(kind, name, where), only=only)


def _replace(
    definition: TaskDefinition,
    task: PipelineTask,
    context: Replacements,
    bindings: Mapping[str, tuple[WorkspaceBinding, Volume]],
    *,
    draft: bool,
) -> TaskSpec:
    """Tekton's passes in Tekton's order."""
    spec = definition.spec if task.task_spec is None else task.task_spec
    if not draft:
        _check_types(spec, task)
    spec = replace(spec, of_params(spec.params, task.params, merge_objects=True))
    spec = replace(spec, context)
    spec = _result_paths(spec)
    containers = [container_name(step.name, index) for index, step in enumerate(spec.steps)]
    spec = replace(spec, exit_code_paths(containers))
    spec = replace(spec, _workspace_variables(spec, bindings))
    return replace(spec, Replacements({"credentials.path": CREDENTIALS}))


def _check_types(spec: TaskSpec, task: PipelineTask) -> None:
    given = {param.name: param.value for param in task.params}
    for declared in spec.params:
        if declared.name in given and type_of(given[declared.name]) != declared_type(declared):
            raise InputError(
                f"param {declared.name!r} is of type {declared_type(declared)}, "
                f"the given value is of type {type_of(given[declared.name])}",
                where=f"task {task.name}",
                condition="TaskRunValidationFailed",
            )


def _result_paths(spec: TaskSpec) -> TaskSpec:
    steps = tuple(
        replace(step, step_paths(index, container_name(step.name, index), [result.name for result in step.results]))
        for index, step in enumerate(spec.steps)
    )
    spec = dataclasses.replace(spec, steps=steps)
    return replace(spec, result_paths(result.name for result in spec.results))


def _workspace_variables(spec: TaskSpec, bindings: Mapping[str, tuple[WorkspaceBinding, Volume]]) -> Replacements:
    strings = {}
    declared = {item.name: item for item in spec.workspaces}
    for name in {*declared, *bindings}:
        prefix, is_bound = f"workspaces.{name}", name in bindings
        item = declared.get(name, WorkspaceDeclaration(name=name))
        strings[f"{prefix}.bound"] = "true" if is_bound else "false"
        strings[f"{prefix}.path"] = mount_path(item) if is_bound else ""
        claim = bindings[name][0].persistent_volume_claim if is_bound else None
        strings[f"{prefix}.claim"] = claim.claim_name if claim else ""
        strings[f"{prefix}.volume"] = f"ws-{name}" if is_bound else ""
    return Replacements(strings)


def mount_path(item: WorkspaceDeclaration) -> str:
    return item.mount_path or f"/workspace/{item.name}"


def merge_template(step: Step, template: StepTemplate) -> Step:
    """A step over its template: env by name, mounts by path, everything else replaced."""
    return dataclasses.replace(
        step,
        image=step.image or template.image,
        # A script is the command: the template's command must not come back.
        command=step.command or (() if step.script else template.command),
        args=step.args or template.args,
        working_dir=step.working_dir or template.working_dir,
        env=_merge_lists(template.env, step.env, lambda item: item.name),
        env_from=step.env_from or template.env_from,
        volume_mounts=_merge_lists(template.volume_mounts, step.volume_mounts, lambda item: item.mount_path),
        security_context=_merge_security(template.security_context, step.security_context),
    )


def _merge_lists(template: tuple[T, ...], step: tuple[T, ...], key: Callable[[T], str]) -> tuple[T, ...]:
    """Two lists with keys in the order of Kubernetes' strategic merge: one variable may name an earlier one.

    The template's own items keep their place before what follows them in the template; else the step's come first.
    """
    order = {key(item): position for position, item in enumerate(template)}
    own = {key(item) for item in step}
    left, right = [item for item in template if key(item) not in own], list(step)
    merged: list[T] = []
    while left and right:
        before = order[key(left[0])] < order.get(key(right[0]), -1)
        merged.append((left if before else right).pop(0))
    return (*merged, *left, *right)


def _merge_security(outer: SecurityContext | None, inner: SecurityContext | None) -> SecurityContext | None:
    if outer is None or inner is None:
        return inner or outer
    merged = _overlaid(outer, inner)
    if outer.capabilities is not None and inner.capabilities is not None:
        merged = dataclasses.replace(merged, capabilities=_overlaid(outer.capabilities, inner.capabilities))
    return merged


def _overlaid(outer: T, inner: T) -> T:
    """`outer` with the fields that `inner` sets."""
    fields = dataclasses.fields(inner)  # type: ignore[arg-type]
    given = {field.name: getattr(inner, field.name) for field in fields if getattr(inner, field.name) != field.default}
    return dataclasses.replace(outer, **given)  # type: ignore[type-var]


@dataclasses.dataclass(frozen=True)
class _Builder:
    """Steps and sidecars of one task, after all variables were replaced."""

    spec: TaskSpec
    bindings: Mapping[str, tuple[WorkspaceBinding, Volume]]
    metadata: Mapping[str, str]
    place: Place
    pod_dir: Path
    where: str

    def step(self, step: Step, index: int) -> invocation.Step:
        if self.spec.step_template is not None:
            step = merge_template(step, self.spec.step_template)
        common = self._container(step, container_name(step.name, index))
        return invocation.Step(
            **common,
            title=step.name or f"unnamed-{index}",
            index=index,
            results=step.results,
            when=step.when,
            continue_on_error=step.on_error == "continue",
            timeout=(parse_duration(step.timeout) or None) if step.timeout else None,
        )

    def sidecar(self, sidecar: Sidecar) -> invocation.Sidecar:
        common = self._container(sidecar, f"sidecar-{sidecar.name}")
        return invocation.Sidecar(**common, readiness=sidecar.readiness_probe, ports=sidecar.ports)

    def _container(self, part: Step | Sidecar, name: str) -> dict:  # type: ignore[type-arg]
        context = part.security_context or SecurityContext()
        env = self._env(part)
        known = dict(env)
        return {
            "name": name,
            "image": part.image,
            "command": tuple(expand(item, known) for item in part.command),
            "args": tuple(expand(item, known) for item in part.args),
            "script": part.script,
            "working_dir": part.working_dir,
            "env": env,
            "mounts": self._mounts(part),
            "user": context.run_as_user,
            "capabilities": granted(context.capabilities, root=context.run_as_user == 0, where=self.where),
            "read_only_root": bool(context.read_only_root_filesystem),
        }

    def _mounts(self, part: Step | Sidecar) -> tuple[Mount, ...]:
        """Shared workspaces, then isolated ones, then volumes; a later mount of a path wins."""
        parts: tuple[Step | Sidecar, ...] = (*self.spec.steps, *self.spec.sidecars)
        isolated = {usage.name for other in parts for usage in other.workspaces}
        declared = {item.name: item for item in self.spec.workspaces}
        usages = {usage.name: usage for usage in part.workspaces}
        mounts: dict[str, Mount] = {}
        for name, (binding, volume) in self.bindings.items():
            item = declared.get(name, WorkspaceDeclaration(name=name))
            if name in isolated and name not in usages:
                continue
            target = mount_path(item)
            if name in usages and usages[name].mount_path:
                target = usages[name].mount_path
            claim = binding.persistent_volume_claim
            fixed = binding.secret is not None or binding.config_map is not None or bool(claim and claim.read_only)
            mounts[target] = Mount(volume=self._located(volume), target=target, read_only=item.read_only or fixed)
        volumes = {volume.name: volume for volume in self.spec.volumes}
        for mount in part.volume_mounts:
            mounts[mount.mount_path] = self._volume_mount(mount, volumes[mount.name])
        return tuple(mounts[target] for target in sorted(mounts))

    def _volume_mount(self, mount: VolumeMount, source: VolumeSpec) -> Mount:
        fixed = source.secret is not None or source.config_map is not None
        if source.secret is not None:
            volume = _projected("secret", source.secret.secret_name, source.secret, self.place.sources, self.where)
        elif source.config_map is not None:
            volume = _projected("configMap", source.config_map.name, source.config_map, self.place.sources, self.where)
        elif source.persistent_volume_claim is not None:
            claim = source.persistent_volume_claim
            fixed = claim.read_only
            volume = Volume(root=self.place.sources.folder("claim", claim.claim_name, self.where))
        else:
            volume = Volume(root=Path("@pod") / f"volume-{source.name}", create=True)
        volume = dataclasses.replace(self._located(volume), sub_path=mount.sub_path)
        return Mount(volume=volume, target=mount.mount_path, read_only=mount.read_only or fixed)

    def _located(self, volume: Volume) -> Volume:
        if volume.root.parts[:1] != ("@pod",):
            return volume
        return dataclasses.replace(volume, root=self.pod_dir / "volumes" / Path(*volume.root.parts[1:]))

    def _env(self, part: Step | Sidecar) -> tuple[tuple[str, str], ...]:
        """The environment with Kubernetes' precedence: envFrom, then env; later entries win."""
        env: dict[str, str] = {}
        for source in part.env_from:
            for kind, reference in (("configMap", source.config_map_ref), ("secret", source.secret_ref)):
                if reference is None or (reference.optional and not self.place.sources.has(kind, reference.name)):
                    continue
                keys = self.place.sources.keys(kind, reference.name, self.where)
                env.update({source.prefix + key: value for key, value in keys.items()})
        for variable in part.env:
            value = expand(variable.value, env) if variable.value_from is None else self._value_from(variable)
            if value is not None:
                env[variable.name] = value
        return tuple(env.items())

    def _value_from(self, variable: EnvVar) -> str | None:
        source = variable.value_from
        if source is None:
            return None
        if source.field_ref is not None:
            return self._field(source.field_ref.field_path)
        kind, reference = (
            ("secret", source.secret_key_ref) if source.secret_key_ref else ("configMap", source.config_map_key_ref)
        )
        if reference is None:
            return None
        present = self.place.sources.has(kind, reference.name)
        keys = self.place.sources.keys(kind, reference.name, self.where) if present or not reference.optional else {}
        if reference.key not in keys:
            if reference.optional:
                return None
            raise InputError(f"the {kind} {reference.name!r} has no key {reference.key!r}", where=self.where)
        return keys[reference.key]

    def _field(self, path: str) -> str:
        if path.startswith("metadata.labels["):
            return self.metadata.get(path.replace('"', "'"), "")
        if path not in self.metadata:
            raise InputError(
                f"fieldRef {path!r} is not known here",
                where=self.where,
                solution="Known: metadata.name, metadata.namespace, metadata.uid, metadata.labels['KEY'].",
            )
        return self.metadata[path]
