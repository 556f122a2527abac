"""train with models of other forms than the sample's: ONNX files, and MLflow model folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import skops.io  # type: ignore[import-untyped]

Run = Callable[..., Any]

HEAD = """
import pathlib
import sys

flags = dict(flag[2:].split("=", 1) for flag in sys.argv[1:])
path = pathlib.Path(flags["model"])
"""
MLFLOW = """
import skops.io
from sklearn.dummy import DummyClassifier

path.mkdir()
(path / "MLmodel").write_text('''
flavors:
  python_function: {loader_module: mlflow.sklearn, model_path: model.skops}
  sklearn: {pickled_model: model.skops, serialization_format: skops}
''')
(path / "requirements.txt").write_text("payload")
skops.io.dump(DummyClassifier().fit([[0], [1]], ["a", "b"]), path / "model.skops")
"""


@pytest.fixture
def train(run: Run, repository: Path, tmp_path: Path) -> Callable[[str, str], Any]:
    """Runs `train` with a script, and `model` in hallmark.yaml."""

    def command(script: str, model: str) -> Any:
        (repository / "train.py").write_text(HEAD + script)
        with (repository / "hallmark.yaml").open("a") as file:
            file.write(f"model: {model}\n")
        results = [
            f"--result-{name}={tmp_path / name}" for name in ("model-digest", "metadata-digest", "training-data-digest")
        ]
        return run("train", f"--model={tmp_path / 'model'}", *results, with_policy=False)

    return command


def test_of_an_mlflow_folder_only_the_model_is_delivered_and_in_canonical_form(train: Run, tmp_path: Path) -> None:
    ran = train(MLFLOW, "{packaging: mlflow}")
    assert ran.exit_code == 0, ran.log
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.skops", "training.json"]
    first = (tmp_path / "model/model.skops").read_bytes()
    assert skops.io.load(tmp_path / "model/model.skops", trusted=[]).predict([[0]]).tolist() == ["a"]
    assert train(MLFLOW, "{packaging: mlflow}").exit_code == 2, "the key stands twice now"
    assert first == (tmp_path / "model/model.skops").read_bytes()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (MLFLOW.replace("mlflow.sklearn", "payload"), "loader module 'payload'"),
        (MLFLOW + "(path / 'model.skops').unlink()", "the model file is missing"),
        (MLFLOW + "(path / 'model.skops').rename(path / 'x'); (path / 'model.skops').symlink_to('x')", "is a link"),
        ("path.write_text('no folder')", "it is no folder"),
        ("path.symlink_to('/proc/self')", "it is no folder"),
    ],
)
def test_an_mlflow_folder_that_is_none_is_refused(script: str, words: str, train: Run, tmp_path: Path) -> None:
    ran = train(script, "{packaging: mlflow}")
    assert ran.exit_code == 1
    assert words in ran.log
    assert not (tmp_path / "model").exists() or not list((tmp_path / "model").iterdir())


def test_an_onnx_file_is_handed_over_as_it_is(train: Run, tmp_path: Path) -> None:
    ran = train("path.write_bytes(bytes([8, 8, 18, 0]))", "{format: onnx}")
    assert ran.exit_code == 0, ran.log
    assert (tmp_path / "model/model.onnx").read_bytes() == bytes([8, 8, 18, 0])


PICKLED = "import pickle\npath.write_bytes(pickle.dumps([1]))"
JOBLIB = "import joblib, numpy\njoblib.dump(numpy.arange(100), path)"
SKOPS = "import skops.io\nfrom sklearn.dummy import DummyClassifier\nskops.io.dump(DummyClassifier(), path)"


@pytest.mark.parametrize(
    ("script", "model", "found", "advice"),
    [
        (JOBLIB, "{format: skops}", "format skops (model.format), but the training script wrote a joblib", "joblib}"),
        (PICKLED, "{format: skops}", "wrote a plain pickle", "skops.io.dump(model, path), or say"),
        (SKOPS, "{format: joblib}", "promises the format joblib (model.format), but", "{format: skops}}"),
        (SKOPS, "{format: onnx}", "wrote a zip file, as skops writes", "SerializeToString"),
        ("path.write_text('weights')", "{format: onnx}", "begins with the bytes 77 65 69 67 68 74 73", "write it with"),
        ("path.mkdir()", "{}", "wrote a folder, so", "to the file that --model names"),
        (MLFLOW, "{}", "wrote an MLflow folder", "{packaging: mlflow}"),
        (SKOPS, "{packaging: mlflow}", "no folder that the training script wrote: it is a zip", "model.packaging out"),
        ("pass", "{}", "did not write the file that --model names\n", "ends with /model.skops"),
        (
            f"path = pathlib.Path('out/iris.pkl'); path.parent.mkdir(exist_ok=True)\n{PICKLED}",
            "{}",
            "did not write the file that --model names; it wrote out/iris.pkl (a plain pickle",
            "and nowhere else",
        ),
        (
            f"path = path.with_suffix('.joblib')\n{JOBLIB}",
            "{}",
            "it wrote model.joblib (a joblib file)",
            "nowhere else",
        ),
    ],
)
def test_what_was_written_is_held_against_what_was_promised(
    script: str, model: str, found: str, advice: str, train: Run, tmp_path: Path
) -> None:
    ran = train(script, model)
    assert ran.exit_code == 1, ran.log
    assert found in ran.log
    assert advice.replace("}}", "}") in ran.log
    assert not (tmp_path / "model").exists() or not list((tmp_path / "model").iterdir())


def test_a_joblib_file_without_an_array_is_a_pickle_and_good(train: Run) -> None:
    assert train("import joblib\njoblib.dump([1], path)", "{format: joblib}").exit_code == 0
