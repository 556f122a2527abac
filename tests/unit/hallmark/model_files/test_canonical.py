import json
import os
import random
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np
import pytest
import skops.io  # type: ignore[import-untyped]

from hallmark.errors import BadInputError
from hallmark.files import sha256_file
from hallmark.model_files import archive as archive_module
from hallmark.model_files.canonical import canonicalise

PREAMBLE = """
import sys, numpy, skops.io
from sklearn.datasets import load_iris
X, y = load_iris(return_X_y=True, as_frame=True)
"""

MODELS = {
    "support vectors": """
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
model = make_pipeline(StandardScaler(), SVC(random_state=7, probability=False)).fit(X, y)
""",
    "forest": """
from sklearn.ensemble import RandomForestClassifier
model = RandomForestClassifier(5, random_state=numpy.random.RandomState(3)).fit(X, y)
""",
    "gaps between fields": """
import os
from sklearn.dummy import DummyClassifier
model = DummyClassifier().fit(X, y)
model.nodes_ = numpy.frombuffer(os.urandom(160), numpy.dtype([("child", "<i8"), ("left", "u1")], align=True)).copy()
model.nodes_["child"], model.nodes_["left"] = range(10), 1
""",
    "gradient boosting": """
from sklearn.ensemble import HistGradientBoostingClassifier
model = HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(X, y)
""",
    "sparse text": """
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
words = ["a good cat", "a bad dog", "cat and dog", "good good cat"]
model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(words, ["x", "y", "y", "x"])
model.seen_ = model[0].transform(words)
""",
    "sets, bytes and shared parts": """
from sklearn.dummy import DummyClassifier
model = DummyClassifier().fit(X, y)
model.names_ = {"b", "a", "c", "some", "more", "words"}
model.frozen_ = frozenset(["u", "v", "w", "x", "y"])
model.nested_ = {("k", frozenset({"p", "q", "r"})), ("l", frozenset({"s", "t"}))}
model.blob_ = b"bytes"
model.blobs_ = {b"one", b"two", b"three"}
model.shared_ = model.again_ = numpy.arange(3)
model.slice_ = slice(1, None)
""",
}


def train(script: str, target: Path, seed: int) -> None:
    """Fit and save in a process of its own, with its own hash seed and its own memory layout."""
    layout = f"ballast = [bytearray(n) for n in range({seed % 97}, {seed % 97 + 500})]\n"
    subprocess.run(
        [sys.executable, "-c", f"{PREAMBLE}{layout}{script}\nskops.io.dump(model, sys.argv[1])", target],
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        check=True,
        timeout=120,
    )


@pytest.fixture
def small(tmp_path: Path) -> Path:
    from sklearn.dummy import DummyClassifier  # type: ignore[import-untyped]

    path = tmp_path / "model.skops"
    skops.io.dump(DummyClassifier().fit([[1.0], [2.0]], ["a", "b"]), path)
    return path


@pytest.mark.parametrize("name", MODELS)
def test_two_trainings_with_the_same_result_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    first, second = tmp_path / "1" / "model.skops", tmp_path / "2" / "model.skops"
    for path, seed in ((first, 1), (second, 4242)):
        path.parent.mkdir()
        train(MODELS[name], path, seed)
    assert sha256_file(first) != sha256_file(second)
    canonicalise(first, "skops")
    canonicalise(second, "skops")
    assert sha256_file(first) == sha256_file(second)


@pytest.mark.parametrize("name", MODELS)
def test_a_canonical_file_loads_to_an_equal_model_and_stays_as_it_is(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    train(MODELS[name], path, 5)
    trusted = skops.io.get_untrusted_types(file=path)
    before = skops.io.load(path, trusted=trusted)
    canonicalise(path, "skops")
    after = skops.io.load(path, trusted=trusted)
    assert skops.io.get_untrusted_types(file=path) == trusted
    assert same(before, after)
    digest = sha256_file(path)
    canonicalise(path, "skops")
    assert sha256_file(path) == digest


def same(left: Any, right: Any) -> bool:
    """Equal in type and value all the way down; an object is compared by what it would be rebuilt from."""
    if type(left) is not type(right):
        return False
    if isinstance(left, type | FunctionType | BuiltinFunctionType | str | bytes | int | float | set | frozenset | None):
        return bool(left == right)
    if isinstance(left, np.ndarray) and left.dtype.names:  # field by field: what lies between them has no meaning
        return left.dtype == right.dtype and all(same(left[name], right[name]) for name in left.dtype.names)
    if isinstance(left, np.ndarray) and left.dtype != object:
        return bool(left.dtype == right.dtype and left.tobytes() == right.tobytes())
    if isinstance(left, np.ndarray):
        return same(left.tolist(), right.tolist())
    if isinstance(left, np.random.RandomState):  # its seed's origin is lost whenever skops loads it
        return same(left.get_state(), right.get_state())
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left if key != STALE_ADDRESS)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return same(left.__reduce_ex__(4), right.__reduce_ex__(4))


STALE_ADDRESS = "_stop_words_id"


