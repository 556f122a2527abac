from collections.abc import Callable
from pathlib import Path

import pytest

from hallmark.errors import BadInputError
from hallmark.model_files.mlflow_folder import model_file

SKLEARN = """
artifact_path: model
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
    python_version: 3.11.7
  sklearn:
    code: null
    pickled_model: model.pkl
    serialization_format: cloudpickle
    sklearn_version: 1.7.0
mlflow_version: 3.1.0
"""
ONNX = """
flavors:
  onnx: {data: model.onnx, onnx_version: 1.19.0, providers: [CPUExecutionProvider], code: null}
  python_function: {loader_module: mlflow.onnx, data: model.onnx}
"""


def folder(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "MLmodel").write_text(text)
    return path


@pytest.mark.parametrize(("text", "name"), [(SKLEARN, "model.pkl"), (ONNX, "model.onnx")])
def test_the_model_s_file_is_found(text: str, name: str, tmp_path: Path) -> None:
    assert model_file(folder(tmp_path / "model", text)) == tmp_path / "model" / name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SKLEARN.replace("loader_module: mlflow.sklearn", "loader_module: payload"), "loader module 'payload'"),
        (SKLEARN.replace("code: null", "code: code"), "code of its own"),
        (ONNX.replace("{loader_module", "{code: code, loader_module"), "code of its own"),
        (SKLEARN.replace("pickled_model: model.pkl", "pickled_model: ../../secret"), "not in the folder itself"),
        (SKLEARN.replace("pickled_model: model.pkl", "pickled_model: /etc/passwd"), "not in the folder itself"),
        (SKLEARN.replace("pickled_model: model.pkl", "pickled_model: [a]"), "not in the folder itself"),
        (SKLEARN.replace("  sklearn:", "  pytorch:"), "pytorch"),
        ("flavors: {python_function: {loader_module: mlflow.sklearn}}", "has to be one of"),
        ("flavors: {sklearn: {pickled_model: a}, onnx: {data: b}}", "has to be one of"),
        ("flavors: {sklearn: model.pkl}", "names no flavors"),
        ("flavors: []", "names no flavors"),
        ("[]", "names no flavors"),
        ("flavors: {sklearn: &a {pickled_model: x}, onnx: *a}", "alias"),
        ("flavors: !!python/object/apply:os.system ['touch canary']", "no plain value"),
        ("", "empty"),
    ],
)
def test_what_would_run_code_or_lead_elsewhere_is_bad_input(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=words):
        model_file(folder(tmp_path / "model", text))
    assert not (tmp_path / "canary").exists()


def _link(path: Path) -> None:
    folder(path.with_name("elsewhere"), SKLEARN)
    path.symlink_to(path.with_name("elsewhere"))


def _linked_description(path: Path) -> None:
    path.mkdir()
    (path.with_name("else")).write_text(SKLEARN)
    (path / "MLmodel").symlink_to(path.with_name("else"))


def _bytes(path: Path) -> None:
    path.mkdir()
    (path / "MLmodel").write_bytes(b"\xff\xfe")


@pytest.mark.parametrize("make", [_link, _linked_description, _bytes, Path.touch, Path.mkdir, lambda path: None])
def test_what_is_no_folder_with_a_description_is_bad_input(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "model")
    with pytest.raises(BadInputError):
        model_file(tmp_path / "model")
