"""What each variable stands for: params, context, results, workspaces, statuses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tkn_solo.model import Param, ParamSpec
from tkn_solo.substitution import Replacements
from tkn_solo.values import Value

RESULTS = "/tekton/results"
STEPS = "/tekton/steps"
CREDENTIALS = "/tekton/creds"


def spellings(prefix: str, name: str) -> Iterator[str]:
    """`prefix.name`, `prefix["name"]` and `prefix['name']`."""
    yield f"{prefix}.{name}"
    yield f'{prefix}["{name}"]'
    yield f"{prefix}['{name}']"


def of_value(prefix: str, name: str, value: Value) -> Replacements:
    """The variables of one parameter or result, in its three spellings."""
    strings: dict[str, str] = {}
    arrays: dict[str, tuple[str, ...]] = {}
    objects: dict[str, Mapping[str, str]] = {}
    for key in spellings(prefix, name):
        if isinstance(value, str):
            strings[key] = value
        elif isinstance(value, tuple):
            arrays[key] = value
            strings.update({f"{key}[{index}]": item for index, item in enumerate(value)})
        else:
            objects[key] = value
    if isinstance(value, Mapping):
        strings.update({f"{prefix}.{name}.{key}": item for key, item in value.items()})
    return Replacements(strings, arrays, objects)


def merge(parts: Iterable[Replacements]) -> Replacements:
    """All parts together; the later one wins."""
    strings: dict[str, str] = {}
    arrays: dict[str, tuple[str, ...]] = {}
    objects: dict[str, Mapping[str, str]] = {}
    for part in parts:
        strings.update(part.strings)
        arrays.update(part.arrays)
        objects.update(part.objects)
    return Replacements(strings, arrays, objects)


def of_params(specs: tuple[ParamSpec, ...], given: tuple[Param, ...], *, merge_objects: bool) -> Replacements:
    """Defaults, then given values.

    `merge_objects`: a Task merges an object's default keys into `$(params.o[*])`, a Pipeline does not (P3).
    A default that names another parameter gets that parameter's default (P4).
    """
    defaults = {spec.name: spec.default for spec in specs if spec.default is not None}
    parts = [of_value("params", name, value) for name, value in defaults.items()]
    for param in given:
        value, default = param.value, defaults.get(param.name)
        if isinstance(value, Mapping) and isinstance(default, Mapping) and merge_objects:
            value = {**default, **value}
        parts.append(of_value("params", param.name, value))
    return merge(parts)


def of_task_results(task: str, results: Mapping[str, Value]) -> Replacements:
    """`tasks.T.results.R` and its spellings, for the results of one finished pipeline task."""
    return merge(of_value(f"tasks.{task}.results", name, value) for name, value in results.items())


def pipeline_context(*, run: str, namespace: str, uid: str, pipeline: str) -> Replacements:
    return Replacements(
        {
            "context.pipelineRun.name": run,
            "context.pipelineRun.namespace": namespace,
            "context.pipelineRun.uid": uid,
            "context.pipeline.name": pipeline,
        }
    )


def task_context(*, run: str, namespace: str, uid: str, task: str, retry: int) -> Replacements:
    return Replacements(
        {
            "context.taskRun.name": run,
            "context.taskRun.namespace": namespace,
            "context.taskRun.uid": uid,
            "context.task.name": task,
            "context.task.retry-count": str(retry),
        }
    )


def result_paths(results: Iterable[str]) -> Replacements:
    """`results.R.path` in its three spellings."""
    return Replacements({f"{key}.path": f"{RESULTS}/{name}" for name in results for key in spellings("results", name)})


def step_paths(index: int, name: str, results: Iterable[str]) -> Replacements:
    """`step.results.R.path` of the step with this container name."""
    return Replacements(
        {
            f"{key}.path": f"{STEPS}/{name}/results/{result}"
            for result in results
            for key in spellings("step.results", result)
        }
    )


def exit_code_paths(containers: Iterable[str]) -> Replacements:
    """`steps.step-N.exitCode.path`, by container name."""
    return Replacements({f"steps.{name}.exitCode.path": f"{STEPS}/{name}/exitCode" for name in containers})
