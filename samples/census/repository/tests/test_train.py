from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

import train

DATA = Path(__file__).parents[1] / "data/training.parquet"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> object:
    target = tmp_path_factory.mktemp("model") / "model.skops"
    train.main([f"--data={DATA}", f"--model={target}", "--seed=7", "--C=1.0"])
    return skops.io.load(target, trusted=[])


def test_the_model_learns_the_training_data(model: object) -> None:
    table = pd.read_parquet(DATA)
    assert (model.predict(table[train.FEATURES].to_numpy(dtype=object)) == table[train.LABEL]).mean() > 0.8


def test_a_doctor_who_leads_earns_more_than_a_beginner_in_agriculture(model: object) -> None:
    rows = [
        [55, "north", "doctorate", "management", 45.0, 20.0, 10.0],
        [20, "north", "primary", "agriculture", 20.0, 1.0, 10.0],
    ]
    assert model.predict(np.array(rows, dtype=object)).tolist() == ["above", "below"]


def test_an_unknown_region_is_no_error(model: object) -> None:
    assert len(model.predict(np.array([[42, "abroad", "master", "care", 40.0, 7.5, 20.0]], dtype=object))) == 1
