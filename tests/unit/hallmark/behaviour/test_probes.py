from __future__ import annotations

import io
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from hallmark.behaviour.plan import planned
from hallmark.behaviour.probes import Probes, make_probes
from hallmark.documents.rules_behaviour import Behaviour, Declared
from hallmark.errors import BadInputError

SEED = "sha256:" + "5" * 64
QUIET: dict[str, Any] = {"determinism": {"enabled": False}, "importance": {"enabled": False}}


def features(rows: int = 400) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "row": np.arange(rows),
            "age": generator.integers(18, 80, rows).astype(np.int32),
            "income": generator.normal(1000, 200, rows),
            "region": generator.choice(["north", "south", "west"], rows),
            "member": generator.random(rows) < 0.5,
        }
    )


def made(data: pl.DataFrame | None = None, *, quiet: bool = True, **rules: Any) -> Probes:
    chosen = {**(QUIET if quiet else {}), **rules}
    probes = make_probes(
        features() if data is None else data, Behaviour.model_validate(chosen, by_name=True), seed=SEED
    )
    assert probes is not None
    return probes


def pairs(
    probes: Probes, data: pl.DataFrame | None = None, test: str | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The changed rows of a test and, line by line, what they were made of."""
    key = probes.key if test is None else probes.key.filter(test=test)
    data = features() if data is None else data
    changed = key.select("row").join(probes.rows, on="row", maintain_order="left").drop("row")
    base = key.select(row="base").join(data, on="row", maintain_order="left").drop("row")
    return base, changed


def differs(base: pl.DataFrame, changed: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({name: base[name].ne_missing(changed[name]) for name in base.columns})


def test_row_numbers_go_on_and_types_stay() -> None:
    probes = made(quiet=False)
    assert probes.rows["row"].to_list() == list(range(400, 400 + probes.rows.height))
    assert probes.rows.schema == features().schema
    assert probes.key["row"].equals(probes.rows["row"])
    assert probes.key.columns == ["row", "base", "test"]
    assert probes.key["base"].is_in(features()["row"].implode()).all()
    assert probes.rows.height <= 2000


def test_the_order_does_not_show_the_test() -> None:
    tests = made(quiet=False).key["test"]
    assert (tests != tests.shift()).sum() > 0.5 * tests.len()


def test_the_same_data_rules_and_seed_give_the_same_bytes() -> None:
    written = []
    for _ in range(2):
        probes = made(quiet=False, robustness={"noise": {"maximum_drop": 0.1}, "missing": {}})
        file = io.BytesIO()
        probes.rows.write_parquet(file)
        probes.key.write_parquet(file)
        written.append(file.getvalue())
    assert written[0] == written[1]


def test_another_test_beside_it_changes_nothing_of_a_test() -> None:
    noise = {"noise": {"maximum_drop": 0.1}}
    alone, beside = made(robustness=noise), made(quiet=False, robustness=noise)
    for one, other in zip(pairs(alone), pairs(beside, test="noise"), strict=True):
        assert_frame_equal(one, other, check_row_order=False)


def test_nothing_asked_makes_nothing() -> None:
    assert make_probes(features(), Behaviour.model_validate(QUIET, by_name=True), seed=SEED) is None


def test_determinism_repeats_rows() -> None:
    base, changed = pairs(made(determinism={"enabled": True, "rows": 50}))
    assert_frame_equal(base, changed)
    assert base.height == 50


def test_noise_is_as_large_as_asked_and_whole_numbers_stay_whole() -> None:
    base, changed = pairs(made(robustness={"noise": {"maximum_drop": 0.1, "scale": 0.5, "rows": 400}}))
    assert base.select("region", "member").equals(changed.select("region", "member"))
    assert float((changed["income"] - base["income"]).std()) == pytest.approx(100, rel=0.15)
    assert float((changed["age"] - base["age"]).std()) == pytest.approx(9, rel=0.15)


def test_a_swap_changes_one_category_to_one_that_occurs() -> None:
    base, changed = pairs(made(robustness={"swap": {"maximum_drop": 0.1}}))
    other = differs(base, changed)
    assert (other["region"].cast(int) + other["member"].cast(int) == 1).all()
    assert not other["age"].any()
    assert set(changed["region"]) == {"north", "south", "west"}


def test_one_value_of_each_row_is_missing() -> None:
    _, changed = pairs(made(robustness={"missing": {"columns": ["age", "region"]}}))
    nulls = changed.select(pl.all().is_null())
    assert (nulls["age"].cast(int) + nulls["region"].cast(int) == 1).all()
    assert nulls["age"].any()
    assert not nulls["income"].any()


def test_one_number_of_each_row_is_out_of_range() -> None:
    _, changed = pairs(made(robustness={"out_of_range": {"factor": 1.0}}))
    ages, incomes = features()["age"], features()["income"]
    beyond_age = (changed["age"] > ages.max()) | (changed["age"] < ages.min())
    beyond_income = (changed["income"] > incomes.max()) | (changed["income"] < incomes.min())
    assert (beyond_age.cast(int) + beyond_income.cast(int) == 1).all()
    assert {int(age) for age in changed["age"].filter(beyond_age)} == {79 + 61, 18 - 61}


def test_a_number_that_its_type_cannot_hold_is_no_probe() -> None:
    data = pl.DataFrame({"row": np.arange(100), "x": np.arange(100, dtype=np.uint8)})
    _, changed = pairs(made(data, robustness={"out_of_range": {"factor": 1.0}}), data)
    assert set(changed["x"]) == {198}


def test_invariance_takes_the_values_of_another_row_together() -> None:
    base, changed = pairs(made(invariance=[{"name": "who", "columns": ["region", "member"]}]))
    other = differs(base, changed)
    assert (other["region"] | other["member"]).all()
    assert not (other["age"] | other["income"]).any()


def test_invariance_may_shift_numbers() -> None:
    base, changed = pairs(made(invariance=[{"name": "older", "columns": ["age"], "shift": 2.0}]))
    assert ((changed["age"] - base["age"]) == 2).all()


def test_a_direction_shifts_or_sets() -> None:
    shifted = {"name": "more", "column": "income", "shift": 50.0}
    named = {"name": "moved", "column": "region", "to": "west"}
    probes = made(directional=[shifted, named])
    base, changed = pairs(probes, test="directional: more")
    assert (changed["income"] - base["income"]).to_numpy() == pytest.approx(50)
    base, changed = pairs(probes, test="directional: moved")
    assert set(changed["region"]) == {"west"}
    assert "west" not in set(base["region"])


def test_importances_permute_one_column_each_and_use_few_rows_again() -> None:
    small = features(60)
    probes = made(small, importance={"enabled": True, "rows": 1000})
    base, changed = pairs(probes, small, "importance: income")
    assert base.height == 240
    assert not differs(base, changed).select("age", "region", "member").to_numpy().any()
    assert sorted(changed["income"]) == sorted(small["income"].to_list() * 4)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"robustness": {"noise": {"maximum_drop": 1, "columns": ["regoin"]}}}, "column regoin"),
        ({"robustness": {"noise": {"maximum_drop": 1, "columns": ["region"]}}}, "calculates with region"),
        ({"robustness": {"swap": {"maximum_drop": 1, "columns": ["agee"]}}}, "column agee"),
        ({"invariance": [{"name": "a", "columns": ["nothing"]}]}, "column nothing"),
        ({"invariance": [{"name": "a", "columns": ["region"], "shift": 1.0}]}, "calculates with region"),
        ({"invariance": [{"name": "a", "columns": ["age"], "shift": 0.5}]}, "whole number"),
        ({"directional": [{"name": "a", "column": "incom", "shift": 1.0}]}, "column incom"),
        ({"directional": [{"name": "a", "column": "region", "to": "sorth"}]}, "value sorth"),
        ({"directional": [{"name": "a", "column": "age", "to": "old"}]}, "to 'old'"),
        ({"directional": [{"name": "a", "column": "age", "to": 20.5}]}, "to 20.5"),
        ({"directional": [{"name": "a", "column": "member", "to": 1}]}, "to 1"),
    ],
)
def test_what_cannot_be_changed_as_asked_is_bad_input(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        made(**rules)


@pytest.mark.parametrize(
    "rules",
    [
        {"robustness": {"noise": {"maximum_drop": 1}}},
        {"robustness": {"swap": {"maximum_drop": 1, "columns": ["x"]}}},
        {"robustness": {"out_of_range": {}}},
        {"invariance": [{"name": "a", "columns": ["x"]}]},
        {"directional": [{"name": "a", "column": "x", "to": 7}]},
    ],
)
def test_a_test_that_changes_nothing_is_bad_input(rules: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="can change 0 of 100 rows"):
        made(pl.DataFrame({"row": np.arange(100), "x": [7] * 100}), **rules)


def test_columns_without_categories_or_numbers_are_bad_input_too() -> None:
    with pytest.raises(BadInputError, match="can change 0 of"):
        made(features().select("row", "age"), robustness={"swap": {"maximum_drop": 1}})
    with pytest.raises(BadInputError, match="can change 0 of"):
        made(features().select("row", "region"), robustness={"out_of_range": {}})


def test_no_rows_are_bad_input() -> None:
    with pytest.raises(BadInputError, match="no rows"):
        made(features().clear(), quiet=False)


def test_missing_values_are_bad_input() -> None:
    with pytest.raises(BadInputError, match="column income has missing or infinite values"):
        made(features().with_columns(income=pl.lit(None, pl.Float64)), quiet=False)


def test_too_many_rows_are_bad_input() -> None:
    tests = [{"name": f"t{place}", "columns": ["age"], "rows": 100_000} for place in range(11)]
    with pytest.raises(BadInputError, match="at most 1000000"):
        made(features(100_000), invariance=tests)


def test_a_column_that_this_model_is_not_given_needs_no_rows() -> None:
    rules = Behaviour.model_validate(
        {**QUIET, "invariance": [{"name": "a", "columns": ["sex"]}, {"name": "b", "columns": ["sex", "age"]}]},
        by_name=True,
    )
    probes = make_probes(features(), rules, seed=SEED, offered=["sex", "age"])
    assert probes is not None
    assert set(probes.key["test"]) == {"invariance: b"}
    # hallmark.yaml names the model's own features: another is a mistake.
    own = Declared.model_validate({"invariance": [{"name": "a", "columns": ["sex"]}]}, by_name=True)
    with pytest.raises(BadInputError, match=r"hallmark\.yaml: behaviour\.invariance\.0\.columns names column sex"):
        make_probes(features(), rules, seed=SEED, own=own, offered=["sex"])


def test_the_makers_tests_stand_beside_the_policys_of_the_same_name() -> None:
    test = {"name": "a", "columns": ["age"]}
    rules = Behaviour.model_validate({**QUIET, "invariance": [test]}, by_name=True)
    own = Declared.model_validate({"invariance": [test]}, by_name=True)
    names = [trial.name for trial in planned(rules, ["age"], own=own)]
    assert names == ["invariance: a", "hallmark.yaml invariance: a"]
