import contextlib
import importlib
import os
import pickle
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest

from hallmark.model_files import restricted_pickle
from hallmark.model_files.allowed import EXPLICIT, Name, allowed_names
from hallmark.model_files.formats import detect
from hallmark.model_files.restricted_pickle import RefusedPickleError, load

from .payloads import JOBLIBS, PICKLES, Touch

PAYLOADS = {f"pickle: {name}": make for name, make in PICKLES.items()} | {
    f"joblib: {name}": make for name, make in JOBLIBS.items()
}


@pytest.fixture(scope="module")
def allowed() -> frozenset[Name]:
    return allowed_names([])


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_is_refused_and_does_not_run(name: str, tmp_path: Path, allowed: frozenset[Name]) -> None:
    path, canary = tmp_path / "model", tmp_path / "canary"
    PAYLOADS[name](path, canary)
    with pytest.raises(RefusedPickleError):
        load(path, allowed)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["pickle: os.system", "joblib: in an array of objects", "joblib: compressed by lzma"])
def test_the_payloads_do_run_where_nobody_stops_them(name: str, tmp_path: Path) -> None:
    path, canary = tmp_path / "model", tmp_path / "canary"
    PAYLOADS[name](path, canary)
    subprocess.run([sys.executable, "-c", "import joblib, sys; joblib.load(sys.argv[1])", path], check=True, timeout=60)
    assert canary.exists()


def test_the_refusal_names_what_was_asked_for(tmp_path: Path, allowed: frozenset[Name]) -> None:
    PICKLES["os.system"](tmp_path / "model", tmp_path / "canary")
    with pytest.raises(RefusedPickleError, match=r"^posix\.system$"):
        load(tmp_path / "model", allowed)


@pytest.fixture(scope="module")
def model() -> Any:
    from sklearn.datasets import load_iris  # type: ignore[import-untyped]
    from sklearn.ensemble import (  # type: ignore[import-untyped]
        HistGradientBoostingClassifier,
        RandomForestClassifier,
        VotingClassifier,
    )
    from sklearn.neighbors import KNeighborsClassifier  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]
    from sklearn.svm import SVC  # type: ignore[import-untyped]

    features, labels = load_iris(return_X_y=True, as_frame=True)
    votes = [
        ("svc", make_pipeline(StandardScaler(), SVC())),
        ("forest", RandomForestClassifier(3, random_state=np.random.RandomState(1))),
        ("boosting", HistGradientBoostingClassifier(max_iter=3, random_state=0)),
        ("neighbours", KNeighborsClassifier(algorithm="kd_tree")),
    ]
    return VotingClassifier(votes).fit(features, labels.map({0: "a", 1: "b", 2: "c"})), features


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_pickled_model_predicts_as_before(
    protocol: int, model: Any, tmp_path: Path, allowed: frozenset[Name]
) -> None:
    path = tmp_path / "model"
    path.write_bytes(pickle.dumps(model[0], protocol=protocol))
    assert detect(path) == "pickle"
    assert load(path, allowed).predict(model[1]).tolist() == model[0].predict(model[1]).tolist()


@pytest.mark.parametrize("packing", ["none", "zlib", "gzip", "bz2", "lzma", "xz"])
def test_a_joblib_model_predicts_as_before(packing: str, model: Any, tmp_path: Path, allowed: frozenset[Name]) -> None:
    path = tmp_path / "model"
    joblib.dump(model[0], path, compress=0 if packing == "none" else (packing, 3))
    assert detect(path) == "joblib"
    assert load(path, allowed).predict(model[1]).tolist() == model[0].predict(model[1]).tolist()


def test_arrays_of_every_kind_come_back_as_they_were(tmp_path: Path, allowed: frozenset[Name]) -> None:
    arrays = {
        "floats": np.linspace(0, 1, 12).reshape(3, 4),
        "by columns": np.asfortranarray(np.arange(12).reshape(3, 4)),
        "a slice": np.arange(20)[::3],
        "empty": np.empty((0, 3)),
        "scalar": np.array(7.0),
        "texts": np.array(["a", "bc"]),
        "objects": np.array(["a", None, 3], dtype=object),
        "records": np.array([(1, 2.0)], dtype=[("a", "i8"), ("b", "f8")]),
        "masked": np.ma.MaskedArray([1, 2], mask=[True, False]),
    }
    joblib.dump(arrays, tmp_path / "model")
    loaded = load(tmp_path / "model", allowed)
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tolist() == array.tolist()
        assert loaded[name].flags.writeable


