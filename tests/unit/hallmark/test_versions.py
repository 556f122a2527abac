from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from hallmark import versions


def test_versions_are_those_that_importlib_tells() -> None:
    names = {"numpy", "scikit-learn", "great-expectations", "PyYAML", "typing_extensions"}
    assert versions.of(names) == {name: metadata.version(name) for name in names}


def test_what_is_not_installed_is_left_out() -> None:
    assert versions.of(["no-such-library"]) == {}


def test_what_is_imported_first_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, version in (("one", "1.0.0rc1"), ("other", "2.0")):
        (tmp_path / folder / f"Some_Library-{version}.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / name) for name in ("missing", "one", "other")])
    assert versions.of(["some-library"]) == {"some-library": "1.0.0rc1"}
