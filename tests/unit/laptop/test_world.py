from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from hallmark.errors import BadInputError
from laptop import clean, world
from laptop.errors import LaptopError


@pytest.fixture
def no_services(monkeypatch):
    """Nothing may be installed or started: what is tested ends before that."""

    def ensure(_say: object) -> None:
        raise AssertionError("too late")

    monkeypatch.setattr(world.packages, "ensure", ensure)


def test_a_second_run_on_the_same_folder_is_bad_input(tmp_path, no_services):
    program = (
        "import sys; from pathlib import Path; from laptop import world\n"
        "with world.locked(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "locked\n"
        with pytest.raises(BadInputError, match=f"another run or `make clean` is using {tmp_path}"):
            world.running(tmp_path, print).__enter__()
        first.stdin.close()
    with world.locked(tmp_path):
        pass


def test_nothing_is_cleaned_away_under_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["laptop.clean", str(tmp_path)])
    with world.locked(tmp_path), pytest.raises(BadInputError, match="is using"):
        clean.main()
    assert (tmp_path / "lock").exists()


def test_too_little_space_is_told_before_anything_is_made(tmp_path, monkeypatch, no_services):
    monkeypatch.setattr(world.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1_500_000_000))
    with pytest.raises(LaptopError, match=rf"{tmp_path}/state has 1\.5 GB free .* needs about 2 GB") as refused:
        world.running(tmp_path / "state", print).__enter__()
    assert "--state" in refused.value.solution
    assert refused.value.exit_code == 3
