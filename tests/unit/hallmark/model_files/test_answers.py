import json
import struct
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression  # type: ignore[import-untyped]

from hallmark.model_files.answers import (
    MAXIMUM_LABELS,
    Answer,
    UnfitAnswerError,
    decode,
    encode,
    maximum_bytes,
    together,
)
from hallmark.model_files.predict import Estimator, UnfitModelError


def objects(*values: object) -> Any:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def answer(kind: object = "label", labels: object = ("a", "b"), classes: object = None, body: bytes = b"") -> bytes:
    header = json.dumps({"kind": kind, "labels": labels, "classes": classes}).encode()
    return struct.pack("!I", len(header)) + header + body


def numbers(*values: float, of: str = "<i8") -> bytes:
    return np.array(values, of).tobytes()


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        (np.array(["a", "b", "a"]), pl.String),
        (np.array([True, False, True]), pl.Boolean),
        (np.array([1, 2, 1], np.int8), pl.Int64),
        (np.array([1, 2, 1], np.uint64), pl.Int64),
        (np.array([0.5, 2, 1]), pl.Float64),
        (objects(1, 2.5, 1), pl.Float64),
        (objects("a", "b", "a"), pl.String),
    ],
)
def test_what_is_written_is_what_is_read(labels: Any, dtype: type[pl.DataType]) -> None:
    told = decode(encode(labels), rows=3, task="classification")
    assert told.predictions.dtype == dtype
    assert told.predictions.to_list() == labels.tolist()
    assert told.probabilities == {}


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=5), st.integers(1, 20))
def test_probabilities_are_read_as_they_were_written(weights: list[float], rows: int) -> None:
    row = np.array(weights) / sum(weights)
    classes = [f"class {place}" for place in range(len(row))]
    told = decode(encode(np.array(["x"] * rows), classes, np.tile(row, (rows, 1))), rows=rows, task="classification")
    assert list(told.probabilities) == classes
    assert [values.tolist() for values in told.probabilities.values()] == [[share] * rows for share in row.tolist()]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.array([], str), "0 labels"),
        (np.array(["a"]), "1 labels"),
        (objects("a", 1), "types are mixed: int, str"),
        (objects(1, True), "types are mixed: bool, int"),
        (np.array([1.0, np.nan]), "not finite"),
        (np.array([1.0, np.inf]), "not finite"),
    ],
)
def test_an_answer_that_is_not_one_label_a_row_is_refused(labels: Any, reason: str) -> None:
    with pytest.raises(UnfitAnswerError, match=reason):
        decode(encode(labels), rows=2, task="classification")


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (objects("a", None), "NoneType"),
        (objects(["a"], ["b"]), "list"),
        (objects("a", "x" * 1000), "1000 characters"),
        (objects(1, 2**70), "71 bits"),
        (np.array([2**64 - 1], np.uint64), "64 bits"),
    ],
)
def test_what_is_no_label_is_not_even_written(labels: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        encode(labels)


def test_more_labels_than_classes_can_be_are_not_written() -> None:
    with pytest.raises(UnfitAnswerError, match="different labels"):
        encode(np.arange(MAXIMUM_LABELS + 1).astype(str))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no answer"),
        (b"\xff\xff\xff\xff", "header"),
        (struct.pack("!I", 100) + b"{}", "cut short"),
        (struct.pack("!I", 2) + b"[]", "unknown kind"),
        (struct.pack("!I", 9) + b"[" * 9, "no JSON"),
        (struct.pack("!I", 100_000) + b"[" * 100_000, "no JSON"),
        (answer("pickle"), "unknown kind"),
        (answer(labels="ab"), "list of labels"),
        (answer(labels=["a"] * (MAXIMUM_LABELS + 1)), "list of labels"),
        (answer(labels=[None], body=numbers(0, 0)), "NoneType"),
        (answer(labels=[["a"]], body=numbers(0, 0)), "list"),
        (answer(labels=["x" * 257], body=numbers(0, 0)), "257 characters"),
        (answer(labels=[10**400], body=numbers(0, 0)), "bits"),
        (answer(body=numbers(0)), "1 labels for 2 rows"),
        (answer(body=numbers(0, 1, 0)), "3 labels for 2 rows"),
        (answer(body=numbers(0, 2)), "does not name"),
        (answer(body=numbers(0, -1)), "does not name"),
        (answer(classes=[], body=numbers(0, 1)), "no classes"),
        (answer(classes="ab", body=numbers(0, 1)), "no classes"),
        (answer(classes=["a"] * 1001, body=numbers(0, 1)), "no classes"),
        (answer(classes=["a", "b"], body=numbers(0, 1)), "for 2 rows"),
        (answer(classes=["a", None], body=numbers(0, 1) + bytes(32)), "no class"),
        (answer(classes=[2, "2"], body=numbers(0, 1) + numbers(1, 0, 0, 1, of="<f8")), "one class twice"),
        (answer(classes=["a", "b"], body=numbers(0, 1) + numbers(1, 0, 0.5, 0.4, of="<f8")), "sum to 1"),
        (answer(classes=["a", "b"], body=numbers(0, 1) + numbers(1, 0, 1.5, -0.5, of="<f8")), "from 0 to 1"),
        (answer(classes=["a", "b"], body=numbers(0, 1) + numbers(1, 0, np.nan, 0, of="<f8")), "from 0 to 1"),
    ],
)
def test_a_forged_answer_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UnfitAnswerError, match=reason):
        decode(data, rows=2, task="classification")


