from collections.abc import Callable

import polars as pl
import pytest

from hallmark.fingerprints import fingerprints, overlap

SEED = f"sha256:{'0123456789abcdef' * 4}"
ROWS = pl.DataFrame({"a": [5.1, 4.9, 0.0], "b": [1, 0, 7], "c": ["red", "Blue", "x"]})


def prints(frame: pl.DataFrame) -> list[str]:
    return fingerprints(frame, seed=SEED).to_list()


@pytest.mark.parametrize(
    "changed",
    [
        lambda rows: rows.with_columns(pl.col("a").cast(pl.Float32)),
        lambda rows: rows.with_columns(pl.col("a").cast(pl.String)),
        lambda rows: rows.with_columns(pl.col("b").cast(pl.Float64)),
        lambda rows: rows.with_columns(pl.format(" {} ", "b").alias("b")),
        lambda rows: rows.with_columns(pl.col("a") * -1 * -1, pl.col("b").cast(pl.Int8)),
        lambda rows: rows.with_columns(pl.col("c").cast(pl.Categorical).cast(pl.String)),
        lambda rows: rows.with_columns(pl.when(pl.col("a") == 0).then(-0.0).otherwise("a").alias("a")),
        lambda rows: rows.with_columns(pl.col("a") * (1 + 1e-9)),
    ],
    ids=["float32", "text", "float", "padded text", "int8", "category", "minus zero", "noise"],
)
def test_the_same_values_have_the_same_fingerprint_however_they_are_typed(
    changed: Callable[[pl.DataFrame], pl.DataFrame],
) -> None:
    assert prints(changed(ROWS)) == prints(ROWS)


def test_a_boolean_is_its_number_and_its_word() -> None:
    values = [pl.Series([True, False]), pl.Series([1, 0]), pl.Series(["True", "false"]), pl.Series(["1.0", "0"])]
    assert len({tuple(prints(pl.DataFrame({"a": column}))) for column in values}) == 1


@pytest.mark.parametrize(
    "other",
    [
        pl.DataFrame({"a": [5.1001, 4.9, 0.0], "b": [1, 0, 7], "c": ["red", "Blue", "x"]}),
        pl.DataFrame({"a": [1.0, 0.0, 7.0], "b": [5.1, 4.9, 0.0], "c": ["red", "Blue", "x"]}),
        pl.DataFrame({"a": [5.1, 4.9, 0.0], "b": [1, 0, 7], "c": ["Red", "blue", "X"]}),
        pl.DataFrame({"a": [5.1, 4.9, None], "b": [1, 0, 7], "c": [None, "", "0"]}),
    ],
    ids=["a value", "swapped columns", "letter case", "missing"],
)
def test_other_values_have_another_fingerprint(other: pl.DataFrame) -> None:
    differing = [left != right for left, right in zip(prints(other), prints(ROWS), strict=True)]
    assert differing[0] or differing[2]
    assert len(set(prints(other))) == 3


def test_another_seed_gives_other_fingerprints() -> None:
    assert set(prints(ROWS)).isdisjoint(fingerprints(ROWS, seed=f"sha256:{'fedcba9876543210' * 4}").to_list())


def test_two_hundred_thousand_rows_have_as_many_fingerprints() -> None:
    frame = pl.select(a=pl.int_range(200_000), b=pl.int_range(200_000) % 7)
    assert fingerprints(frame, seed=SEED).n_unique() == 200_000


def test_overlap_is_the_share_of_the_judged_rows() -> None:
    rows = pl.Series(["a", "b", "b", "c"])
    assert overlap(rows, pl.Series(["b", "b", "x"])) == 0.5
    assert overlap(rows, pl.Series([], dtype=pl.String)) == 0.0
    assert overlap(rows, rows) == 1.0
