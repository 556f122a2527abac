from __future__ import annotations

import pytest

from hallmark.errors import BadInputError
from laptop.base_image import LOCK, RECIPE
from laptop.serving_packages import every_name, for_python, locked, read_names, remove_scripts

SAMPLE = """\
# a comment
joblib==1.6.0 \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
    # via
    #   scikit-learn
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:cccc
    # via scipy
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:dddd
ruamel-yaml==0.19.1 \\
    --hash=sha256:eeee
"""
JOBLIB = "joblib==1.6.0 \\\n    --hash=sha256:aaaa \\\n    --hash=sha256:bbbb"


def test_a_list_of_names_has_comments_and_empty_lines(tmp_path):
    (tmp_path / "names.txt").write_text("# why\n\nnumpy\n scipy  # both\n")
    assert read_names(tmp_path / "names.txt") == ["numpy", "scipy"]


def test_named_requirements_come_with_their_hashes_and_without_comments():
    assert locked(SAMPLE, ["joblib"]) == [JOBLIB]


def test_names_are_compared_in_their_canonical_form():
    assert [text.splitlines()[0] for text in locked(SAMPLE, ["Ruamel.YAML"])] == ["ruamel-yaml==0.19.1 \\"]


def test_a_name_that_is_not_locked_is_bad_input():
    with pytest.raises(BadInputError, match="does not hold flask"):
        locked(SAMPLE, ["joblib", "flask"])


@pytest.mark.parametrize(
    ("python", "numpy"),
    [
        ("3.11.2", "numpy==2.4.6 \\\n    --hash=sha256:cccc"),
        ("3.12.0", "numpy==2.5.5 \\\n    --hash=sha256:dddd"),
        ("3.13.5", "numpy==2.5.5 \\\n    --hash=sha256:dddd"),
    ],
)
def test_the_image_s_python_decides_and_not_the_one_that_runs_pip(python, numpy):
    assert for_python(locked(SAMPLE, ["numpy", "joblib"]), python) == [JOBLIB, numpy]


@pytest.mark.parametrize("python", ["3.11.2", "3.12.3", "3.13.5"])
def test_every_package_of_the_base_image_is_locked_once_for_each_python(python):
    names = read_names(RECIPE / "python-packages.txt")
    chosen = for_python(locked(LOCK.read_text(), names), python)
    assert sorted(requirement.partition("==")[0] for requirement in chosen) == sorted(names)
    assert all("--hash=sha256:" in requirement for requirement in chosen)


def test_a_lock_s_names_are_each_told_once():
    assert every_name(SAMPLE) == ["joblib", "numpy", "ruamel-yaml"]


def test_scripts_go_with_their_lines_in_record_and_programs_stay(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").write_bytes(b"#!/usr/bin/python3\n")
    (tmp_path / "bin" / "ruff").write_bytes(b"\x7fELF")
    record = tmp_path / "thing.dist-info" / "RECORD"
    record.parent.mkdir()
    record.write_text("../../bin/tool,sha256=a,1\nbin/ruff,sha256=b,2\nbinary/bin/tool,sha256=c,3\n")
    remove_scripts(tmp_path)
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["ruff"]
    assert record.read_text() == "bin/ruff,sha256=b,2\nbinary/bin/tool,sha256=c,3\n"


def test_a_folder_of_nothing_but_scripts_goes_too(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").write_bytes(b"#!/usr/bin/python3\n")
    remove_scripts(tmp_path)
    assert list(tmp_path.iterdir()) == []
