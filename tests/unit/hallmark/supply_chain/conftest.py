"""Fixtures of the tests of source and supply chain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hallmark import cli

from .supply_chain_helpers import MODEL, POLICY, Called, WorkTree


@pytest.fixture
def work_tree(tmp_path: Path) -> Callable[[str], WorkTree]:
    def make(name: str) -> WorkTree:
        return WorkTree(tmp_path, name)

    return make


@pytest.fixture
def model_tree(work_tree: Callable[[str], WorkTree]) -> WorkTree:
    """A pushed repository of a model, not yet good for more than being fetched."""
    tree = work_tree("iris")
    tree.write("hallmark.yaml", MODEL)
    tree.write("train.py", "print('training')\n")
    tree.write("Containerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY model/ /app/model/\n")
    tree.write("data/training.csv", "width,length,species\n1,2,a\n")
    tree.push("Add the model")
    return tree


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "policy.yaml").write_text(POLICY)
    return folder


@pytest.fixture
def hallmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Calls `hallmark COMMAND --flag=value ...`; keyword arguments are the flags; `results` names those to keep."""
    calls = 0

    def call(command: str, *, results: tuple[str, ...] = (), **flags: object) -> Called:
        nonlocal calls
        calls += 1
        folder = tmp_path / f"results-{calls}"
        argv = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
        argv += [f"--result-{name}={folder / name}" for name in results]
        code = cli.main([command, *argv])
        captured = capsys.readouterr()
        return Called(code, captured.out + captured.err, folder)

    return call
