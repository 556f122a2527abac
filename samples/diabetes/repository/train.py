"""Trains the diabetes regression: `python train.py --data=FILE --model=FILE --seed=7 --alpha=1.0`."""

import argparse

import pandas as pd
import skops.io
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = [
    "age",
    "sex",
    "body_mass_index",
    "blood_pressure",
    "cholesterol",
    "ldl",
    "hdl",
    "cholesterol_ratio",
    "log_triglycerides",
    "glucose",
]
LABEL = "progression"


def train(table: pd.DataFrame, *, alpha: float, seed: int) -> Pipeline:
    """Fit a ridge regression on standardised features; `table` holds FEATURES and LABEL."""
    model = make_pipeline(StandardScaler(), Ridge(alpha=alpha, random_state=seed))
    return model.fit(table[FEATURES].to_numpy(dtype=float), table[LABEL].to_numpy(dtype=float))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alpha", type=float, default=1.0)
    options = parser.parse_args(arguments)
    model = train(pd.read_csv(options.data), alpha=options.alpha, seed=options.seed)
    skops.io.dump(model, options.model)


if __name__ == "__main__":
    main()
