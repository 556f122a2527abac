"""Checks of Pipelines and Tasks before anything runs. Each raises InputError with the place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from tkn_solo import params
from tkn_solo.decode import nearest
from tkn_solo.errors import InputError
from tkn_solo.graph import bracket_references, task_references, value_references
from tkn_solo.model import (
    Param,
    PipelineRun,
    PipelineSpec,
    PipelineTask,
    PipelineWorkspaceDeclaration,
    Sidecar,
    Step,
    TaskSpec,
    When,
    WorkspaceBinding,
    WorkspaceDeclaration,
)
from tkn_solo.names import DNS_LABEL
from tkn_solo.substitution import references, texts
from tkn_solo.values import parse_duration

_RESULT_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_STATUS = re.compile(r"tasks\.(?:([^.]+)\.(?:status|reason)|status)")


def pipeline(spec: PipelineSpec, place: str, given: Iterable[Param]) -> None:
    """A Pipeline for itself; `given` are the parameters that an embedded one inherits from its run."""
    if not spec.tasks:
        raise InputError("the Pipeline has no tasks", where=place)
    names = [task.name for task in (*spec.tasks, *spec.finally_)]
    _unique(names, "task", place)
    for name in names:
        if not DNS_LABEL.fullmatch(name) or len(name) > 63:
            raise InputError(f"task name {name!r} is not lower-case letters, digits and '-'", where=place)
    types = {spec_.name: params.declared_type(spec_) for spec_ in spec.params}
    inherited = {param.name for param in given}
    declared = {workspace.name for workspace in spec.workspaces}
    _unique([workspace.name for workspace in spec.workspaces], "workspace", place)
    _unique([result.name for result in spec.results], "result", place)
    for task in spec.tasks:
        _pipeline_task(task, declared, f"{place}: task {task.name}")
        _no_status(task, f"{place}: task {task.name}")
        _usage(task, types, inherited, f"{place}: task {task.name}")
    dag = {task.name for task in spec.tasks}
    for task in spec.finally_:
        where = f"{place}: finally task {task.name}"
        _pipeline_task(task, declared, where)
        _usage(task, types, inherited, where)
        if task.run_after:
            raise InputError("no runAfter allowed under spec.finally", where=where)
        if other := sorted({ref.task for ref in task_references(task)} - dag):
            raise InputError(f"a finally task can only use results of tasks, not of {other[0]!r}", where=where)
        for variable in _variables(task):
            match = _STATUS.fullmatch(variable)
            if match and match[1] and match[1] not in dag:
                raise InputError(f"invalid pipeline task reference in $({variable})", where=where)


def _usage(task: PipelineTask, types: Mapping[str, str], inherited: set[str], place: str) -> None:
    known = {**dict.fromkeys(inherited, "string"), **types} if inherited else types
    known = {name: kind for name, kind in known.items() if name not in inherited or name in types}
    params.check_usage(texts(task), known, place, inherited=bool(inherited))


def _pipeline_task(task: PipelineTask, workspaces: set[str], place: str) -> None:
    if (task.task_ref is None) is (task.task_spec is None):
        raise InputError("expected exactly one of taskRef and taskSpec", where=place)
    if task.on_error not in ("", "continue", "stopAndFail") and "$(" not in task.on_error:
        raise InputError(f"onError is {task.on_error!r}; expected continue or stopAndFail", where=place)
    if task.on_error == "continue" and task.retries > 0:
        raise InputError('PipelineTask OnError cannot be set to "continue" when Retries is greater than 0', where=place)
    if task.retries < 0:
        raise InputError("retries is negative", where=place)
    _when(task.when, place)
    _unique([param.name for param in task.params], "param", place)
    _unique([workspace.name for workspace in task.workspaces], "workspace", place)
    for workspace in task.workspaces:
        wanted = workspace.workspace or workspace.name
        if wanted not in workspaces:
            raise InputError(
                f"pipeline task {task.name!r} expects workspace with name {wanted!r} but none exists in pipeline spec",
                where=place,
                solution=nearest(wanted, workspaces, "Workspaces of the Pipeline"),
            )


def _no_status(task: PipelineTask, place: str) -> None:
    for variable in _variables(task):
        if _STATUS.fullmatch(variable):
            raise InputError(f"$({variable}) is only known to finally tasks", where=place)


def _variables(task: PipelineTask) -> Iterable[str]:
    for _, text, _ in texts(task):
        yield from references(text)


def _when(expressions: tuple[When, ...], place: str) -> None:
    for expression in expressions:
        if expression.operator not in ("in", "notin"):
            raise InputError(f"when operator {expression.operator!r} is not 'in' or 'notin'", where=place)
        if not expression.values:
            raise InputError("expecting non-empty values field in when", where=place)


def task(spec: TaskSpec, place: str, inherited: set[str]) -> None:
    """A Task's spec; `inherited` are the parameters an embedded spec may use from outside."""
    if not spec.steps:
        raise InputError("the Task has no steps", where=place)
    params.check_specs(spec.params, place)
    types = {item.name: params.declared_type(item) for item in spec.params}
    params.check_usage(texts(spec), {**dict.fromkeys(inherited - types.keys(), "string"), **types}, place)
    _unique([step.name for step in spec.steps if step.name], "step", place)
    _unique([workspace.name for workspace in spec.workspaces], "workspace", place)
    _unique([result.name for result in spec.results], "result", place)
    _unique([volume.name for volume in spec.volumes], "volume", place)
    for result in (*spec.results, *(result for step in spec.steps for result in step.results)):
        if not _RESULT_NAME.fullmatch(result.name):
            raise InputError(f"invalid result name {result.name!r}", where=place)
        if result.type not in ("string", "array", "object"):
            raise InputError(f"result {result.name!r} has the unknown type {result.type!r}", where=place)
    volumes = {volume.name for volume in spec.volumes}
    for volume in spec.volumes:
        sources = (volume.empty_dir, volume.config_map, volume.secret, volume.persistent_volume_claim)
        if sum(source is not None for source in sources) != 1:
            raise InputError(f"volume {volume.name!r} needs exactly one source", where=place)
    workspaces = {workspace.name for workspace in spec.workspaces}
    for index, step in enumerate(spec.steps):
        _step(step, spec, f"{place}: step {step.name or index}")
        _container(step, volumes, workspaces, f"{place}: step {step.name or index}")
    for sidecar in spec.sidecars:
        _sidecar(sidecar, volumes, workspaces, place)