def test_a_type_that_the_policy_trusts_is_loaded(tmp_path: Path, allowed: frozenset[Name]) -> None:
    from decimal import Decimal

    (tmp_path / "model").write_bytes(pickle.dumps(Decimal("1.5")))
    with pytest.raises(RefusedPickleError, match=r"decimal\.Decimal"):
        load(tmp_path / "model", allowed)
    assert load(tmp_path / "model", allowed_names(["decimal.Decimal"])) == Decimal("1.5")


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_an_error(cut: float, model: Any, tmp_path: Path, allowed: frozenset[Name]) -> None:
    for packing in (0, ("zlib", 3), ("xz", 3)):
        joblib.dump(model[0], tmp_path / "model", compress=packing)
        whole = (tmp_path / "model").read_bytes()
        (tmp_path / "model").write_bytes(whole[: int(len(whole) * cut)])
        with pytest.raises((RefusedPickleError, EOFError, zlib.error, pickle.UnpicklingError, ValueError)):
            load(tmp_path / "model", allowed)


def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, allowed: frozenset[Name], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restricted_pickle, "MAXIMUM_BYTES", 10 << 20)
    for packing in ("zlib", "gzip", "bz2", "xz", "lzma"):
        joblib.dump(np.zeros(2 << 20), tmp_path / "model", compress=(packing, 9))
        assert (tmp_path / "model").stat().st_size < 100_000
        with pytest.raises(RefusedPickleError, match="after unpacking"):
            load(tmp_path / "model", allowed)


def test_an_array_that_says_it_is_huge_is_refused(
    tmp_path: Path, allowed: frozenset[Name], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restricted_pickle, "MAXIMUM_BYTES", 1000)
    joblib.dump(np.zeros(200), tmp_path / "model")
    with pytest.raises(RefusedPickleError, match="an array of more than"):
        load(tmp_path / "model", allowed)


def test_a_file_mapped_array_is_refused(tmp_path: Path, allowed: frozenset[Name]) -> None:
    joblib.dump(np.zeros(9), tmp_path / "array")
    mapped = joblib.load(tmp_path / "array", mmap_mode="r")
    (tmp_path / "model").write_bytes(pickle.dumps({"a": Touch(np.memmap, str(tmp_path / "array"))}))
    assert isinstance(mapped, np.memmap)
    with pytest.raises(RefusedPickleError, match=r"numpy.*memmap"):
        load(tmp_path / "model", allowed)


def test_no_other_encoding_than_latin1_is_reached(tmp_path: Path, allowed: frozenset[Name]) -> None:
    (tmp_path / "model").write_bytes(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.")
    with pytest.raises(RefusedPickleError, match=r"_codecs\.encode"):
        load(tmp_path / "model", allowed)


@pytest.mark.parametrize(
    ("target", "shown"),
    [(b"csklearn.svm._classes\nSVC\n", "SVC"), (b"cnumpy._core.multiarray\nscalar\n", "scalar")],
)
def test_no_class_and_no_function_is_changed(
    target: bytes, shown: str, tmp_path: Path, allowed: frozenset[Name]
) -> None:
    attribute = b"X\x07\x00\x00\x00predictX\x01\x00\x00\x00y"
    (tmp_path / "model").write_bytes(b"\x80\x02" + target + b"N}" + attribute + b"s\x86b.")
    with pytest.raises(RefusedPickleError, match=f"change {shown} itself"):
        load(tmp_path / "model", allowed)


def test_a_persistent_reference_is_an_error(tmp_path: Path, allowed: frozenset[Name]) -> None:
    (tmp_path / "model").write_bytes(b"\x80\x02X\x01\x00\x00\x00aQ.")
    with pytest.raises(pickle.UnpicklingError, match="persistent"):
        load(tmp_path / "model", allowed)


def test_every_explicit_name_exists_and_stays_in_its_library() -> None:
    for module, names in EXPLICIT.items():
        assert module.split(".")[0] in {"builtins", "collections", "numpy", "scipy", "sklearn"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            library = importlib.import_module(module)
        for name in names:
            assert hasattr(library, name), f"{module}.{name}"


def test_nothing_that_runs_imports_or_opens_is_allowed(allowed: frozenset[Name]) -> None:
    modules = {module.split(".")[0] for module, _ in allowed}
    assert modules == {"builtins", "collections", "numpy", "scipy", "sklearn"}
    import builtins

    assert all(isinstance(getattr(builtins, name), type) for module, name in allowed if module == "builtins")
    assert ("builtins", "type") not in allowed
    for name in ("memmap", "load", "fromfile", "vectorize", "frompyfunc"):
        assert ("numpy", name) not in allowed
    assert ("numpy._core", "_ufunc_reconstruct") not in allowed


def test_random_damage_runs_nothing(model: Any, tmp_path: Path, allowed: frozenset[Name]) -> None:
    """Every name that a damaged file asks for is either allowed or refused; nothing else may be imported."""
    import random

    joblib.dump(model[0], tmp_path / "model")
    whole = (tmp_path / "model").read_bytes()
    dice = random.Random(1)  # noqa: S311
    before = set(os.listdir(tmp_path))  # noqa: PTH208
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(3):
            data[dice.randrange(len(data))] = dice.randrange(256)
        (tmp_path / "model").write_bytes(data)
        with contextlib.suppress(Exception):
            load(tmp_path / "model", allowed)
    assert set(os.listdir(tmp_path)) == before  # noqa: PTH208
