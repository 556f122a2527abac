"""`tkn-solo start`: a PipelineRun from flags, as `tkn pipeline start` makes one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tkn_solo.catalog import API_VERSION, Catalog
from tkn_solo.decode import decode, nearest
from tkn_solo.errors import InputError
from tkn_solo.kubernetes import ObjectMeta
from tkn_solo.model import Param, Pipeline, PipelineRun, PipelineRunSpec, Reference, WorkspaceBinding
from tkn_solo.names import generated_name
from tkn_solo.params import declared_type
from tkn_solo.values import Value
from tkn_solo.yamltree import Tree, documents


def pipeline_run(name: str, catalog: Catalog, param_flags: list[str], workspace_flags: list[str]) -> PipelineRun:
    """The PipelineRun; it is added to the catalog. Raises InputError for an unknown name or a bad flag."""
    if name not in catalog.pipelines:
        raise InputError(
            f"the Pipeline {name!r} is in none of the files",
            solution=nearest(name, catalog.pipelines, "Pipelines in the files"),
        )
    pipeline = catalog.pipelines[name]
    run = PipelineRun(
        api_version=API_VERSION,
        kind="PipelineRun",
        metadata=ObjectMeta(name=generated_name(f"{name}-run-")),
        spec=PipelineRunSpec(
            pipeline_ref=Reference(name=name),
            params=_params(pipeline, param_flags),
            workspaces=tuple(_workspace(flag, pipeline) for flag in workspace_flags),
        ),
    )
    catalog.runs.append(run)
    catalog.places["PipelineRun", run.metadata.name] = "the command line"
    return run


def _params(pipeline: Pipeline, flags: list[str]) -> tuple[Param, ...]:
    types = {spec.name: declared_type(spec) for spec in pipeline.spec.params}
    given: dict[str, list[str]] = {}
    for flag in flags:
        name, equals, value = flag.partition("=")
        if not equals:
            raise InputError(f"-p {flag!r} is not NAME=VALUE")
        if name not in types:
            solution = nearest(name, types, "Params of the Pipeline")
            raise InputError(f"the Pipeline has no param {name!r}", solution=solution)
        given.setdefault(name, []).append(value)
    return tuple(Param(name=name, value=_value(name, types[name], values)) for name, values in given.items())


def _value(name: str, kind: str, values: list[str]) -> Value:
    if kind == "array":
        return tuple(part for value in values for part in value.split(","))
    if kind == "string":
        return values[-1]
    entries = {}
    for part in (part for value in values for part in value.split(",")):
        key, colon, item = part.partition(":")
        if not colon:
            raise InputError(f"-p {name}: {part!r} is not KEY:VALUE, as an object param needs")
        entries[key.strip()] = item.strip()
    return entries


def _workspace(flag: str, pipeline: Pipeline) -> WorkspaceBinding:
    parts = dict(_pair(part, flag) for part in flag.split(","))
    name = parts.pop("name", "")
    known = [workspace.name for workspace in pipeline.spec.workspaces]
    if name not in known:
        solution = nearest(name, known, "Workspaces of the Pipeline")
        raise InputError(f"-w {flag}: the Pipeline has no workspace {name!r}", solution=solution)
    sub_path = parts.pop("subPath", "")
    data: dict[str, Any] = {"name": name}
    if sub_path:
        data["subPath"] = sub_path
    if len(parts) != 1:
        raise InputError(f"-w {flag}: expected exactly one source", solution=_SOLUTION)
    source, value = parts.popitem()
    if source == "volumeClaimTemplateFile":
        data["volumeClaimTemplate"] = _template(Path(value))
    elif source in _SOURCES:
        data.update(_SOURCES[source](value))
    else:
        raise InputError(f"-w {flag}: unknown source {source!r}", solution=_SOLUTION)
    return decode(WorkspaceBinding, _tree(data), f"-w {flag}")


_SOURCES: dict[str, Any] = {
    "emptyDir": lambda value: {"emptyDir": {"medium": value} if value else {}},
    "secret": lambda value: {"secret": {"secretName": value}},
    "config": lambda value: {"configMap": {"name": value}},
    "claimName": lambda value: {"persistentVolumeClaim": {"claimName": value}},
}
_SOLUTION = f"Sources: {'=, '.join(_SOURCES)}=, volumeClaimTemplateFile=."


def _pair(part: str, flag: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    if not equals:
        raise InputError(f"-w {flag}: {part!r} is not KEY=VALUE", solution=_SOLUTION)
    return key, value


def _template(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read it: {error.strerror}", where=str(file)) from None
    trees = list(documents(text, str(file)))
    if len(trees) != 1:
        raise InputError("expected one document", where=str(file))
    return trees[0].data()


def _tree(data: Any) -> Tree:
    if isinstance(data, dict):
        data = {key: _tree(value) for key, value in data.items()}
    elif isinstance(data, list):
        data = [_tree(item) for item in data]
    return Tree(data, "the command line", 1)
