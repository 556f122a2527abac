"""Lock files: what each format pins, and every way in which a lock does not lock."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark.code_gate import locks
from hallmark.errors import BadInputError

Run = Callable[..., Any]

ZEROS = "0" * 64
UV = f"""version = 1

[[package]]
name = "coin"
version = "0.1.0"
source = {{ virtual = "." }}

[[package]]
name = "Scikit_Learn"
version = "1.7.0"
source = {{ registry = "https://index.example/simple" }}
wheels = [{{ url = "https://index.example/a.whl", hash = "sha256:{ZEROS}" }}]
"""
POETRY = f"""[[package]]
name = "numpy"
version = "2.0.0"
files = [{{file = "numpy.whl", hash = "sha256:{ZEROS}"}}]

[metadata]
lock-version = "2.1"
"""
OLD_POETRY = f"""[[package]]
name = "numpy"
version = "2.0.0"

[metadata]
lock-version = "1.1"

[metadata.files]
numpy = [{{file = "numpy.whl", hash = "sha256:{ZEROS}"}}]
"""
PYLOCK = f"""lock-version = "1.0"
created-by = "somebody"

[[packages]]
name = "numpy"
version = "2.0.0"
wheels = [{{ name = "numpy.whl", hashes = {{ sha256 = "{ZEROS}" }} }}]
"""
PIPFILE = json.dumps({"_meta": {}, "default": {"numpy": {"version": "==2.0.0", "hashes": ["sha256:0"]}}}, indent=1)
REQUIREMENTS = f"""# by hand
numpy==2.0.0 \\
    --hash=sha256:{ZEROS} \\
    --hash=sha256:{ZEROS}