def test_a_shared_part_stays_shared(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    train(MODELS["sets, bytes and shared parts"], path, 5)
    canonicalise(path, "skops")
    model = skops.io.load(path, trusted=["builtins.frozenset"])
    assert model.shared_ is model.again_


def test_no_date_and_no_address_is_left(small: Path) -> None:
    canonicalise(small, "skops")
    with zipfile.ZipFile(small) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist()[-1] == "schema.json"
        assert all(len(name) < 8 for name in archive.namelist()[:-1])


@pytest.mark.parametrize("format", ["pickle", "joblib", "onnx"])
def test_pickle_joblib_and_onnx_stay_as_they_are(format: str, tmp_path: Path) -> None:  # noqa: A002
    path = tmp_path / f"model.{format}"
    path.write_bytes(b"\x80\x05N.")
    canonicalise(path, format)
    assert path.read_bytes() == b"\x80\x05N."


def _add(path: Path, name: str, data: bytes = b"x", **attributes: int) -> None:
    member = zipfile.ZipInfo(name)
    member.external_attr = attributes.get("mode", 0o644) << 16
    with zipfile.ZipFile(path, "a", attributes.get("method", zipfile.ZIP_STORED)) as archive:
        archive.writestr(member, data, attributes.get("method", zipfile.ZIP_STORED))


def _replace_schema(path: Path, schema: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", schema)


def _twice(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        _add(path, "schema.json", b"{}")


def _encrypted(path: Path) -> None:
    _add(path, "secret.npy")
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 8] |= 1
    path.write_bytes(data)


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("1.npy", "w") as member:
        for _ in range(4):
            member.write(bytes(1 << 20))


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no zip": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)), "zip's directory"),
    "empty": (lambda path: path.write_bytes(b""), "too short"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-30]), "zip's directory"),
    "bytes after the end": (lambda path: path.write_bytes(path.read_bytes() + b"more"), "zip's directory"),
    "absolute name": (lambda path: _add(path, "/etc/cron.d/x"), "odd name"),
    "name that climbs": (lambda path: _add(path, "../x"), "odd name"),
    "folder": (lambda path: _add(path, "a/b"), "odd name"),
    "backslash": (lambda path: _add(path, "a\\b"), "odd name"),
    "link": (lambda path: _add(path, "x.npy", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "link"),
    "a member twice": (_twice, "twice"),
    "encrypted": (_encrypted, "encrypted"),
    "bzip2": (lambda path: _add(path, "x.npy", method=zipfile.ZIP_BZIP2), "store or deflate"),
    "a member beside the model": (lambda path: _add(path, "payload.bin"), "no part of the model"),
    "no schema": (lambda path: zipfile.ZipFile(path, "w").close(), "holds no schema.json"),
    "schema that is no JSON": (lambda path: _replace_schema(path, "{"), "no JSON"),
    "schema that is a list": (lambda path: _replace_schema(path, "[]"), "no JSON object"),
    "schema too deep": (lambda path: _replace_schema(path, "[" * 100_000 + "]" * 100_000), "no JSON"),
    "schema deep for its reader": (
        lambda path: _replace_schema(path, '{"a":' * 700 + "0" + "}" * 700),
        "too deeply|no JSON",
    ),
    "member that is missing": (
        lambda path: _replace_schema(path, '{"__loader__":"NdArrayNode","__id__":1,"file":"1.npy"}'),
        "does not hold",
    ),
    "file that is no text": (
        lambda path: _replace_schema(path, '{"__loader__":"NdArrayNode","__id__":1,"file":["1.npy"]}'),
        "does not hold",
    ),
    "number of an object that is none": (
        lambda path: _replace_schema(path, '{"__loader__":"ObjectNode","__id__":{}}'),
        "whole number",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_file_that_skops_would_not_write_is_bad_input_and_stays_untouched(case: str, small: Path) -> None:
    spoil, reason = HOSTILE[case]
    spoil(small)
    before = small.read_bytes()
    with pytest.raises(BadInputError, match=reason):
        canonicalise(small, "skops")
    assert small.read_bytes() == before
    assert [entry.name for entry in small.parent.iterdir()] == ["model.skops"]


def test_a_zip_bomb_is_bad_input_before_it_is_unpacked(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _bomb(small)
    assert small.stat().st_size < 100_000
    monkeypatch.setattr(archive_module, "MAXIMUM_BYTES", 1 << 20)
    with pytest.raises(BadInputError, match="unpacks to more than"):
        canonicalise(small, "skops")


def test_a_member_that_unpacks_to_other_bytes_than_it_says_is_bad_input(small: Path) -> None:
    with zipfile.ZipFile(small) as archive:
        name = json.loads(archive.read("schema.json"))["content"]["content"]["classes_"].get("file")
        start = archive.getinfo(name).header_offset if name else archive.infolist()[0].header_offset
    data = bytearray(small.read_bytes())
    data[start + 60] ^= 0xFF
    small.write_bytes(data)
    with pytest.raises(BadInputError, match=r"can be read"):
        canonicalise(small, "skops")


def test_a_link_in_the_model_s_place_is_bad_input(small: Path) -> None:
    link = small.parent / "link.skops"
    link.symlink_to(small)
    with pytest.raises(BadInputError, match="cannot be read"):
        canonicalise(link, "skops")


def test_random_damage_is_bad_input_or_leaves_a_file_that_still_is_one(small: Path) -> None:
    whole = small.read_bytes()
    dice = random.Random(0)  # noqa: S311
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        small.write_bytes(data)
        try:
            canonicalise(small, "skops")
        except BadInputError:
            continue
        assert zipfile.is_zipfile(small)