@pytest.mark.parametrize("labels", [np.array(["1"]), np.array([True])])
def test_a_regression_that_gives_no_numbers_is_refused(labels: Any) -> None:
    with pytest.raises(UnfitAnswerError, match="a regression gives numbers"):
        decode(encode(labels), rows=1, task="regression")


@given(st.binary(max_size=200))
def test_whatever_comes_is_an_answer_or_refused(data: bytes) -> None:
    for begin in (b"", answer(body=data)[: -len(data) or None]):
        try:
            told = decode(begin + data, rows=2, task="classification")
        except UnfitAnswerError:
            continue
        assert told.predictions.len() == 2


def test_the_longest_answer_grows_with_the_rows_only() -> None:
    assert maximum_bytes(2) - maximum_bytes(1) == maximum_bytes(1) - maximum_bytes(0)


def piece(labels: Any, classes: list[str] | None = None) -> Answer:
    matrix = np.full((len(labels), 2), 0.5) if classes else None
    return decode(encode(labels, classes, matrix), rows=len(labels), task="classification")


def test_pieces_make_the_whole_answer() -> None:
    told = together([piece(np.array(["a", "b"]), ["a", "b"]), piece(np.array(["b"]), ["a", "b"])])
    assert told.predictions.to_list() == ["a", "b", "b"]
    assert {name: values.tolist() for name, values in told.probabilities.items()} == {"a": [0.5] * 3, "b": [0.5] * 3}
    assert together([piece(np.array([1])), piece(np.array([0.5]))]).predictions.to_list() == [1.0, 0.5]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (piece(np.array(["a"])), piece(np.array([1]))),
        (piece(np.array([True])), piece(np.array([1]))),
        (piece(np.array(["a"]), ["a", "b"]), piece(np.array(["a"]))),
        (piece(np.array(["a"]), ["a", "b"]), piece(np.array(["a"]), ["b", "a"])),
    ],
)
def test_pieces_that_do_not_fit_together_are_refused(one: Answer, other: Answer) -> None:
    with pytest.raises(UnfitAnswerError, match=r"mixed|other classes"):
        together([one, other])


@pytest.mark.parametrize("quantiles", [0, 1, 3, 4])
def test_an_estimator_has_to_give_just_the_quantiles_that_were_declared(quantiles: int) -> None:
    rows = pl.DataFrame({"a": [1.0, 2.0, 4.0], "b": [0.0, 1.0, 0.0]})
    targets = rows["a"].to_numpy()[:, None] + np.array([0.0, -1.0, 1.0])
    asked = Estimator(LinearRegression().fit(rows.to_numpy(), targets), "regression", quantiles)
    with pytest.raises(UnfitModelError, match="of shape"):
        asked.answer(rows)
    found = decode(
        Estimator(LinearRegression().fit(rows.to_numpy(), targets), "regression", 2).answer(rows),
        rows=3, task="regression",
    )  # fmt: skip
    assert [of.tolist() for of in found.quantiles] == [pytest.approx(of) for of in targets.T[1:]]
    assert together([found, found]).quantiles[0].tolist() == pytest.approx([*targets[:, 1], *targets[:, 1]])


@pytest.mark.parametrize("told", [-1, 21, True, 1.0, "2", None])
def test_a_number_of_quantiles_that_is_none_is_no_answer(told: Any) -> None:
    text = json.dumps({"kind": "float", "labels": [], "classes": None, "quantiles": told}).encode()
    with pytest.raises(UnfitAnswerError):
        decode(struct.pack("!I", len(text)) + text + bytes(8 * 22), rows=1, task="regression")
