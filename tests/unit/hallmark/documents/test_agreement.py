from __future__ import annotations

from pathlib import Path

import pytest

from hallmark.documents.agreement import require_agreement
from hallmark.documents.loading import parse
from hallmark.documents.model import Model
from hallmark.documents.policy import Policy
from hallmark.errors import BadInputError

SAMPLE = Path(__file__).parents[4] / "samples/iris"
POLICY = parse((SAMPLE / "validators/policy/policy.yaml").read_text(), Policy, name="policy.yaml")
MODEL = (SAMPLE / "repository/hallmark.yaml").read_text()


def agree(text: str) -> None:
    require_agreement(parse(text, Model, name="hallmark.yaml"), POLICY)


def test_the_sample_agrees_with_its_policy() -> None:
    agree(MODEL)


def test_a_model_may_ask_for_fewer_features() -> None:
    agree(MODEL.replace("sepal_length, sepal_width, ", ""))


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("name: iris", "name: rose", "the policy is for iris"),
        ("label: species", "label: petal_width", "names 'species'"),
        ("petal_width]", "species]", "does not offer: species"),
        ("petal_width]", "petal_width, id]", "does not offer: id"),
    ],
)
def test_a_maker_cannot_ask_for_what_the_validators_keep(before: str, after: str, what: str) -> None:
    assert before in MODEL
    with pytest.raises(BadInputError, match=what):
        agree(MODEL.replace(before, after))