def _step(step: Step, spec: TaskSpec, place: str) -> None:
    template = spec.step_template
    if not step.image and not (template and template.image):
        raise InputError("the step has no image", where=place)
    if step.script and step.command:
        raise InputError("script cannot be used with command", where=place)
    if not step.script and not step.command and not (template and template.command):
        raise InputError(
            "the step has neither command nor script",
            where=place,
            solution="On one machine the host's tools stand in for the image, so its entry point is not known: "
            "write the command.",
        )
    if step.script.lstrip().startswith("#!win"):
        raise InputError("Windows scripts are not supported", where=place)
    if step.on_error not in ("", "continue", "stopAndFail") and "$(" not in step.on_error:
        raise InputError(f"onError is {step.on_error!r}; expected continue or stopAndFail", where=place)
    _when(step.when, place)
    if step.timeout:
        try:
            if parse_duration(step.timeout) < 0:
                raise InputError(f"the timeout {step.timeout} is negative", where=place)
        except ValueError as error:
            raise InputError(str(error), where=place) from None
    context = step.security_context
    if context and context.run_as_non_root and context.run_as_user == 0:
        raise InputError("runAsNonRoot is true and runAsUser is 0", where=place)


def _working_dir(path: str, place: str) -> None:
    if path and not path.startswith(("/", "$(")):
        raise InputError(
            f"workingDir {path!r} is relative: containerd and runc start no such container",
            where=place,
            solution=f"Write /workspace/{path}, or a workspace's path.",
        )


def _container(part: Step | Sidecar, volumes: set[str], workspaces: set[str], place: str) -> None:
    for mount in part.volume_mounts:
        if mount.name not in volumes:
            raise InputError(
                f"volumeMount names the volume {mount.name!r}, which the Task does not declare",
                where=place,
                solution=nearest(mount.name, volumes, "Volumes of the Task"),
            )
        if not mount.mount_path.startswith("/"):
            raise InputError(f"mountPath {mount.mount_path!r} is not absolute", where=place)
        if mount.mount_path.startswith("/tekton/") and not mount.mount_path.startswith("/tekton/home"):
            raise InputError("volumeMount cannot be mounted under /tekton/", where=place)
    _working_dir(part.working_dir, place)
    for usage in part.workspaces:
        if usage.name not in workspaces:
            raise InputError(
                f"undefined workspace {usage.name!r}",
                where=place,
                solution=nearest(usage.name, workspaces, "Workspaces of the Task"),
            )
    for variable in part.env:
        source = variable.value_from
        if source is None:
            continue
        if sum(part is not None for part in (source.secret_key_ref, source.config_map_key_ref, source.field_ref)) != 1:
            raise InputError(f"env {variable.name!r}: valueFrom needs exactly one source", where=place)


