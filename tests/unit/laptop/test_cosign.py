from __future__ import annotations

from pathlib import Path

import pytest

from hallmark.errors import BadInputError, ToolFailedError
from laptop import cosign, go_tools

MODULE = {"go.mod": "module example.invalid/tools\n\ngo 1.26\n", "go.sum": ""}


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, text in MODULE.items():
        (folder / name).write_text(text)
    return folder


def builds(version: str) -> str:
    """The body of a Go that compiles such a cosign to the path after `-o`, its sixth argument."""
    return f'cat > "$6" <<\'SCRIPT\'\n#!/bin/sh\n{told(version)}\nSCRIPT\nchmod +x "$6"'


def told(version: str) -> str:
    """The body of a cosign that tells this version."""
    return f'echo \'{{"gitVersion": "{version}"}}\''


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ((2, 3), False),
        ((2, 4), True),
        ((2, 6), True),
        ((3, 1), True),
        ((4, 0), False),
        (None, False),
    ],
)
def test_only_versions_from_2_4_to_3_are_used(version, verdict):
    assert cosign.usable(version) is verdict


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (told("v2.6.5"), (2, 6)),
        (told("v3.0.0-rc1"), (3, 0)),
        (told("devel"), None),
        ("echo no JSON", None),
        ("echo '[]'", None),
        ("exit 1", None),
    ],
)
def test_a_version_is_what_cosign_tells(fake, tmp_path, body, version):
    fake("cosign", body)
    assert cosign.version_of(tmp_path / "fake-bin" / "cosign") == version


def test_a_usable_cosign_on_path_is_taken(fake, tmp_path, module):
    fake("cosign", told("v2.5.0"))
    assert cosign.ensure(module, tmp_path / "bin", lambda line: None) == tmp_path / "fake-bin" / "cosign"


def test_an_old_cosign_is_replaced_by_one_that_is_built(fake, tmp_path, module):
    fake("cosign", told("v1.13.0"))
    calls = fake("go", f'echo "$*" >> "$CALLS"\n{builds("v2.6.5")}')
    said: list[str] = []
    for _ in range(2):
        assert cosign.ensure(module, tmp_path / "bin", said.append) == tmp_path / "bin" / "cosign"
    assert len(calls.read_text().splitlines()) == len(said) == 1
    (module / "go.sum").write_text("changed\n")
    cosign.ensure(module, tmp_path / "bin", said.append)
    assert len(calls.read_text().splitlines()) == len(said) == 2


def test_a_build_that_tells_another_version_is_a_failure(fake, tmp_path, module):
    fake("go", builds("v4.0.0"))
    with pytest.raises(ToolFailedError, match=r"2\.4 to 3"):
        cosign.ensure(module, tmp_path / "bin", lambda line: None)


def test_no_cosign_and_no_go_is_bad_input_that_names_the_version(monkeypatch, tmp_path, module):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInputError) as refusal:
        cosign.ensure(module, tmp_path / "bin", lambda line: None)
    assert refusal.value.solution.startswith("install Go 1.26 or newer")


def test_a_build_that_fails_leaves_nothing(fake, tmp_path, module):
    fake("go", 'echo half > "$6"\necho "no such module" >&2\nexit 1')
    with pytest.raises(ToolFailedError, match="no such module"):
        go_tools.build(module, "./cmd/x", tmp_path / "bin" / "x")
    assert list((tmp_path / "bin").iterdir()) == []


def test_the_real_cosign_is_usable(real_cosign):
    assert cosign.usable(cosign.version_of(real_cosign))
