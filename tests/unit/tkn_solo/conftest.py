"""Helpers: YAML text to the values of the stages, without any file of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tkn_solo.build import Place, build
from tkn_solo.catalog import Catalog, load
from tkn_solo.definition import RunDefinition
from tkn_solo.invocation import TaskInvocation
from tkn_solo.resolve import resolve
from tkn_solo.sources import Sources


@pytest.fixture
def catalog(tmp_path: Path) -> Callable[[str], Catalog]:
    """The catalog of a YAML text."""

    def loaded(text: str) -> Catalog:
        file = tmp_path / "objects.yaml"
        file.write_text(textwrap.dedent(text))
        return load([str(file)])

    return loaded


@pytest.fixture
def definition(catalog: Callable[[str], Catalog]) -> Callable[[str], RunDefinition]:
    """The resolved run of a YAML text."""

    def resolved(text: str) -> RunDefinition:
        objects = catalog(text)
        return resolve(objects.choose_run(None), objects)

    return resolved


@pytest.fixture
def invocation(definition: Callable[[str], RunDefinition], tmp_path: Path) -> Callable[..., TaskInvocation]:
    """The first attempt of a TaskRun's text, with these folders as secrets, configMaps and claims."""

    def built(text: str, sources: Sources | None = None) -> TaskInvocation:
        run = definition(text)
        (task,) = run.graph.tasks.values()
        return build(run, task, 0, "some-uid", Place(tmp_path / "run", sources or Sources()))

    return built
