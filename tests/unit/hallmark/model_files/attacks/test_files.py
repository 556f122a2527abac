"""Hostile files, each given to the guarded processes as predict-model gives it, and a canary that none of them touches.

That the payloads do run where nobody stops them is shown once for each kind of loader (`test_restricted_pickle`, and
`test_the_canary_is_touched_where_nobody_stops_it` here).
"""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import skops.io  # type: ignore[import-untyped]
from sklearn.dummy import DummyClassifier  # type: ignore[import-untyped]
from sklearn.preprocessing import FunctionTransformer  # type: ignore[import-untyped]

from hallmark.errors import BadInputError
from hallmark.model_files import session as sessions
from hallmark.model_files.formats import detect
from hallmark.model_files.session import ModelFile, RefusedByModelError, Session, as_question, with_models

from .. import onnx_files
from ..payloads import JOBLIBS, PICKLES, Touch, by_system

ROWS = pl.DataFrame({"a": [1.0], "b": [1.0], "c": [1.0], "d": [1.0]})


def good() -> Any:
    return DummyClassifier().fit(np.zeros((2, 4)), ["a", "b"])


def _pickle_in_pickle(path: Path, canary: Path) -> None:
    path.write_bytes(pickle.dumps(Touch(pickle.loads, pickle.dumps(by_system(canary)))))


def _state(path: Path, canary: Path) -> None:
    """BUILD: a state that gives an allowed object a method of the attacker's choice."""
    model = good()
    model.__dict__["predict"] = by_system(canary)
    path.write_bytes(pickle.dumps(model))


def _setstate(path: Path, canary: Path) -> None:
    """A class of the attacker's with `__setstate__`, by name."""
    command = f"touch {canary}".encode()
    text = b"X" + len(command).to_bytes(4, "little") + command
    path.write_bytes(b"\x80\x02cposix\nsystem\n)\x81" + text + b"b.")


def _global_by_stack(path: Path, canary: Path) -> None:
    """STACK_GLOBAL, which takes the name from the stack, through an alias in another module."""
    command = f"touch {canary}".encode()

    def text(data: bytes) -> bytes:
        return b"\x8c" + len(data).to_bytes(1, "little") + data

    path.write_bytes(b"\x80\x04" + text(b"shutil") + text(b"os.system") + b"\x93" + text(command) + b"\x85R.")


def _array_of_objects(path: Path, canary: Path) -> None:
    np.save(path, np.array([by_system(canary)], dtype=object))
    path.with_name(f"{path.name}.npy").rename(path)


def _arrays_of_objects(path: Path, canary: Path) -> None:
    np.savez(path, a=np.array([by_system(canary)], dtype=object))
    path.with_name(f"{path.name}.npz").rename(path)


def _with_member(name: str) -> Callable[[Path, Path], None]:
    """A good skops file with a pickle in it."""

    def make(path: Path, canary: Path) -> None:
        skops.io.dump(good(), path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, pickle.dumps(by_system(canary)))

    return make


def _edited(change: Callable[[dict[str, Any]], None]) -> Callable[[Path, Path], None]:
    """A skops file whose schema lies."""

    def make(path: Path, canary: Path) -> None:
        skops.io.dump(good(), path)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        schema = json.loads(members["schema.json"])
        change(schema)
        members["schema.json"] = json.dumps(schema).replace("CANARY", str(canary)).encode()
        for name in members:
            if name.endswith(".npy"):
                buffer = io.BytesIO()
                np.save(buffer, np.array([by_system(canary)], dtype=object))
                members[name] = buffer.getvalue()
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)

    return make


def _as_function(schema: dict[str, Any]) -> None:
    schema.update({"__class__": "system", "__module__": "posix", "__loader__": "FunctionNode"})


def _as_method(schema: dict[str, Any]) -> None:
    inner = {**schema, "__id__": 77}
    schema.update({"__loader__": "MethodNode", "content": {"func": "__reduce__", "obj": inner}})


def _as_unknown(schema: dict[str, Any]) -> None:
    schema["__loader__"] = "CodeNode"


def _as_protocol(schema: dict[str, Any]) -> None:
    """Another version of the format, whose loaders trusted more."""
    schema.update({"protocol": 0, "__class__": "system", "__module__": "os"})


