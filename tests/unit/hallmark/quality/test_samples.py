"""The samples' own data pass the checks, and the census shows what groups are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from hallmark.datasets import open_independent, open_training, read_frame
from hallmark.documents.loading import parse
from hallmark.documents.model import load_model
from hallmark.documents.policy import load_policy
from hallmark.documents.rules_quality import Quality
from hallmark.files import sha256_file
from hallmark.findings import Findings
from hallmark.gate_report import Check
from hallmark.quality.gate import check_quality

SAMPLES = Path(__file__).parents[4] / "samples"
CENSUS = """
overlaps:
  - significantDigits: 5
leakage:
  maximumScore: 0.9
groups:
  - columns: [sex]
    expected: [female, male]
    minimumShare: 0.4
    positive: above
    minimumRatio: 0.8
  - columns: [sex, age]
    edges: {age: [30, 45, 60]}
    minimumRows: 300
classes:
  minimumShare: 0.2
failingRows:
  personal: [sex, age]
"""


def judged(sample: str, rules: str = "{}") -> Findings:
    folder = SAMPLES / sample
    model, policy = load_model(folder / "repository"), load_policy(folder / "validators/policy")
    with (
        open_training(folder / "repository", model, policy) as training,
        open_independent(folder / "validators/data", None, policy) as independent,
    ):
        return check_quality(
            training.frame,
            independent.frame,
            parse(rules, Quality, name="policy.yaml"),
            features=model.data.features,
            label=model.data.label,
            task=model.task,
        )


def refused(found: Findings) -> list[Check]:
    return [check for check in found.checks if not check.passed]


@pytest.mark.parametrize("sample", ["iris", "diabetes", "census"])
def test_the_policy_names_the_data_that_is_there_and_it_passes_the_defaults(sample: str) -> None:
    named = load_policy(SAMPLES / sample / "validators/policy").data.independent
    assert sha256_file(SAMPLES / sample / "validators/data" / named.path) == named.sha256
    assert not refused(judged(sample))


def test_the_census_has_over_30_000_rows_and_is_small() -> None:
    file = SAMPLES / "census/repository/data/training.parquet"
    assert read_frame(file, what="training").height > 30_000
    assert file.stat().st_size < 3_000_000


def test_the_census_passes_its_rules_of_groups() -> None:
    assert not refused(judged("census", CENSUS))


@pytest.mark.parametrize(
    ("before", "after", "check"),
    [
        ("minimumRatio: 0.8", "minimumRatio: 0.99", "training data: rate of above by sex, lowest to highest"),
        ("minimumShare: 0.4", "minimumShare: 0.6", "training data: rows of each group by sex"),
        ("[female, male]", "[female, male, other]", "training data: expected groups by sex"),
        ("minimumShare: 0.2", "minimumShare: 0.4", "training data: rows of each class"),
        ("maximumScore: 0.9", "maximumScore: 0.6", "training data: no feature alone predicts the label"),
    ],
)
def test_a_stricter_rule_refuses_the_census(before: str, after: str, check: str) -> None:
    assert before in CENSUS
    assert check in [found.name for found in refused(judged("census", CENSUS.replace(before, after)))]
