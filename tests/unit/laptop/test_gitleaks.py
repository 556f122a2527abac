from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hallmark.errors import BadInputError
from laptop import gitleaks

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder whose `gitleaks` pins what the project's pins."""
    shutil.copytree(ROOT / "tools/gitleaks", tmp_path / "tools/gitleaks")
    return tmp_path / "tools"


def test_it_is_built_once_with_the_version_that_go_mod_pins(fake, tmp_path, tools):
    fake("go", 'printf "#!/bin/sh\\necho built with $4\\n" > "$6" && chmod +x "$6"')
    said: list[str] = []
    for _ in range(2):
        program = gitleaks.ensure(tools, tmp_path / "bin", said.append)
    assert len(said) == 1
    told = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    pinned = (
        next(
            line
            for line in (tools / "gitleaks/go.mod").read_text().splitlines()
            if gitleaks.PACKAGE in line and " v" in line
        )
        .split()[1]
        .removeprefix("v")
    )
    assert f"{gitleaks.PACKAGE}/version.Version={pinned}" in told


def test_another_pin_builds_it_again(fake, tmp_path, tools):
    fake("go", 'touch "$6"')
    said: list[str] = []
    gitleaks.ensure(tools, tmp_path / "bin", said.append)
    (tools / "gitleaks/go.sum").write_text("")
    gitleaks.ensure(tools, tmp_path / "bin", said.append)
    assert len(said) == 2


def test_without_go_it_is_bad_input(monkeypatch, tmp_path, tools):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInputError, match="go is not on PATH"):
        gitleaks.ensure(tools, tmp_path / "bin", lambda line: None)
