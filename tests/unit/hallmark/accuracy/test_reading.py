import polars as pl
import pytest

from hallmark.accuracy.reading import by_row, probabilities
from hallmark.errors import BadInputError


def table(**columns: list[float | None]) -> pl.DataFrame:
    named = {f"probability:{name}": values for name, values in columns.items()}
    return pl.DataFrame({"row": [3, 1, 2], **named}, schema_overrides=dict.fromkeys(named, pl.Float64))


def test_labels_come_by_row_and_in_canonical_text() -> None:
    frame = pl.DataFrame({"row": [2, 0, 1], "label": [1.0, 2.0, 0.5]})
    assert by_row(frame, "label", "labels.parquet").to_dict(as_series=False) == {
        "row": [0, 1, 2],
        "value": ["2", "0.5", "1"],
    }


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"row": [0, 0], "label": ["a", "b"]}),
        pl.DataFrame({"row": [0, None], "label": ["a", "b"]}),
        pl.DataFrame({"row": [0, 1], "label": ["a", None]}),
        pl.DataFrame({"row": [0, 1], "label": [float("nan"), 1.0]}),
        pl.DataFrame({"row": ["x", "y"], "label": ["a", "b"]}),
        pl.DataFrame({"row": [0], "other": ["a"]}),
        pl.DataFrame({"label": ["a"]}),
    ],
)
def test_rows_that_are_none_are_bad_input(frame: pl.DataFrame) -> None:
    with pytest.raises(BadInputError, match=r"labels\.parquet"):
        by_row(frame, "label", "labels.parquet")


def test_probabilities_come_in_the_order_of_the_rows() -> None:
    found = probabilities(table(no=[0.3, 0.1, 0.2], yes=[0.7, 0.9, 0.8]), pl.Series([1, 2]), "predictions.parquet")
    assert found is not None
    assert {name: values.tolist() for name, values in found.items()} == {"no": [0.1, 0.2], "yes": [0.9, 0.8]}


def test_a_model_without_probabilities_has_none() -> None:
    assert probabilities(table(), pl.Series([1]), "predictions.parquet") is None


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"no": [0.5, 0.5, 0.5], "yes": [0.5, 0.5, 0.49]}, "not 1 together"),
        ({"no": [0.5, 0.5, -0.5], "yes": [0.5, 0.5, 1.5]}, "not from 0 to 1"),
        ({"no": [0.5, 0.5, float("nan")], "yes": [0.5, 0.5, 0.5]}, "not from 0 to 1"),
        ({"no": [0.5, 0.5, float("inf")], "yes": [0.5, 0.5, 0.5]}, "not from 0 to 1"),
        ({"no": [0.5, 0.5, None], "yes": [0.5, 0.5, 0.5]}, "no number"),
        ({"True": [0.5, 0.5, 0.5], "false": [0.5, 0.5, 0.5]}, "no canonical class"),
    ],
)
def test_what_is_no_probability_is_bad_input(columns: dict[str, list[float | None]], what: str) -> None:
    with pytest.raises(BadInputError, match=what):
        probabilities(table(**columns), pl.Series([1, 2, 3]), "predictions.parquet")


def test_whole_numbers_are_no_probabilities() -> None:
    frame = pl.DataFrame({"row": [0], "probability:a": [1]})
    with pytest.raises(BadInputError, match="no number"):
        probabilities(frame, pl.Series([0]), "predictions.parquet")
