"""train with a real script and real scikit-learn: what it keeps, what it hands over, and every way to have no model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io  # type: ignore[import-untyped]

from hallmark.files import sha256_file

Run = Callable[..., Any]


@pytest.fixture
def train(run: Run, tmp_path: Path) -> Callable[[], Any]:
    """Runs `train`, with the model folder and the files of its results beside the report."""

    def command() -> Any:
        results = [
            f"--result-{name}={tmp_path / name}" for name in ("model-digest", "metadata-digest", "training-data-digest")
        ]
        return run("train", f"--model={tmp_path / 'model'}", *results, with_policy=False)

    return command


def write_script(repository: Path, text: str) -> None:
    """A script that has its flags in the dictionary `flags`."""
    head = "import os\nimport sys\n\nflags = dict(flag[2:].split('=', 1) for flag in sys.argv[1:])\n"
    (repository / "train.py").write_text(head + text)


def describe(repository: Path, old: str, new: str) -> None:
    file = repository / "hallmark.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_a_model_and_its_metadata_are_handed_over(train: Run, repository: Path, tmp_path: Path) -> None:
    ran = train()
    assert ran.exit_code == 0
    assert "| trained on 20 rows" in ran.log
    model, description = tmp_path / "model/model.skops", tmp_path / "model/training.json"
    assert skops.io.load(model, trusted=[]).predict([[0, 0], [19, 0]]).tolist() == ["a", "b"]
    assert (tmp_path / "model-digest").read_text() == sha256_file(model)
    assert (tmp_path / "metadata-digest").read_text() == sha256_file(description)
    data_digest = sha256_file(repository / "data/training.csv")
    assert (tmp_path / "training-data-digest").read_text() == data_digest
    told = json.loads(description.read_text())
    assert told["model"] == {
        "name": "coin",
        "version": "1.0.0",
        "format": "skops",
        "digest": sha256_file(model),
    }
    assert told["data"] == {
        "path": "data/training.csv",
        "digest": data_digest,
        "label": "side",
        "features": ["weight", "age"],
    }
    assert (told["seed"], told["parameters"]) == (3, {"C": 1.0, "kernel": "rbf", "shrinking": True})
    assert told["environment"]["libraries"]["numpy"] == np.__version__


def test_the_same_inputs_give_the_same_bytes(train: Run, tmp_path: Path) -> None:
    def outcome() -> dict[str, bytes]:
        ran = train()
        assert ran.exit_code == 0
        return {
            path.name: path.read_bytes() for folder in ("model", "report") for path in (tmp_path / folder).iterdir()
        }

    first = outcome()
    assert sorted(first) == ["model.skops", "train.json", "train.junit.xml", "training.json"]
    assert outcome() == first


def test_each_parameter_is_one_flag_with_yaml_values_as_text(train: Run, repository: Path) -> None:
    write_script(repository, "open(flags['model'], 'w').write('x')\nprint(*sorted(sys.argv[1:]), sep='\\n')\n")
    describe(repository, "C: 1.0", "C: 1.0e-3, n: 10, flag: false, text: 'a b; $(id) --seed=9'")
    describe(repository, "image:", "model: {format: pickle}\nimage:")
    ran = train()
    told = [line.removeprefix("| ") for line in ran.log.splitlines() if line.startswith("| ")]
    assert [line for line in told if not line.startswith(("--data", "--model"))] == [
        *("--C=0.001", "--flag=false", "--kernel=rbf", "--n=10"),
        *("--seed=3", "--shrinking=true", "--text=a b; $(id) --seed=9"),
    ]


@pytest.mark.parametrize("file_format", ["pickle", "joblib"])
def test_other_formats_are_handed_over_as_they_are(
    train: Run, repository: Path, tmp_path: Path, file_format: str
) -> None:
    write_script(repository, "open(flags['model'], 'wb').write(b'\\x80\\x05anything at all')\n")
    describe(repository, "image:", f"model: {{format: {file_format}}}\nimage:")
    assert train().exit_code == 0
    assert (tmp_path / f"model/model.{file_format}").read_bytes() == b"\x80\x05anything at all"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("sys.exit(4)\n", "the training script failed: exit code 4"),
        ("print('no convergence')\n1 / 0\n", "the training script failed: exit code 1"),
        ("import signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "ended by signal 9"),
        ("pass\n", "the model file is missing"),
        ("open(flags['model'], 'w')\n", "the model file is empty"),
        ("open(flags['model'], 'w').write('garbage')\n", "none of skops"),
        ("open(flags['model'], 'wb').write(b'PK' + bytes([3, 4]) + b'garbage')\n", "model.skops"),
        ("os.symlink('/etc/passwd', flags['model'])\n", "the model file is a link"),
        ("os.mkfifo(flags['model'])\n", "the model file is not a regular file"),
        ("os.mkdir(flags['model'])\n", "the model file is not a regular file"),
        ("open(flags['model'], 'w').truncate((2 << 30) + 1)\n", "the model file is larger than"),
    ],
)
def test_without_a_model_the_training_is_refused(
    train: Run, repository: Path, tmp_path: Path, script: str, reason: str
) -> None:
    write_script(repository, script)
    ran = train()
    assert ran.exit_code == 1
    assert ran.report["status"] == "refused"
    assert reason in ran.report["summary"]
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "model-digest").exists()


def test_what_a_failing_script_said_last_is_in_the_report(train: Run, repository: Path) -> None:
    write_script(repository, "raise ValueError('no convergence')\n")
    assert train().check("the training script")["detail"].endswith("ValueError: no convergence")


def test_a_script_that_takes_too_long_is_refused(train: Run, repository: Path) -> None:
    describe(repository, "timeout: 100}\ntests", "timeout: 1}\ntests")
    write_script(repository, "import time\ntime.sleep(600)\n")
    ran = train()
    assert ran.exit_code == 1
    assert "its time ran out" in ran.report["summary"]


def test_results_that_the_script_put_there_do_not_stay(train: Run, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "model-digest").write_text(f"sha256:{'0' * 64}")
    write_script(repository, "sys.exit(1)\n")
    train()
    assert not (tmp_path / "model-digest").exists()


def test_the_script_can_change_neither_its_source_nor_the_model_folder(
    train: Run, repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    targets = [tmp_path / "model/model.skops", tmp_path / "model-digest", repository / "data/training.csv"]
    write_script(
        repository,
        f"for target in {list(map(str, targets))!r}:\n"
        "    try:\n        open(target, 'a').write('forged')\n    except PermissionError:\n        print('refused')\n"
        "open('scratch', 'w')\n",
    )
    assert train().log.count("| refused") == 3
    assert "forged" not in (repository / "data/training.csv").read_text()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("data/training.csv", "data/missing.csv", "data.training"),
        ("script: train.py", "script: missing.py", "training.script"),
        ("C: 1.0", "'a=b': 1", "training.parameters"),
        ("C: 1.0", "'-x': 1", "training.parameters"),
        ("C: 1.0", "seed: 1", "training.parameters"),
    ],
)
def test_a_description_that_does_not_fit_is_bad_input(
    train: Run, repository: Path, old: str, new: str, named: str
) -> None:
    describe(repository, old, new)
    ran = train()
    assert ran.exit_code == 2
    assert f"hallmark.yaml: {named}: " in ran.report["summary"]


def test_data_behind_a_link_that_leads_out_is_bad_input(train: Run, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("secret")
    (repository / "data/training.csv").unlink()
    (repository / "data/training.csv").symlink_to(tmp_path / "labels.csv")
    ran = train()
    assert ran.exit_code == 2
    assert "leads out" in ran.report["summary"]


def test_a_source_that_was_changed_on_the_way_is_bad_input(run: Run, tmp_path: Path) -> None:
    ran = run("train", f"--model={tmp_path / 'model'}", with_policy=False, source_digest=f"sha256:{'1' * 64}")
    assert ran.exit_code == 2


def test_an_interpreter_that_does_not_start_is_a_failed_tool(train: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/dev/null")
    assert train().exit_code == 3


def test_a_model_folder_that_cannot_be_written_is_a_failed_tool(train: Run, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("a file stands here")
    assert train().exit_code == 3
