from pathlib import Path

import pandas as pd
import pytest
import skops.io

import train

DATA = Path(__file__).parents[1] / "data/training.csv"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> object:
    target = tmp_path_factory.mktemp("model") / "model.skops"
    train.main([f"--data={DATA}", f"--model={target}", "--seed=7", "--C=1.0"])
    return skops.io.load(target, trusted=[])


def test_the_model_learns_the_training_data(model: object) -> None:
    table = pd.read_csv(DATA)
    assert (model.predict(table[train.FEATURES].to_numpy()) == table[train.LABEL]).mean() > 0.9


def test_a_small_flower_is_setosa(model: object) -> None:
    assert model.predict([[5.1, 3.5, 1.4, 0.2]]).tolist() == ["setosa"]
