"""Makes the sample's data from the diabetes study that scikit-learn ships (Efron, Hastie, Johnstone and Tibshirani,
Annals of Statistics 32, 2004, p. 407): run it again and the same files appear.

The maker gets `repository/data/training.csv`, the validators keep `validators/data/independent.csv`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes

HERE = Path(__file__).parent
COLUMNS = [
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
INDEPENDENT = 142


def main() -> None:
    study = load_diabetes(scaled=False)
    table = pd.DataFrame(study.data, columns=COLUMNS)
    table = table.astype({"age": int, "sex": int, "glucose": int})
    table["progression"] = study.target.astype(int)
    order = np.random.default_rng(2026).permutation(len(table))
    table.iloc[order[INDEPENDENT:]].to_csv(HERE / "repository/data/training.csv", index=False)
    table.iloc[order[:INDEPENDENT]].to_csv(HERE / "validators/data/independent.csv", index=False)


if __name__ == "__main__":
    main()
