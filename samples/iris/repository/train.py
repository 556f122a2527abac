"""Trains the iris classifier: `python train.py --data=FILE --model=FILE --seed=7 --C=1.0`."""

import argparse

import pandas as pd
import skops.io
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
LABEL = "species"


def train(table: pd.DataFrame, *, regularisation: float, seed: int) -> Pipeline:
    """Fit a support vector machine on standardised features; `table` holds FEATURES (centimetres) and LABEL."""
    model = make_pipeline(StandardScaler(), SVC(C=regularisation, random_state=seed))
    return model.fit(table[FEATURES].to_numpy(), table[LABEL].to_numpy(dtype=str))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--C", type=float, default=1.0, dest="regularisation")
    options = parser.parse_args(arguments)
    model = train(pd.read_csv(options.data), regularisation=options.regularisation, seed=options.seed)
    skops.io.dump(model, options.model)


if __name__ == "__main__":
    main()
