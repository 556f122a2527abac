from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import polars as pl
import pytest

from hallmark.documents.loading import parse
from hallmark.documents.rules_quality import Quality
from hallmark.errors import BadInputError
from hallmark.findings import Findings
from hallmark.quality.gate import check_quality


def people(seed: int, rows: int = 400) -> pl.LazyFrame:
    random = np.random.default_rng(seed)
    return pl.LazyFrame(
        {
            "id": seed * 100_000 + np.arange(rows),
            "sex": random.choice(["f", "m"], rows),
            "age": random.integers(18, 80, rows),
            "income": random.choice(["high", "low"], rows),
        }
    )


def judged(policy: str = "{}", *, training: Any = None, **given: Any) -> Findings:
    arguments = {"features": ["sex", "age"], "label": "income", **given}
    rules = parse(policy, Quality, name="policy.yaml")
    return check_quality(people(1) if training is None else training, people(2), rules, **arguments)


def test_the_defaults_check_something_of_both_data_sets() -> None:
    found = judged()
    assert all(check.passed for check in found.checks)
    assert len(found.checks) == 14
    for name in ("training data: ", "independent data: "):
        assert sum(check.name.startswith(name) for check in found.checks) >= 6


def test_every_check_has_a_name_of_its_own_and_figures_are_json() -> None:
    found = judged(
        "overlaps: [{columns: [id]}, {significantDigits: 6, maximum: 1}]\n"
        "groups: [{columns: [sex], positive: high, minimumRatio: 0.1, maximumDifference: 1, expected: [f]}]"
    )
    names = [check.name for check in found.checks]
    assert len(set(names)) == len(names)
    assert all(check.passed for check in found.checks)
    json.dumps(found.figures, allow_nan=False)
    assert set(found.figures) == {"columns", "classes", "duplicates", "groups", "leakage", "overlap", "failing_rows"}
    assert [figure["dataset"] for figure in found.figures["groups"]] == ["training", "independent"]


def test_a_regression_has_no_classes() -> None:
    rows = people(1).with_columns(income=pl.col("age") + pl.Series(np.random.default_rng(0).normal(size=400)) * 50)
    found = check_quality(rows, rows, Quality(), features=["sex", "age"], label="income", task="regression")
    assert "classes" not in found.figures
    assert all(check.passed for check in found.checks)


def test_the_training_data_as_independent_data_is_refused() -> None:
    found = judged("overlaps: [{columns: [id]}]", training=people(2))
    assert [check.name for check in found.checks if not check.passed] == [
        "independent rows that the training data holds, by id"
    ]


@pytest.mark.parametrize("given", [{"label": "incom"}, {"features": ["sex", "aeg"]}])
def test_unknown_columns_are_bad_input(given: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="names column"):
        judged(**given)


def test_an_empty_table_is_bad_input() -> None:
    with pytest.raises(BadInputError, match="the training data has no rows"):
        judged(training=people(1).head(0))


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("overlap: []", "did you mean overlaps?"),
        ("leakage: {maximumScor: 1}", "did you mean maximumScore?"),
        ("failingRows: {personel: [name]}", "did you mean personal?"),
        ("duplicates: {maximum: 1.5}", "write at most 1"),
    ],
)
def test_a_misspelt_rule_is_bad_input_with_the_nearest_one(policy: str, said: str) -> None:
    with pytest.raises(BadInputError) as caught:
        judged(policy)
    assert said in caught.value.solution


def test_it_imports_nothing_heavy() -> None:
    code = "import hallmark.quality.gate, sys; print([n for n in ('pandas', 'scipy', 'sklearn') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
