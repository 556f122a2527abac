"""Shapley values from mixed rows: against enumeration of all subsets, and by the laws that they keep."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hallmark.behaviour.gate import judge_behaviour
from hallmark.behaviour.probes import make_probes
from hallmark.documents.rules_behaviour import Behaviour
from hallmark.documents.rules_quality import FailingRows
from hallmark.errors import BadInputError

Model = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
QUIET: dict[str, Any] = {"determinism": {"enabled": False}, "importance": {"enabled": False}}


def table(columns: int, rows: int = 40, seed: int = 0) -> pl.DataFrame:
    values = np.random.default_rng(seed).normal(size=(rows, columns)).round(3)
    return pl.DataFrame({"row": np.arange(rows), **{f"f{place}": values[:, place] for place in range(columns)}})


def values(frame: pl.DataFrame) -> np.ndarray[Any, Any]:
    return frame.drop("row").to_numpy()


def explained(
    model: Model,
    data: pl.DataFrame,
    *,
    task: Any = "regression",
    tamper: Callable[[pl.DataFrame], pl.DataFrame] = lambda key: key,
    answer: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
    shown: FailingRows | None = None,
    **rules: int,
) -> dict[str, Any]:
    asked = Behaviour.model_validate({**QUIET, "explanations": rules}, by_name=True)
    probes = make_probes(data, asked, seed="sha256:" + "5" * 64)
    assert probes is not None
    both = pl.concat([data, probes.rows])
    told = answer(both) if answer else pl.DataFrame({"row": both["row"], "prediction": model(values(both))})
    labels = data.select("row", label=told["prediction"][: data.height], number=data["row"] + 1001)
    found = judge_behaviour(data, labels, told, asked, task=task, key=tamper(probes.key), shown=shown)
    assert not found.checks
    return dict(found.figures["explanations"])


def exact(model: Model, data: np.ndarray[Any, Any], row: int) -> np.ndarray[Any, Any]:
    """By all subsets (L. Shapley, 1953), each answered as the mean over all rows in the place of what is not known."""
    width = data.shape[1]

    def worth(known: tuple[int, ...]) -> float:
        mixed = data.copy()
        mixed[:, known] = data[row, known]
        return float(model(mixed).mean())

    found = np.zeros(width)
    for feature in range(width):
        others = [place for place in range(width) if place != feature]
        for size in range(width):
            weight = math.factorial(size) * math.factorial(width - size - 1) / math.factorial(width)
            for known in itertools.combinations(others, size):
                found[feature] += weight * (worth((*known, feature)) - worth(known))
    return found


def curved(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """With products, a square and a step."""
    found = rows[:, 0] * rows[:, 1] + np.square(rows[:, -1]) + np.where(rows[:, 0] > 0.3, 2.0, 0.0)
    return np.asarray(found - rows[:, 1])


def told(example: dict[str, Any], name: str = "value") -> np.ndarray[Any, Any]:
    return np.array([entry[name] for entry in sorted(example["features"], key=lambda entry: entry["feature"])])


@settings(max_examples=15)
@given(columns=st.integers(2, 5), seed=st.integers(0, 99))
def test_they_are_the_exact_values_within_their_errors(columns: int, seed: int) -> None:
    data = table(columns, seed=seed)
    figure = explained(curved, data, examples=2, rows=2 * 2 * (columns - 1) * 200)
    for example in figure["examples"]:
        truth = exact(curved, values(data), example["row"] - 1001)
        assert (np.abs(told(example) - truth) <= 4.5 * told(example, "error") + 1e-9).all()


@settings(max_examples=15)
@given(columns=st.integers(2, 14), pairs=st.integers(10, 25), seed=st.integers(0, 99))
def test_their_sum_is_the_answer_less_that_of_the_background(columns: int, pairs: int, seed: int) -> None:
    figure = explained(curved, table(columns, seed=seed), examples=3, rows=3 * 2 * (columns - 1) * pairs)
    assert figure["pairs"] == pairs
    for example in figure["examples"]:
        parts = sum(entry["value"] for entry in example["features"]) + example["others"]
        assert parts == pytest.approx(example["value"] - example["background"], abs=1e-9)
        assert example["others_features"] == max(0, columns - 12)


@settings(max_examples=15)
@given(weights=st.lists(st.floats(-5, 5), min_size=2, max_size=6))
def test_of_a_linear_model_they_are_coefficients_times_the_distance_from_the_mean(weights: list[float]) -> None:
    data = table(len(weights), rows=20)
    # As many pairs as rows: each is the background once, and the mean is that of all of them.
    figure = explained(lambda rows: rows @ np.array(weights), data, examples=1, rows=2 * (len(weights) - 1) * 20)
    (example,) = figure["examples"]
    rows = values(data)
    expected = np.array(weights) * (rows[example["row"] - 1001] - rows.mean(axis=0))
    assert told(example) == pytest.approx(expected, abs=1e-9)


def test_a_classifier_has_its_probability_shared_out_and_without_any_its_answer() -> None:
    def sure(frame: pl.DataFrame) -> pl.DataFrame:
        likely = 1 / (1 + np.exp(-2 * curved(values(frame))))
        names = np.where(likely > 0.5, "yes", "no")
        return pl.DataFrame(
            {"row": frame["row"], "prediction": names, "probability:yes": likely, "probability:no": 1 - likely}
        )

    data = table(3)
    figure = explained(curved, data, task="classification", answer=sure, examples=4, rows=800)
    assert figure["measure"] == "probability"
    for example in figure["examples"]:
        assert example["of"] in ("yes", "no")
        assert example["value"] > 0.5
    bare = explained(
        curved, data, task="classification", answer=lambda rows: sure(rows).select("row", "prediction"),
        examples=4, rows=800,
    )  # fmt: skip
    assert bare["measure"] == "answer"
    assert all(example["value"] == 1 and 0 <= example["background"] <= 1 for example in bare["examples"])


def test_values_are_shown_only_where_the_policy_lets_them_and_never_personal_ones() -> None:
    assert all(e["shown"] is None for e in explained(curved, table(3), examples=1, rows=80)["examples"][0]["features"])
    leave = FailingRows(showValues=True, personal=["f1"])  # type: ignore[call-arg]
    figure = explained(curved, table(3), examples=1, rows=80, shown=leave)
    shown = {entry["feature"]: entry["shown"] for entry in figure["examples"][0]["features"]}
    place = figure["examples"][0]["row"] - 1001
    assert shown == {"f0": str(table(3)["f0"][place]), "f1": None, "f2": str(table(3)["f2"][place])}


def test_texts_and_booleans_are_mixed_too() -> None:
    data = table(2).with_columns(f2=pl.Series(["a", "b"] * 20), f3=pl.col("row") % 3 == 0)
    truth = 2.0 * (data["f2"] == "a") + data["f3"]

    def answer(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select("row", prediction=2.0 * (pl.col("f2") == "a") + pl.col("f3"))

    (example,) = explained(curved, data, answer=answer, examples=1, rows=240)["examples"]
    own = truth[example["row"] - 1001]
    assert example["value"] == own
    assert told(example)[:2] == pytest.approx([0, 0])


@pytest.mark.parametrize(
    ("columns", "rules", "said"),
    [
        (1, {}, "this model has one"),
        (9, {"examples": 20, "rows": 200}, "too few to explain 20 rows of 9 features"),
    ],
)
def test_what_cannot_be_explained_is_bad_input(columns: int, rules: dict[str, int], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        explained(curved, table(columns), **rules)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda key: key.drop("walk"),
        lambda key: key.with_columns(step=pl.lit(1, dtype=pl.Int64)),
        lambda key: key.with_columns(feature=pl.lit("f0")),
        lambda key: key.with_columns(feature=pl.lit("other")),
        lambda key: key.with_columns(background=pl.lit(10**6, dtype=pl.Int64)),
        lambda key: key.with_columns(base=pl.lit(0, dtype=pl.Int64)).with_columns(walk=pl.col("walk") + 1),
    ],
)
def test_a_key_that_holds_no_whole_walks_is_bad_input(tamper: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    with pytest.raises(BadInputError):
        explained(curved, table(3), tamper=tamper, examples=1, rows=80)


def test_a_mixed_row_without_an_answer_is_bad_input() -> None:
    def answer(frame: pl.DataFrame) -> pl.DataFrame:
        said = pl.when(pl.col("row") > 60).then(None).otherwise(pl.col("f0"))
        return frame.select("row", prediction=said)

    with pytest.raises(BadInputError, match="no answer to"):
        explained(curved, table(3), answer=answer, examples=1, rows=80)
