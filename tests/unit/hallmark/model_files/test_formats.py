import pickle
import zipfile
from pathlib import Path

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest

from hallmark.errors import BadInputError
from hallmark.model_files.formats import detect


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", None),
        (b"PK", None),
        (b"\x80", None),
        (b"\x80\x06N.", None),
        (b"(lp0\n.", None),
        (b"#!/bin/sh\n", None),
        (b"\x89HDF\r\n\x1a\n", None),
        (b"x is not zlib", None),
        (pickle.dumps([1], protocol=2), "pickle"),
        (pickle.dumps([1], protocol=5), "pickle"),
    ],
)
def test_a_format_is_known_by_its_first_bytes(content: bytes, expected: str | None, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(content)
    assert detect(path) == expected


def test_a_zip_is_taken_for_skops_and_looked_into_later(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pickle", "w") as archive:
        archive.writestr("a", "b")
    assert detect(tmp_path / "model.pickle") == "skops"


@pytest.mark.parametrize("packing", [0, ("zlib", 1), ("zlib", 9), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_joblib_is_known_compressed_or_not(packing: object, tmp_path: Path) -> None:
    joblib.dump(np.arange(10.0), tmp_path / "model.skops", compress=packing)
    assert detect(tmp_path / "model.skops") == "joblib"


def test_joblib_without_an_array_is_a_pickle(tmp_path: Path) -> None:
    joblib.dump({"a": 1}, tmp_path / "model.joblib")
    assert detect(tmp_path / "model.joblib") == "pickle"


def test_a_link_a_folder_and_nothing_are_bad_input(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "target").write_bytes(b"\x80\x05N.")
    (tmp_path / "folder").mkdir()
    for name in ("link", "folder", "nothing"):
        with pytest.raises(BadInputError, match=r"cannot be read|no regular file"):
            detect(tmp_path / name)
