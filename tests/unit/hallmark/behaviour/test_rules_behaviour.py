from __future__ import annotations

import pytest

from hallmark.documents.inheritance import merge
from hallmark.documents.loading import compose, parse
from hallmark.documents.rules_behaviour import Behaviour, Declared
from hallmark.errors import BadInputError


def read(text: str) -> Behaviour:
    return parse(text, Behaviour, name="policy.yaml")


def test_without_a_word_only_determinism_and_importances_are_looked_at() -> None:
    rules = read("{}")
    assert rules.slices is None
    assert not rules.fairness
    assert rules.determinism.enabled
    assert rules.importance.enabled
    assert rules.importance.maximum_share is None
    assert rules.determinism.rows + rules.importance.rows <= 2000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slices: {}", "name minimum or maximumGap"),
        ("slices: {minimum: 1.5}", "must be at most 1"),
        ("slices: {minimun: 0.5}", "unknown key slices.minimun"),
        ("fairness: [{columns: [sex]}]", "name at least one limit"),
        ("fairness: [{columns: [sex], maximumEqualizedOddsDifference: 0.1}]", "needs `positive`"),
        ("fairness: [{columns: [sex], maximumAccuracyDifference: 1, edges: {age: [1]}}]", "none of the columns"),
        ("fairness: [{columns: [age], maximumAccuracyDifference: 1, edges: {age: [2, 1]}}]", "have to ascend"),
        ("robustness: {noise: {}}", "name maximumDrop"),
        ("robustness: {swap: {}}", "name maximumDrop"),
        ("invariance: [{name: a, columns: []}]", "is an empty list, but must hold at least 1"),
        ("invariance: [{name: a, columns: [x], shift: 0}]", "changes nothing"),
        ("invariance: [{name: a, columns: [x], decide: bound}]", "no number of rows"),
        ("invariance: [{name: a, columns: [x]}, {name: a, columns: [y]}]", "two tests are called a"),
        ("directional: [{name: a, column: x}]", "either shift or to"),
        ("directional: [{name: a, column: x, shift: 1, to: 2}]", "either shift or to"),
        ("directional: [{name: a, column: x, shift: 0}]", "changes nothing"),
    ],
)
def test_a_rule_that_could_say_nothing_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        read(text)


def test_hallmark_yaml_may_declare_tests_and_nothing_else() -> None:
    own = parse("directional: [{name: a, column: x, shift: 1, class: above}]", Declared, name="hallmark.yaml")
    assert own.directional[0].of_class == "above"
    with pytest.raises(BadInputError, match="unknown key determinism"):
        parse("determinism: {enabled: false}", Declared, name="hallmark.yaml")


def test_the_columns_of_the_groups_are_named_once() -> None:
    rules = read(
        "slices: {minimum: 0.5, columns: [region, sex]}\n"
        "fairness: [{columns: [sex, age], maximumAccuracyDifference: 0.1}]"
    )
    assert rules.group_columns(["income"]) == ["sex", "age", "region"]


def test_slices_are_looked_for_in_all_that_is_offered_whatever_the_maker_leaves_out() -> None:
    rules = read("slices: {minimum: 0.5}\nfairness: [{columns: [sex], maximumAccuracyDifference: 0.1}]")
    assert rules.group_columns(["income", "sex"]) == ["sex", "income"]
    assert read("{}").group_columns(["income"]) == []


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("slices: {minimum: 0.8}", "slices: {minimum: 0.7}"),
        ("slices: {minimum: 0.8, decide: estimate}", "slices: {minimum: 0.8, decide: evidence}"),
        ("determinism: {enabled: true}", "determinism: {enabled: false}"),
        ("robustness: {noise: {maximumDrop: 0.1}}", "robustness: {noise: {maximumDrop: 0.2}}"),
        ("importance: {maximumShare: 0.5}", "importance: {maximumShare: null}"),
        ("invariance: [{name: a, columns: [x]}]", "invariance: []"),
    ],
)
def test_a_lower_level_of_the_policy_cannot_loosen(above: str, below: str) -> None:
    levels = [compose(above, name="above.yaml"), compose(below, name="below.yaml")]
    with pytest.raises(BadInputError, match="below"):
        merge(levels, Behaviour)
