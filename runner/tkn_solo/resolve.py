"""Resolving: a run and the objects it names become one `RunDefinition`, checked and with variables replaced."""

from __future__ import annotations

import dataclasses
import uuid

from tkn_solo import params, validate
from tkn_solo.catalog import API_VERSION, Catalog
from tkn_solo.decode import nearest
from tkn_solo.definition import NAMESPACE, RunDefinition, TaskDefinition
from tkn_solo.errors import InputError
from tkn_solo.facts import Graph, RunTimeouts
from tkn_solo.graph import parents
from tkn_solo.model import (
    PipelineRun,
    PipelineSpec,
    PipelineTask,
    PipelineTaskWorkspace,
    Reference,
    Run,
    Task,
    TaskRun,
    TaskSpec,
    Timeouts,
    WorkspaceBinding,
)
from tkn_solo.names import generated_name
from tkn_solo.substitution import Replacements, references, replace, texts
from tkn_solo.values import parse_duration
from tkn_solo.variables import of_params, pipeline_context

DEFAULT_TIMEOUT = 3600.0
PIPELINE_CONDITIONS = {
    "missing": "ParameterMissing",
    "type": "ParameterTypeMismatch",
    "keys": "ObjectParameterMissKeys",
}
TASK_CONDITIONS = dict.fromkeys(PIPELINE_CONDITIONS, "TaskRunValidationFailed")
NESTED_CONDITIONS = dict.fromkeys(PIPELINE_CONDITIONS, "PipelineValidationFailed")


def resolve(run: Run, catalog: Catalog) -> RunDefinition:
    """Look up what `run` names, check it all, and replace the variables known before the first task.

    Raises InputError with the place and, where upstream has one, the reason it would set.
    """
    name = run.metadata.name or generated_name(run.metadata.generate_name)
    place = catalog.places.get((run.kind, run.metadata.name or run.metadata.generate_name), "")
    if isinstance(run, TaskRun):
        return _resolve_task_run(run, name, place, catalog)
    return _resolve_pipeline_run(run, name, place, catalog)


def _resolve_pipeline_run(run: PipelineRun, name: str, place: str, catalog: Catalog) -> RunDefinition:
    spec, pipeline_name, pipeline_place = _pipeline(run, name, place, catalog)
    embedded = run.spec.pipeline_spec is not None
    validate.pipeline(spec, pipeline_place, run.spec.params if embedded else ())
    params.check_specs(spec.params, pipeline_place)
    params.check_given(spec.params, run.spec.params, place, conditions=PIPELINE_CONDITIONS)
    bindings = _bindings(run.spec.workspaces, of_params((), run.spec.params, merge_objects=False), place)
    validate.bound(spec.workspaces, bindings, place, "Pipeline", "InvalidWorkspaceBindings")
    uid, namespace = str(uuid.uuid4()), run.metadata.namespace or NAMESPACE
    passes = (
        of_params(spec.params, run.spec.params, merge_objects=False),
        pipeline_context(run=name, namespace=namespace, uid=uid, pipeline=pipeline_name),
        Replacements(
            {f"workspaces.{item.name}.bound": str(item.name in bindings).lower() for item in spec.workspaces}
            | {f"workspaces.{bound}.bound": "true" for bound in bindings}
        ),
    )
    for replacements in passes:
        spec = _replace_in_pipeline(spec, replacements)
    timeouts = _run_timeouts(run.spec.timeouts, place)
    every = (*spec.tasks, *spec.finally_)
    definitions = {task.name: _definition(task, run, timeouts, catalog, pipeline_place) for task in every}
    found = {task.name: _propagate_workspaces(task, definitions[task.name].spec, bindings) for task in every}
    for task in found.values():
        _check_task(task, definitions[task.name], spec, run, pipeline_place)
    validate.results(spec, {item: definition.spec for item, definition in definitions.items()}, pipeline_place)
    validate.task_run_specs(run, found, place)
    graph = Graph(
        {task.name: found[task.name] for task in spec.tasks},
        {task.name: found[task.name] for task in spec.finally_},
        parents(spec.tasks),
    )
    return RunDefinition(
        name=name,
        uid=uid,
        run=run,
        place=place,
        pipeline_name=pipeline_name,
        pipeline=spec,
        graph=graph,
        tasks=definitions,
        timeouts=timeouts,
        workspaces=bindings,
        params=run.spec.params,
        namespace=namespace,
    )


