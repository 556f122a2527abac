"""The training scripts of docs/model.md write what the gates take."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import polars as pl
import pytest

from hallmark.model_files.answers import decode
from hallmark.model_files.canonical import canonicalise
from hallmark.model_files.mlflow_folder import model_file
from hallmark.model_files.predict import load
from hallmark.model_files.written import require_format

ROOT = Path(__file__).parents[4]
DATA = ROOT / "samples/iris/repository/data/training.csv"
EXAMPLE = re.compile(r"^### (.+?)$.+?^```python\n(.+?)^```", re.DOTALL | re.MULTILINE)
SCRIPTS = EXAMPLE.findall((ROOT / "docs/model.md").read_text())
FORMATS = {"skops": "skops", "joblib and pickle": "joblib", "ONNX": "onnx", "An MLflow folder": "skops"}


def test_every_format_has_an_example() -> None:
    assert [title for title, _ in SCRIPTS] == list(FORMATS)


@pytest.mark.parametrize(("title", "script"), SCRIPTS)
def test_an_example_writes_a_model_that_is_taken_and_predicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str, script: str
) -> None:
    wrapped = title == "An MLflow folder"
    target = tmp_path / ("model" if wrapped else f"model.{FORMATS[title]}")
    (tmp_path / "train.py").write_text(script)
    monkeypatch.setattr(sys, "argv", ["train.py", f"--data={DATA}", f"--model={target}", "--seed=7"])
    runpy.run_path(str(tmp_path / "train.py"), run_name="__main__")
    made = model_file(target) if wrapped else target
    require_format(made, FORMATS[title])
    canonicalise(made, FORMATS[title])
    columns = ["sepal_length", "petal_length"]
    table = pl.read_csv(DATA)
    model = load(made, FORMATS[title], "classification", [], columns, 1)
    answer = decode(model.answer(table.select(columns)), rows=table.height, task="classification")
    assert (answer.predictions == table["species"]).sum() > 0.9 * table.height
    assert set(answer.probabilities) == {"setosa", "versicolor", "virginica"}