def _untrusted(path: Path, canary: Path) -> None:
    skops.io.dump(FunctionTransformer(partial(os.system, f"touch {canary}")), path)


FILES: dict[str, Callable[[Path, Path], object]] = {
    **{f"pickle: {name}": make for name, make in PICKLES.items()},
    **{f"joblib: {name}": make for name, make in JOBLIBS.items()},
    "pickle: a pickle in a pickle": _pickle_in_pickle,
    "pickle: state": _state,
    "pickle: a state for a function": _setstate,
    "pickle: a dotted name from the stack": _global_by_stack,
    "numpy: array of objects": _array_of_objects,
    "numpy: arrays of objects, zipped": _arrays_of_objects,
    "skops: a type that is not trusted": _untrusted,
    "skops: a member with a path out of the folder": _with_member("../../../canary.pkl"),
    "skops: a schema that names a function": _edited(_as_function),
    "skops: a schema that names a method": _edited(_as_method),
    "skops: a schema with a loader that does not exist": _edited(_as_unknown),
    "skops: a schema of another protocol": _edited(_as_protocol),
    "skops: arrays of objects in the place of arrays": _edited(lambda schema: None),
    **{f"onnx: {name}": make for name, (make, _) in onnx_files.HOSTILE.items()},
    "onnx: a bomb": onnx_files.BOMB,
}
NO_FORMAT = {"numpy: array of objects"}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Path]]:
    """What became of each file: the words of its refusal, or nothing; and its canary."""
    root = tmp_path_factory.mktemp("attacks")
    found: dict[str, tuple[str, Path]] = {}
    files: dict[str, Path] = {}
    for number, (name, make) in enumerate(FILES.items()):
        folder = root / str(number)
        folder.mkdir()
        files[name] = folder / "model"
        make(files[name], folder / "canary")

    def attempt(session: Session, path: Path) -> str:
        form = detect(path)
        if form is None:
            return "no format of a model"
        model = ModelFile(path=path, format=form, task="classification", columns=tuple(ROWS.columns))
        try:
            if form in ("skops", "onnx"):
                with session.process() as process:
                    audited = process.audit(model)
                if audited["count"]:
                    return f"not trusted: {', '.join(audited['others'])}"
            with session.process() as process:
                process.load(model)
                process.timed(as_question(ROWS), rows=1)
        except (RefusedByModelError, BadInputError) as error:
            return str(error)
        return ""

    def talk(session: Session) -> None:
        for name, path in files.items():
            found[name] = (attempt(session, path), path.with_name("canary"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "MEMORY_BYTES", 2 << 30)
        ended = with_models(talk, formats={"skops", "pickle", "onnx"}, threads=1, timeout=300, say=print)
    assert ended.error is None
    assert ended.run.exit_code == 0
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_and_nothing_of_it_runs(name: str, outcomes: dict[str, tuple[str, Path]]) -> None:
    refusal, canary = outcomes[name]
    assert refusal, "it was loaded"
    assert not canary.exists()


@pytest.mark.parametrize("name", ["pickle: a pickle in a pickle", "pickle: a dotted name from the stack"])
def test_the_canary_is_touched_where_nobody_stops_it(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path / "model", tmp_path / "canary")
    program = "import pickle, shutil, sys; pickle.load(open(sys.argv[1], 'rb'))"
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, tmp_path / "model"], check=False, timeout=60)
    assert (tmp_path / "canary").exists()


def test_a_pickle_that_no_object_refers_to_is_never_read(tmp_path: Path) -> None:
    """train refuses such a file (`test_canonical`); where it comes another way it is loaded without that member."""
    path, canary = tmp_path / "model", tmp_path / "canary"
    _with_member("payload.pkl")(path, canary)
    model = ModelFile(path=path, format="skops", task="classification", columns=tuple(ROWS.columns))

    def talk(session: Session) -> None:
        with session.process() as process:
            process.load(model)
            process.timed(as_question(ROWS), rows=1)

    ended = with_models(talk, formats={"skops"}, threads=1, timeout=120, say=print)
    assert ended.error is None
    assert not canary.exists()


def test_there_are_more_than_fifteen() -> None:
    assert len(FILES) >= 35
