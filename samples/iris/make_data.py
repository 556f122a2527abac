"""Makes the sample's data from the iris set that scikit-learn ships: run it again and the same files appear.

The maker gets `repository/data/training.csv`; the validators keep `validators/data/independent.csv`. Rows with equal
features go to one side only, so that the two share nothing.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.model_selection import GroupShuffleSplit

HERE = Path(__file__).parent
COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def main() -> None:
    iris = load_iris()
    table = pd.DataFrame(iris.data, columns=COLUMNS)
    table["species"] = np.array(["setosa", "versicolor", "virginica"])[iris.target]
    groups = table.groupby(COLUMNS, sort=False).ngroup()
    splitter = GroupShuffleSplit(n_splits=1, test_size=0.3, random_state=2026)
    training, independent = next(splitter.split(table, groups=groups))
    table.iloc[training].to_csv(HERE / "repository/data/training.csv", index=False)
    table.iloc[independent].to_csv(HERE / "validators/data/independent.csv", index=False)


if __name__ == "__main__":
    main()