--index-url https://index.example/simple
-e .
"""


def read(folder: Path, name: str, text: str, **rules: Any) -> locks.Locks:
    (folder / name).write_text(text)
    return locks.read(folder, **rules)


@pytest.mark.parametrize(
    ("name", "text", "package", "line"),
    [
        ("uv.lock", UV, ("scikit-learn", "1.7.0"), 8),
        ("poetry.lock", POETRY, ("numpy", "2.0.0"), 1),
        ("poetry.lock", OLD_POETRY, ("numpy", "2.0.0"), 1),
        ("pdm.lock", POETRY, ("numpy", "2.0.0"), 1),
        ("pylock.toml", PYLOCK, ("numpy", "2.0.0"), 4),
        ("pylock.serve.toml", PYLOCK, ("numpy", "2.0.0"), 4),
        ("Pipfile.lock", PIPFILE, ("numpy", "2.0.0"), 4),
        ("requirements.txt", REQUIREMENTS, ("numpy", "2.0.0"), 2),
        ("requirements-serve.lock", REQUIREMENTS, ("numpy", "2.0.0"), 2),
    ],
)
def test_each_format_gives_its_packages_with_their_lines(
    tmp_path: Path, name: str, text: str, package: tuple[str, str], line: int
) -> None:
    found = read(tmp_path, name, text)
    assert found.findings == ()
    assert [(one.name, one.version, one.line, one.hashed) for one in found.pinned] == [(*package, line, True)]


@pytest.mark.parametrize(
    ("name", "text", "rule", "line"),
    [
        ("requirements.txt", "\nnumpy>=2\n", locks.UNPINNED, 2),
        ("requirements.txt", "numpy==2.*\n", locks.UNPINNED, 1),
        ("requirements.txt", "numpy==2.0,!=3\n", locks.UNPINNED, 1),
        ("requirements.txt", "numpy\n", locks.UNPINNED, 1),
        ("requirements.txt", "numpy==2.0.0\n", locks.UNHASHED, 1),
        ("requirements.txt", f"numpy==2.0.0 --hash=md5:{ZEROS}\n", locks.UNHASHED, 1),
        ("requirements.txt", "numpy @ https://example.invalid/numpy.whl\n", locks.FOREIGN, 1),
        ("requirements.txt", "git+https://example.invalid/numpy\n", locks.FOREIGN, 1),
        ("requirements.txt", "../numpy\n", locks.FOREIGN, 1),
        ("requirements.txt", "numpy = 2\n", locks.UNREADABLE, 1),
        ("requirements.txt", "# none\n", locks.EMPTY, 1),
        ("requirements.txt", "-r ../other.txt\n", locks.UNREADABLE, 1),
        ("requirements.txt", "-r other.txt\n", locks.MISSING, 1),
        ("uv.lock", "[[package\n", locks.UNREADABLE, 1),
        ("uv.lock", "", locks.UNREADABLE, 1),
        ("uv.lock", "version = 1\n", locks.EMPTY, 1),
        ("uv.lock", "[[package]]\nversion = '1'\n", locks.UNREADABLE, 1),
        ("uv.lock", "x = 1\n\n[[package]]\nname = 'a'\nversion = 'one'\n", locks.UNREADABLE, 3),
        ("uv.lock", UV.replace("hash =", "size ="), locks.UNHASHED, 8),
        ("uv.lock", UV.replace("registry", "git"), locks.FOREIGN, 8),
        ("poetry.lock", POETRY.replace("[metadata]", '[package.source]\ntype = "git"\n[metadata]'), locks.FOREIGN, 1),
        ("Pipfile.lock", "{", locks.UNREADABLE, 1),
        ("Pipfile.lock", "[]", locks.UNREADABLE, 1),
        ("Pipfile.lock", PIPFILE.replace("==2.0.0", "*"), locks.UNPINNED, 4),
    ],
)
def test_a_lock_that_does_not_lock_is_told_with_its_line(
    tmp_path: Path, name: str, text: str, rule: str, line: int
) -> None:
    found = read(tmp_path, name, text)
    assert [(one.rule, one.line) for one in found.findings] == [(rule, line)]


def test_a_lock_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_bytes(b"\xff\xfe\x00")
    assert [one.rule for one in locks.read(tmp_path).findings] == [locks.UNREADABLE]


def test_included_requirements_are_read_whatever_their_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/pins.txt").write_text("-r ../requirements.txt\nscipy==1.0\n")
    found = read(tmp_path, "requirements.txt", "-r deep/pins.txt\n", hashes=False)
    assert found.files == ("requirements.txt", "deep/pins.txt")
    assert [one.name for one in found.pinned] == ["scipy"]
    assert found.findings == ()


def test_hashes_are_asked_for_only_if_the_policy_does(tmp_path: Path) -> None:
    assert read(tmp_path, "requirements.txt", "numpy==2.0.0\n", hashes=False).findings == ()


def test_only_the_files_that_the_policy_names_count(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text(UV)
    assert read(tmp_path, "requirements.txt", "numpy\n", files=["uv.lock"]).findings == ()
    missing = locks.read(tmp_path, files=["poetry.lock"])
    assert [(one.rule, one.file) for one in missing.findings] == [(locks.MISSING, "poetry.lock")]


def test_a_name_of_no_known_format_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"environment\.yml"):
        locks.read(tmp_path, files=["environment.yml"])


def test_a_repository_without_a_lock_is_refused_if_the_policy_asks_for_one(
    run: Run, repository: Path, policy: Path
) -> None:
    assert run("check-code").exit_code == 0
    with (policy / "policy.yaml").open("a") as file:
        file.write("code: {lock: {enabled: true}}\n")
    ran = run("check-code")
    assert ran.exit_code == 1
    assert [one["rule"] for one in ran.report["figures"]["findings"]] == [locks.MISSING]
    assert not ran.check("locked dependencies")["passed"]
    (repository / "requirements.txt").write_text(REQUIREMENTS)
    ran = run("check-code")
    assert ran.exit_code == 0
    assert ran.report["figures"]["lock_files"] == ["requirements.txt"]
