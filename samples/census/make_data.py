"""Makes the sample's data: 40,000 people who never lived. Run it again and the same files appear.

Income depends on age, education, occupation and hours, with chance beside it; women of this data work part-time more
often and are a little less often in the best paid occupations, so that a rate differs between the groups as it does in
real data. `sex` and `region` are there to be looked at by the validators; the model is not given `sex`.

The maker gets `repository/data/training.parquet`, 32,000 rows; the validators keep 8,000 others.
"""

from pathlib import Path

import numpy as np
import polars as pl

HERE = Path(__file__).parent
SEED = 2026
ROWS, INDEPENDENT = 40_000, 8_000
EDUCATION = ["primary", "secondary", "vocational", "bachelor", "master", "doctorate"]
OCCUPATION = ["agriculture", "care", "clerical", "crafts", "engineering", "management", "sales", "transport"]
PAY = dict(zip(OCCUPATION, [-0.8, -0.3, -0.1, 0.0, 0.9, 1.2, 0.1, -0.2], strict=True))
REGION = ["east", "north", "south", "west"]


def people(random: np.random.Generator) -> pl.DataFrame:
    sex = random.choice(["female", "male"], ROWS, p=[0.5, 0.5])
    woman = sex == "female"
    age = np.clip(random.normal(42, 13, ROWS).round(), 18, 80).astype(np.int64)
    education = random.choice(len(EDUCATION), ROWS, p=[0.08, 0.3, 0.24, 0.22, 0.13, 0.03])
    leading = [0.08, 0.13, 0.15, 0.13, 0.14, 0.12, 0.14, 0.11]
    other = [0.06, 0.17, 0.18, 0.10, 0.12, 0.11, 0.16, 0.10]
    occupation = np.where(woman, random.choice(OCCUPATION, ROWS, p=other), random.choice(OCCUPATION, ROWS, p=leading))
    part_time = random.random(ROWS) < np.where(woman, 0.24, 0.18)
    hours = np.clip(np.where(part_time, random.normal(22, 5, ROWS), random.normal(40, 4, ROWS)).round(1), 4, 80)
    service = np.clip(random.gamma(1.6, 5.0, ROWS), 0, age - 16.0).round(3)
    commute = random.gamma(2.2, 12.0, ROWS).round(3)
    score = (
        1.1 * (education - 2)
        + 1.7 * np.array([PAY[name] for name in occupation])
        + 0.09 * (hours - 36)
        + 0.05 * (np.minimum(age, 58) - 40)
        + 0.06 * (service - 8)
        + random.logistic(0, 0.7, ROWS)
    )
    return pl.DataFrame(
        {
            "age": age,
            "sex": sex,
            "region": random.choice(REGION, ROWS, p=[0.2, 0.25, 0.3, 0.25]),
            "education": [EDUCATION[level] for level in education],
            "occupation": occupation,
            "hours_per_week": hours,
            "years_of_service": service,
            "commute_minutes": commute,
            "income": np.where(score > 1.8, "above", "below"),
        }
    )


def main() -> None:
    table = people(np.random.default_rng(SEED)).unique(maintain_order=True)
    independent, training = table.head(INDEPENDENT), table.tail(table.height - INDEPENDENT)
    training.write_parquet(HERE / "repository/data/training.parquet", compression="zstd")
    independent.write_parquet(HERE / "validators/data/independent.parquet", compression="zstd")


if __name__ == "__main__":
    main()
