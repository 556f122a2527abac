import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest

from hallmark.errors import BadInputError
from hallmark.model_files.answers import Answer, decode
from hallmark.model_files.formats import detect
from hallmark.model_files.onnx_file import require_self_contained
from hallmark.model_files.onnx_model import OnnxModel
from hallmark.model_files.predict import UnfitModelError

from . import onnx_files

COLUMNS = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return pl.DataFrame(np.random.default_rng(1).normal(size=(50, 4)), schema=COLUMNS)


def asked(path: Path, rows: pl.DataFrame, task: str = "classification") -> Answer:
    return decode(OnnxModel(path, task, rows.columns, 1).answer(rows), rows=rows.height, task=task)


def test_a_matrix_inputs_by_name_and_both_forms_of_probabilities_say_the_same(
    rows: pl.DataFrame, tmp_path: Path
) -> None:
    found = [
        asked(onnx_files.write(tmp_path / "model.onnx", model), rows)
        for model in (
            onnx_files.linear(),
            onnx_files.linear(zipmap=False),
            onnx_files.linear(COLUMNS),
            onnx_files.linear(COLUMNS[::-1], zipmap=False),
        )
    ]
    weights = np.random.default_rng(0).normal(size=(3, 4))
    scores = rows.to_numpy() @ weights.T + [0.0, 0.1, 0.2]
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    for answer in found[:3]:
        assert answer.predictions.to_list() == [onnx_files.CLASSES[place] for place in scores.argmax(axis=1)]
        for place, name in enumerate(onnx_files.CLASSES):
            assert answer.probabilities[name] == pytest.approx(expected[:, place], abs=1e-5)
    assert found[3].predictions.to_list() != found[0].predictions.to_list(), "its inputs are joined in another order"


def test_a_regression_gives_numbers(tmp_path: Path) -> None:
    rows = pl.DataFrame({"a": [1.0, 2.0], "b": [10.0, 20.0]})
    path = onnx_files.write(tmp_path / "model.onnx", onnx_files.regressor())
    assert asked(path, rows, "regression").predictions.to_list() == [11.5, 22.5]


def test_the_second_output_of_a_regression_holds_the_quantiles_that_were_declared(tmp_path: Path) -> None:
    rows = pl.DataFrame({"a": [1.0, 2.0], "b": [10.0, 20.0]})
    model = onnx_files.regressor()
    number = model.graph.output[0].name
    model.graph.node.append(onnx.helper.make_node("Concat", [number, number], ["quantiles"], axis=1))
    model.graph.output.append(onnx.helper.make_tensor_value_info("quantiles", onnx.TensorProto.FLOAT, [None, 2]))
    path = onnx_files.write(tmp_path / "model.onnx", model)
    found = decode(OnnxModel(path, "regression", rows.columns, 1, 2).answer(rows), rows=2, task="regression")
    assert [of.tolist() for of in found.quantiles] == [[11.5, 22.5], [11.5, 22.5]]
    assert asked(path, rows, "regression").quantiles == ()
    with pytest.raises(UnfitModelError, match="its second output has to hold 3 quantiles"):
        OnnxModel(path, "regression", rows.columns, 1, 3).answer(rows)


def test_the_classes_of_a_matrix_may_be_named_by_the_metadata(rows: pl.DataFrame, tmp_path: Path) -> None:
    model = onnx_files.linear(zipmap=False)
    onnx.helper.set_model_props(model, {"classes": json.dumps(["x", "y", "z"])})
    assert list(asked(onnx_files.write(tmp_path / "m.onnx", model), rows).probabilities) == ["x", "y", "z"]


def test_probabilities_of_nobody_knows_what_are_none(rows: pl.DataFrame, tmp_path: Path) -> None:
    model = onnx_files.linear(zipmap=False)
    onnx.helper.set_model_props(model, {"classes": '["x", "y"]'})
    assert asked(onnx_files.write(tmp_path / "m.onnx", model), rows).probabilities == {}


@pytest.mark.parametrize(
    ("model", "columns", "task", "words"),
    [
        (onnx_files.linear(["a", "b"]), ["a", "c"], "classification", "neither one matrix nor the features by name"),
        (onnx_files.regressor(), ["a", "b"], "classification", "no labels"),
    ],
)
def test_what_does_not_fit_the_features_or_the_task_is_refused(
    model: Any, columns: list[str], task: str, words: str, tmp_path: Path
) -> None:
    path = onnx_files.write(tmp_path / "model.onnx", model)
    with pytest.raises(UnfitModelError, match=words):
        OnnxModel(path, task, columns, 1).answer(pl.DataFrame({name: [1.0] for name in columns}))


def test_a_model_is_known_by_its_bytes_whatever_it_is_called(tmp_path: Path) -> None:
    for model in (onnx_files.linear(), onnx_files.regressor()):
        assert detect(onnx_files.write(tmp_path / "model.skops", model)) == "onnx"
    assert detect(_other(tmp_path / "model.onnx")) is None


def _other(path: Path) -> Path:
    path.write_bytes(b"\x08\x00\x00\x00weights")
    return path


@pytest.mark.parametrize("name", onnx_files.HOSTILE)
def test_a_file_that_is_not_self_contained_is_refused_before_anything_is_built(name: str, tmp_path: Path) -> None:
    make, words = onnx_files.HOSTILE[name]
    canary = tmp_path / "canary"
    canary.write_bytes(bytes(16))
    (tmp_path / "model.bin").write_bytes(bytes(16))
    make(tmp_path / "model.onnx", canary)
    with pytest.raises(BadInputError, match=words):
        require_self_contained(tmp_path / "model.onnx")
    with pytest.raises(BadInputError, match=words):
        OnnxModel(tmp_path / "model.onnx", "classification", COLUMNS, 1)


def test_a_link_is_refused(tmp_path: Path) -> None:
    onnx_files.write(tmp_path / "real", onnx_files.linear())
    (tmp_path / "model.onnx").symlink_to(tmp_path / "real")
    with pytest.raises(BadInputError, match="cannot be read"):
        require_self_contained(tmp_path / "model.onnx")
