"""Loading: files and folders to the Tasks, Pipelines and runs that they hold."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tkn_solo.decode import decode, nearest, where
from tkn_solo.errors import InputError
from tkn_solo.model import Pipeline, PipelineRun, Run, Task, TaskRun
from tkn_solo.yamltree import Tree, documents

API_VERSION = "tekton.dev/v1"
_KINDS: dict[str, Any] = {"Task": Task, "Pipeline": Pipeline, "PipelineRun": PipelineRun, "TaskRun": TaskRun}
_REFUSED = {
    "StepAction": "StepActions are not implemented yet; write the step into the Task",
    "CustomRun": "custom tasks have no controller here",
    "Run": "custom tasks have no controller here",
    "ClusterTask": "ClusterTask was removed from Tekton; use a Task",
}


@dataclass
class Catalog:
    """What the given files hold, by name; `places` says where each object came from, `stdin` what was read there."""

    tasks: dict[str, Task] = field(default_factory=dict)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    places: dict[tuple[str, str], str] = field(default_factory=dict)
    stdin: str | None = None

    def choose_pipeline(self, name: str | None) -> Pipeline | None:
        """The Pipeline called `name`, or the only one, if no run is meant; None: a run has to be chosen."""
        if name is None:
            return next(iter(self.pipelines.values())) if len(self.pipelines) == 1 and not self.runs else None
        run_names = {run.metadata.name or run.metadata.generate_name for run in self.runs}
        return None if name in run_names else self.pipelines.get(name)

    def choose_run(self, name: str | None) -> Run:
        """The one run to execute, or the one called `name`; raises InputError if that is not one."""
        names = [run.metadata.name or run.metadata.generate_name for run in self.runs]
        if name is not None:
            chosen = [run for run, known in zip(self.runs, names, strict=True) if known == name]
            if len(chosen) != 1:
                raise InputError(
                    f"{len(chosen)} runs are called {name!r}", solution=nearest(name, names, "Runs in the files")
                )
            return chosen[0]
        if len(self.runs) == 1:
            return self.runs[0]
        if not self.runs:
            raise InputError(
                "the files hold no PipelineRun and no TaskRun",
                solution="Add one, or use `tkn-solo start PIPELINE`.",
            )
        raise InputError(
            f"the files hold {len(self.runs)} runs", solution=f"Choose one with --name: {', '.join(sorted(names))}."
        )


def load(sources: Iterable[str]) -> Catalog:
    """Read files, folders (recursively, *.yaml and *.yml) and `-` (standard input).

    Other kinds than Tekton's are passed over in folders and refused in named files.
    """
    catalog = Catalog()
    for source in sources:
        if source == "-":
            catalog.stdin = sys.stdin.read()
            _read(catalog.stdin, "<stdin>", catalog, strict=True)
            continue
        path = Path(source)
        if path.is_dir():
            for file in sorted(path.rglob("*.y*ml")):
                if file.suffix in (".yaml", ".yml") and file.is_file():
                    _read(_text(file), str(file), catalog, strict=False)
        else:
            _read(_text(path), str(path), catalog, strict=True)
    return catalog


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read it: {error.strerror}", where=str(path)) from None
    except UnicodeDecodeError:
        raise InputError("the file is not UTF-8 text", where=str(path)) from None


def _read(text: str, file: str, catalog: Catalog, *, strict: bool) -> None:
    # A folder may hold YAML of other tools, templates included: look closer only where Tekton is named.
    if not strict and "tekton.dev/" not in text:
        return
    for tree in documents(text, file):
        _add(tree, catalog, strict=strict)


def _add(tree: Tree, catalog: Catalog, *, strict: bool) -> None:
    data = tree.value if isinstance(tree.value, dict) else {}
    kind, version = (str(data[key].value) if key in data else "" for key in ("kind", "apiVersion"))
    if (kind, version) == ("List", "v1") and "items" in data:
        items = data["items"].value
        for entry in items if isinstance(items, list) else []:
            _add(entry, catalog, strict=strict)
    elif version.startswith("tekton.dev/"):
        _check_kind(kind, version, tree)
        _register(decode(_KINDS[kind], tree, ""), where(tree, ""), catalog)
    elif strict:
        raise InputError(
            f"kind {kind or '(none)'!r} of {version or '(no apiVersion)'!r} is not a Tekton object",
            where=where(tree, ""),
            solution=f"Expected apiVersion {API_VERSION} and one of: {', '.join(_KINDS)}.",
        )


def _check_kind(kind: str, version: str, tree: Tree) -> None:
    if kind in _REFUSED:
        raise InputError(f"{kind} is not supported: {_REFUSED[kind]}", where=where(tree, ""))
    if kind not in _KINDS:
        raise InputError(f"unknown kind {kind!r}", where=where(tree, "kind"), solution=nearest(kind, _KINDS, "Kinds"))
    if version != API_VERSION:
        raise InputError(f"apiVersion {version} is not supported; write {API_VERSION}", where=where(tree, "apiVersion"))


def _register(item: Task | Pipeline | Run, place: str, catalog: Catalog) -> None:
    name = item.metadata.name or item.metadata.generate_name
    if not name:
        raise InputError("missing metadata.name", where=place)
    if (item.kind, name) in catalog.places:
        first = catalog.places[item.kind, name]
        raise InputError(f"a second {item.kind} is called {name!r}; the first is in {first}", where=place)
    catalog.places[item.kind, name] = place
    if isinstance(item, Task):
        catalog.tasks[name] = item
    elif isinstance(item, Pipeline):
        catalog.pipelines[name] = item
    else:
        catalog.runs.append(item)
