"""The folders of `tests/scenarios`: what runs, what it is given, and what has to come out.

A `tekton-*` folder holds `pipeline.yaml`, which is what runs, and `expect.yaml`:

- `start`: the Pipeline to start, instead of running the run in the file
- `given`: `params` (name to value), `workspaces` (tkn's `--workspace` flags), and, as folders, `claims`, `secrets` and
  `config-maps`; `{here}` is the scenario's folder, `{registry}` the address of a registry, `{credential}` a folder with
  the config.json for it, `{rootfs}` a folder with a small server for an image
- `exit`: tkn-solo's exit code
- `reason`, `message`: the run's condition
- `tasks`: pipeline task to its TaskRun's reason, or to a map with some of `reason`, `message`, `retries`, `steps`,
  `sidecars`, `results`
- `skipped`: skipped task to reason
- `results`: the run's results, all of them
- `logs`: `task/step` (of a later attempt `task-retry-N/step`) to lines that the log must hold
- `errors`: texts that tkn-solo's standard error must hold

A folder whose `expect.yaml` names a `failed` task is a refused delivery, see `engines.refusal`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "scenarios"
SEMANTICS = sorted(path.name for path in FOLDER.glob("tekton-*") if path.is_dir())
SOURCES = ("claims", "secrets", "config-maps")


@dataclass(frozen=True)
class Scenario:
    """A `tekton-*` folder."""

    name: str

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def file(self) -> Path:
        return self.folder / "pipeline.yaml"

    @cached_property
    def expect(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = yaml.safe_load((self.folder / "expect.yaml").read_text())
        return found

    @cached_property
    def documents(self) -> list[dict[str, Any]]:
        return [document for document in yaml.safe_load_all(self.file.read_text()) if document]

    @property
    def start(self) -> str | None:
        """The Pipeline to start, if the file holds no run."""
        return self.expect.get("start")

    @property
    def logs(self) -> Mapping[str, list[str]]:
        found: Mapping[str, list[str]] = self.expect.get("logs", {})
        return found

    def needs(self, place: str) -> bool:
        """Whether what is given names `{place}`."""
        return f"{{{place}}}" in yaml.safe_dump(self.expect.get("given", {}))

    def given(self, places: Mapping[str, object]) -> Given:
        """What the run is given, with the names in braces filled in."""
        given = self.expect.get("given", {})

        def filled(text: str) -> str:
            return text.format(here=self.folder, **places)

        params = {name: filled(value) for name, value in given.get("params", {}).items()}
        folders = {kind: {name: Path(filled(path)) for name, path in given.get(kind, {}).items()} for kind in SOURCES}
        return Given(
            params=params,
            workspaces=given.get("workspaces", []),
            claims=folders["claims"],
            secrets=folders["secrets"],
            config_maps=folders["config-maps"],
        )


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a run gets from outside. tkn-solo is told the folders; a cluster's objects are made of them."""

    params: Mapping[str, str]
    workspaces: list[str]
    claims: Mapping[str, Path]
    secrets: Mapping[str, Path]
    config_maps: Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run that ended, or was refused before it began.

    `objects` are the completed PipelineRun and its TaskRuns, or a TaskRun alone; empty if nothing ran. `logs` are those
    that the scenario speaks of. `exit_code` and `errors` are tkn-solo's own; a cluster has neither.
    """

    objects: list[dict[str, Any]]
    logs: Mapping[str, list[str]]
    exit_code: int = 0
    errors: str = ""
