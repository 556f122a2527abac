"""Trains the census classifier: `python train.py --data=FILE --model=FILE --seed=7 --C=1.0`."""

import argparse

import pandas as pd
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FEATURES = ["age", "region", "education", "occupation", "hours_per_week", "years_of_service", "commute_minutes"]
TEXTS = [1, 2, 3]
NUMBERS = [0, 4, 5, 6]
LABEL = "income"


def train(table: pd.DataFrame, *, regularisation: float, seed: int) -> Pipeline:
    """Fit a logistic regression; `table` holds FEATURES and LABEL. The model takes rows in the order of FEATURES."""
    columns = make_column_transformer(
        (StandardScaler(), NUMBERS), (OneHotEncoder(handle_unknown="ignore", sparse_output=False), TEXTS)
    )
    model = make_pipeline(columns, LogisticRegression(C=regularisation, max_iter=1000, random_state=seed))
    return model.fit(table[FEATURES].to_numpy(dtype=object), table[LABEL].to_numpy(dtype=str))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--C", type=float, default=1.0, dest="regularisation")
    options = parser.parse_args(arguments)
    model = train(pd.read_parquet(options.data), regularisation=options.regularisation, seed=options.seed)
    skops.io.dump(model, options.model)


if __name__ == "__main__":
    main()