def _sidecar(sidecar: Sidecar, volumes: set[str], workspaces: set[str], place: str) -> None:
    where = f"{place}: sidecar {sidecar.name}"
    if not sidecar.image:
        raise InputError("the sidecar has no image", where=where)
    if sidecar.script and sidecar.command:
        raise InputError("script cannot be used with command", where=where)
    probe = sidecar.readiness_probe
    if probe and sum(part is not None for part in (probe.http_get, probe.tcp_socket, probe.exec)) != 1:
        raise InputError("the readinessProbe needs exactly one of httpGet, tcpSocket, exec", where=where)
    _container(sidecar, volumes, workspaces, where)


def bound(
    declared: tuple[WorkspaceDeclaration, ...] | tuple[PipelineWorkspaceDeclaration, ...],
    bindings: Mapping[str, WorkspaceBinding],
    place: str,
    owner: str,
    condition: str,
) -> None:
    """Every workspace that is not optional is bound."""
    for workspace in declared:
        if not workspace.optional and workspace.name not in bindings:
            raise InputError(
                f"the {owner} requires the workspace {workspace.name!r}, which the run does not bind",
                where=place,
                condition=condition,
                solution=f"Bind it under workspaces, or with -w name={workspace.name},emptyDir=.",
            )


def task_bindings(task_: PipelineTask, spec: TaskSpec, outer: PipelineSpec, place: str) -> None:
    """The pipeline task passes on each workspace its Task requires, and not an optional one."""
    optional = {workspace.name for workspace in outer.workspaces if workspace.optional}
    passed = {item.name: item.workspace or item.name for item in task_.workspaces}
    for workspace in spec.workspaces:
        if workspace.optional:
            continue
        if workspace.name not in passed:
            raise InputError(f"the Task requires the workspace {workspace.name!r}, which is not passed on", where=place)
        if passed[workspace.name] in optional:
            raise InputError(
                f"pipeline workspace {passed[workspace.name]!r} is marked optional but pipeline task {task_.name!r} "
                "requires it be provided",
                where=place,
                condition="RequiredWorkspaceMarkedOptional",
            )


def results(spec: PipelineSpec, specs: Mapping[str, TaskSpec], place: str) -> None:
    """Every result that is referred to is declared."""
    for task_ in (*spec.tasks, *spec.finally_):
        _no_brackets(task_, f"{place}: task {task_.name}")
        for reference in task_references(task_):
            _declared(
                reference.task, reference.result, specs, f"{place}: task {task_.name}", "InvalidTaskResultReference"
            )
    for result in spec.results:
        found = list(value_references(result.value))
        for reference in found:
            where = f"{place}: result {result.name}"
            _declared(reference.task, reference.result, specs, where, "InvalidPipelineResultReference")


def _no_brackets(task_: PipelineTask, place: str) -> None:
    plain = {(reference.task, reference.result) for reference in task_references(task_)}
    for _, text, _ in texts(task_):
        for producer, result in bracket_references(text):
            if (producer, result) not in plain:
                raise InputError(
                    f"Tekton does not see the result in {text!r}: it would stay as it is",
                    where=place,
                    solution=f"Write $(tasks.{producer}.results.{result}), without brackets and quotes.",
                )


def _declared(task_: str, result: str, specs: Mapping[str, TaskSpec], place: str, condition: str) -> None:
    if task_ not in specs:
        raise InputError(
            f"referenced pipeline task {task_!r} does not exist",
            where=place,
            condition=condition,
            solution=nearest(task_, specs, "Tasks in the Pipeline"),
        )
    names = [item.name for item in specs[task_].results]
    if result not in names:
        raise InputError(
            f"{result!r} is not a named result returned by pipeline task {task_!r}",
            where=place,
            condition=condition,
            solution=nearest(result, names, "Its results"),
        )


def task_run_specs(run: PipelineRun, tasks: Collection[str], place: str) -> None:
    """taskRunSpecs name tasks of the Pipeline."""
    for item in run.spec.task_run_specs:
        if item.pipeline_task_name not in tasks:
            raise InputError(
                f"taskRunSpecs names the task {item.pipeline_task_name!r}, which the Pipeline does not have",
                where=place,
                condition="InvalidTaskRunSpecs",
                solution=nearest(item.pipeline_task_name, tasks, "Tasks in the Pipeline"),
            )


def _unique(names: Iterable[str], what: str, place: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{what} {name!r} stands there twice", where=place)
        seen.add(name)