def _check_task(
    task: PipelineTask, definition: TaskDefinition, spec: PipelineSpec, run: PipelineRun, place: str
) -> None:
    """The Task behind a pipeline task, and that the pipeline gives it what it needs."""
    where = f"{place}: task {task.name}"
    outer = {param.name for param in spec.params} | {param.name for param in run.spec.params}
    inherited = outer if definition.embedded else set()
    validate.task(definition.spec, definition.place, inherited)
    params.check_given(definition.spec.params, task.params, where, conditions=NESTED_CONDITIONS)
    validate.task_bindings(task, definition.spec, spec, where)


def _resolve_task_run(run: TaskRun, name: str, place: str, catalog: Catalog) -> RunDefinition:
    if (run.spec.task_ref is None) is (run.spec.task_spec is None):
        raise InputError("expected exactly one of taskRef and taskSpec", where=place)
    if run.spec.task_spec is not None:
        spec, task_name, task_place, labels = run.spec.task_spec, name, place, run.metadata.labels
    else:
        task = _task(run.spec.task_ref, place, catalog)
        spec, task_name, labels = task.spec, task.metadata.name, task.metadata.labels
        task_place = catalog.places["Task", task_name]
    params.check_given(spec.params, run.spec.params, place, conditions=TASK_CONDITIONS)
    bindings = _bindings(run.spec.workspaces, of_params(spec.params, run.spec.params, merge_objects=True), place)
    inherited = {param.name for param in run.spec.params} if run.spec.task_spec is not None else set()
    validate.task(spec, task_place, inherited)
    validate.bound(spec.workspaces, bindings, place, "Task", "TaskRunValidationFailed")
    only = PipelineTask(
        name=name,
        params=run.spec.params,
        retries=run.spec.retries,
        workspaces=tuple(PipelineTaskWorkspace(name=bound, workspace=bound) for bound in bindings),
    )
    timeout = _seconds(run.spec.timeout, f"{place}: spec.timeout") if run.spec.timeout else DEFAULT_TIMEOUT
    definition = TaskDefinition(
        task_name=task_name,
        spec=spec,
        embedded=run.spec.task_spec is not None,
        place=task_place,
        labels=labels,
        timeout=timeout or None,
    )
    return RunDefinition(
        name=name,
        uid=str(uuid.uuid4()),
        run=run,
        place=place,
        pipeline_name="",
        pipeline=None,
        graph=Graph({name: only}, {}, {name: ()}),
        tasks={name: definition},
        timeouts=RunTimeouts(),
        workspaces=bindings,
        params=run.spec.params,
        namespace=run.metadata.namespace or NAMESPACE,
    )


def _pipeline(run: PipelineRun, name: str, place: str, catalog: Catalog) -> tuple[PipelineSpec, str, str]:
    if (run.spec.pipeline_ref is None) is (run.spec.pipeline_spec is None):
        raise InputError("expected exactly one of pipelineRef and pipelineSpec", where=place)
    if run.spec.pipeline_spec is not None:
        return run.spec.pipeline_spec, name, place
    wanted = run.spec.pipeline_ref.name if run.spec.pipeline_ref else ""
    if wanted not in catalog.pipelines:
        raise InputError(
            f"the Pipeline {wanted!r} is in none of the files",
            where=place,
            condition="CouldntGetPipeline",
            solution=nearest(wanted, catalog.pipelines, "Pipelines in the files"),
        )
    return catalog.pipelines[wanted].spec, wanted, catalog.places["Pipeline", wanted]


def _task(reference: Reference | None, place: str, catalog: Catalog) -> Task:
    wanted = reference.name if reference else ""
    if reference and (reference.kind not in ("", "Task") or reference.api_version not in ("", API_VERSION)):
        raise InputError(f"kind {reference.kind!r} is not supported: custom tasks have no controller here", where=place)
    if wanted not in catalog.tasks:
        raise InputError(
            f"the Task {wanted!r} is in none of the files",
            where=place,
            condition="CouldntGetTask",
            solution=nearest(wanted, catalog.tasks, "Tasks in the files"),
        )
    return catalog.tasks[wanted]


