from pathlib import Path

import pandas as pd
import pytest
import skops.io

import train

DATA = Path(__file__).parents[1] / "data/training.csv"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> object:
    target = tmp_path_factory.mktemp("model") / "model.skops"
    train.main([f"--data={DATA}", f"--model={target}", "--seed=7", "--alpha=1.0"])
    return skops.io.load(target, trusted=[])


def test_the_model_learns_the_training_data(model: object) -> None:
    table = pd.read_csv(DATA)
    assert model.score(table[train.FEATURES].to_numpy(), table[train.LABEL]) > 0.4


def test_a_higher_body_mass_index_foretells_more(model: object) -> None:
    light, heavy = ([50, 1, index, 90, 180, 110, 50, 4, 4.6, 90] for index in (20, 35))
    low, high = model.predict([light, heavy])
    assert low < high
