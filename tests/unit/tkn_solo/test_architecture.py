"""Layers point in one direction, and the runner knows nothing of the steps."""

from __future__ import annotations

import ast
from pathlib import Path

import tkn_solo

PACKAGE = Path(tkn_solo.__file__).parent
# Pure modules may import only each other.
PURE = {
    "build",
    "capabilities",
    "conditions",
    "decode",
    "definition",
    "errors",
    "expansion",
    "facts",
    "fields",
    "graph",
    "invocation",
    "kubernetes",
    "masking",
    "model",
    "names",
    "params",
    "pipeline_results",
    "schedule",
    "substitution",
    "validate",
    "values",
    "variables",
    "yamltree",
}
# Reads the folders that stand for Secrets, on behalf of `build`.
EDGE_OF_BUILD = {"sources"}


def imports(path: Path) -> set[str]:
    """Dotted names of what a module imports, in any block."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if node.module == "tkn_solo" else {node.module}
    return found


def modules() -> dict[str, set[str]]:
    return {
        str(path.relative_to(PACKAGE)).removesuffix(".py").replace("/", "."): imports(path)
        for path in PACKAGE.rglob("*.py")
    }


def test_pure_modules_import_only_pure_modules() -> None:
    for name in PURE:
        own = {item.removeprefix("tkn_solo.") for item in modules()[name] if item.startswith("tkn_solo.")}
        assert own <= PURE | EDGE_OF_BUILD, name


def test_pure_modules_touch_no_process_and_no_clock() -> None:
    for name in PURE:
        assert not modules()[name] & {"subprocess", "os", "time", "threading", "signal", "shutil"}, name


def test_one_module_starts_programs() -> None:
    assert [name for name, found in modules().items() if "subprocess" in found] == ["process"]


def test_the_runner_does_not_know_the_steps() -> None:
    for name, found in modules().items():
        assert not any(item.split(".")[0] in ("hallmark", "laptop") for item in found), name


def test_the_backend_knows_neither_the_engine_nor_the_sinks() -> None:
    for name, found in modules().items():
        if name.startswith("host."):
            upper = {"tkn_solo.engine", "tkn_solo.events", "tkn_solo.record", "tkn_solo.status", "tkn_solo.cli"}
            assert not found & upper, name
            assert not any(item.startswith("tkn_solo.sinks") for item in found), name


def test_files_are_of_a_size_to_read() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path.name
