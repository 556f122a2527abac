"""Fingerprints of rows, to find independent data that the training data holds too.

A fingerprint is of the features' values only, in the order of the model's description, so that another label, an
added id column or another order of columns hides nothing. Values count as what they mean: a number is the same as
integer, as float of any width, as boolean and as text, and to six significant digits. Whoever changes the values
themselves by more than that makes other rows of them; that is not found here.
"""

from __future__ import annotations

import polars as pl

SIGNIFICANT_DIGITS = 6


def fingerprints(frame: pl.DataFrame, *, seed: str) -> pl.Series:
    """A text of 128 bits for each row; equal rows have equal ones, others practically never.

    The hash is polars': the same within one version of it, so both sides of a comparison are made in one run.

    Args:
        frame: the feature columns.
        seed: a digest, `sha256:<hex>`, so that fingerprints of different evaluations cannot be joined.
    """
    plain = frame.select(
        expression for column in frame.columns for expression in _canonical(column, frame.schema[column])
    )
    key = seed.removeprefix("sha256:")
    halves = [plain.hash_rows(seed=int(part, 16)) for part in (key[:16], key[16:32])]
    return pl.select(pl.concat_str([half.cast(pl.String) for half in halves], separator="-")).to_series()


def overlap(rows: pl.Series, training: pl.Series) -> float:
    """The share of `rows` (not empty) that are among `training`; both are fingerprints."""
    return float(rows.is_in(training.unique().implode()).sum()) / len(rows)


def _canonical(column: str, dtype: pl.DataType) -> tuple[pl.Expr, pl.Expr]:
    """A column as two: its numbers, and the texts that are none."""
    value = pl.col(column)
    number = _parsed(value) if dtype == pl.String else value.cast(pl.Float64)
    # Adding zero turns -0.0 into 0.0.
    rounded = number.round_sig_figs(SIGNIFICANT_DIGITS) + 0.0
    text = pl.when(number.is_null()).then(value) if dtype == pl.String else pl.lit(None, pl.String)
    return rounded.alias(f"{column}\0number"), text.alias(f"{column}\0text")


def _parsed(text: pl.Expr) -> pl.Expr:
    plain = text.str.strip_chars().str.to_lowercase()
    words = plain.replace_strict({"true": 1.0, "false": 0.0}, default=None, return_dtype=pl.Float64)
    return words.fill_null(plain.cast(pl.Float64, strict=False))
