"""What the laptop's tests share: real programs, and fake ones that tell how they were called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from laptop import cosign
from laptop.setup import ROOT, TOOLS


@pytest.fixture(scope="session")
def real_cosign() -> Path:
    return cosign.ensure(ROOT / "tools", TOOLS / "bin", lambda line: None)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a shell script first on PATH, under a name; returns the file that it can write to as `$CALLS`."""
    folder, calls = tmp_path / "fake-bin", tmp_path / "calls"
    folder.mkdir()
    calls.touch()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def put(name: str, body: str) -> Path:
        script = folder / name
        script.write_text(f"#!/bin/sh\nCALLS={calls}\n{body}\n")
        script.chmod(0o755)
        return calls

    return put