def _definition(
    task: PipelineTask, run: PipelineRun, timeouts: RunTimeouts, catalog: Catalog, place: str
) -> TaskDefinition:
    own = next((item.timeout for item in run.spec.task_run_specs if item.pipeline_task_name == task.name), "")
    text = own or task.timeout
    # "0" means no limit; without any word upstream's default counts.
    timeout = _seconds(text, f"{place}: task {task.name}: timeout") if text else DEFAULT_TIMEOUT
    if text and timeouts.pipeline is not None and timeout > timeouts.pipeline:
        raise InputError(f"the timeout {text} of task {task.name!r} is longer than the pipeline's", where=place)
    if task.task_spec is not None:
        labels = task.task_spec.metadata.labels
        return TaskDefinition(
            task_name="",
            spec=task.task_spec,
            embedded=True,
            place=f"{place}: task {task.name}",
            labels=labels,
            timeout=timeout or None,
        )
    found = _task(task.task_ref, f"{place}: task {task.name}", catalog)
    name = found.metadata.name
    return TaskDefinition(
        task_name=name,
        spec=found.spec,
        embedded=False,
        place=catalog.places["Task", name],
        labels=found.metadata.labels,
        timeout=timeout or None,
    )


def _replace_in_pipeline(spec: PipelineSpec, replacements: Replacements) -> PipelineSpec:
    def replaced(task: PipelineTask) -> PipelineTask:
        outer = replace(task, replacements)
        if outer.task_spec is None:
            return outer
        # The task's own params hide the pipeline's of the same name.
        hidden = {param.name for param in outer.params}
        inner = replacements.without(hidden)
        return dataclasses.replace(outer, task_spec=replace(outer.task_spec, inner))

    return dataclasses.replace(
        spec, tasks=tuple(map(replaced, spec.tasks)), finally_=tuple(map(replaced, spec.finally_))
    )


def _propagate_workspaces(task: PipelineTask, spec: TaskSpec, bindings: dict[str, WorkspaceBinding]) -> PipelineTask:
    """An embedded spec gets the run's workspaces that it uses without naming them."""
    if task.task_spec is None:
        return task
    named = {item.name for item in task.workspaces} | {item.name for item in spec.workspaces}
    used: dict[str, None] = {}
    for part in (*spec.steps, *spec.sidecars, *([spec.step_template] if spec.step_template else [])):
        for _, text, _ in texts(part):
            for variable in references(text):
                if variable.startswith("workspaces.") and variable.count(".") == 2:
                    used[variable.split(".")[1]] = None
    added = [name for name in used if name in bindings and name not in named]
    extra = tuple(PipelineTaskWorkspace(name=name, workspace=name) for name in added)
    return dataclasses.replace(task, workspaces=task.workspaces + extra)


def _bindings(
    given: tuple[WorkspaceBinding, ...], replacements: Replacements, place: str
) -> dict[str, WorkspaceBinding]:
    bindings: dict[str, WorkspaceBinding] = {}
    for binding in given:
        if binding.name in bindings:
            raise InputError(f"workspace {binding.name!r} is bound twice", where=place)
        sources = [
            source
            for source in ("empty_dir", "config_map", "secret", "persistent_volume_claim", "volume_claim_template")
            if getattr(binding, source) is not None
        ]
        if len(sources) != 1:
            raise InputError(f"workspace {binding.name!r} needs exactly one source, has {len(sources)}", where=place)
        bindings[binding.name] = replace(binding, replacements)
    return bindings


def _run_timeouts(timeouts: Timeouts | None, place: str) -> RunTimeouts:
    """Seconds, with the missing one of tasks and finally filled in."""
    given = timeouts or Timeouts()
    pipeline = _seconds(given.pipeline, f"{place}: timeouts.pipeline") if given.pipeline else DEFAULT_TIMEOUT
    tasks = _seconds(given.tasks, f"{place}: timeouts.tasks") if given.tasks else None
    final = _seconds(given.finally_, f"{place}: timeouts.finally") if given.finally_ else None
    if pipeline and (tasks or 0) + (final or 0) > pipeline:
        raise InputError("timeouts.tasks and timeouts.finally together are longer than timeouts.pipeline", where=place)
    if given.pipeline and pipeline:
        if tasks is None and final:
            tasks = pipeline - final
        elif final is None and tasks:
            final = pipeline - tasks
    return RunTimeouts(pipeline or None, tasks or None, final or None)


def _seconds(text: str, place: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise InputError(str(error), where=place) from None
    if seconds < 0:
        raise InputError(f"the duration {text} is negative", where=place)
    return seconds
