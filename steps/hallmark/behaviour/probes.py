"""Makes the changed rows ("probes") that show how a model behaves, before any model sees them.

Which rows are changed, how, and in which order they come follows from a seed and the test's name: another test beside
it changes nothing of that, and the same data and rules give the same bytes. The model is given the rows without the
names of their tests; the key, which joins them, stays with the labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from hallmark.behaviour import changes, mixtures
from hallmark.behaviour.plan import IMPORTANCE_REPEATS, Kind, Trial, planned
from hallmark.datasets import ROW
from hallmark.documents.rules_behaviour import Behaviour, Declared
from hallmark.documents.rules_explanations import Explanations
from hallmark.errors import BadInputError

BASE = "base"
TEST = "test"
MINIMUM_ROWS = 10
"""Fewer changed rows show nothing; it does not bind the tests that nobody asked for."""
MAXIMUM_ROWS = 1_000_000

_CHANGES: dict[Kind, Callable[[pl.DataFrame, pl.DataFrame, Trial, np.random.Generator], changes.Changed]] = {
    "noise": changes.noise,
    "swap": changes.swap,
    "missing": changes.missing,
    "out-of-range": changes.out_of_range,
    "invariance": changes.invariance,
    "directional": changes.directional,
    "importance": changes.permute,
}


@dataclass(frozen=True, kw_only=True)
class Probes:
    rows: pl.DataFrame
    """`row`, which goes on after the features' last, and the features, of the same types."""
    key: pl.DataFrame
    """`row`, `base` (the row of the features that it was made of) and `test`; with explanations also what
    `mixtures` says of a mixed row, null for the others."""


def make_probes(
    features: pl.DataFrame,
    rules: Behaviour,
    *,
    seed: str,
    own: Declared | None = None,
    offered: Sequence[str] = (),
) -> Probes | None:
    """Changed copies of rows, for every test that the rules ask for; None where they ask for none.

    Args:
        features: `row` and the features, as the model is given them, without missing values.
        seed: the digest of the independent data, `sha256:<hex>`.
        own: the tests of hallmark.yaml.
        offered: the columns that the policy offers to any model.

    Raises:
        BadInputError: no rows, missing values, an unknown column, or a test that cannot change at least ten rows.
    """
    if features.is_empty():
        raise BadInputError("there are no rows to make probes of", solution="provide independent data")
    gaps = [values.name for values in features if _has_gaps(values)]
    if gaps:
        raise BadInputError(
            f"column {gaps[0]} has missing or infinite values, so it cannot be changed as asked",
            solution="provide independent data without gaps",
        )
    columns = [name for name in features.columns if name != ROW]
    tests = [test for test in planned(rules, columns, own=own, offered=offered) if test.columns or not test.untouched]
    repeats = features.height * IMPORTANCE_REPEATS
    asked = sum(test.rows if test.kind == "explanations" else min(test.rows, repeats) for test in tests)
    if asked > MAXIMUM_ROWS:
        raise BadInputError(
            f"model.behaviour asks for {asked} changed rows; at most {MAXIMUM_ROWS} are made",
            solution="lower `rows` of its tests",
        )
    made = [_made(features, test, seed) for test in tests]
    if not made:
        return None
    together = pl.concat(made, how="diagonal")
    order = _generator(seed, "the order of all").permutation(together.height)
    first = int(features[ROW].cast(pl.Int64).max() or 0) + 1  # type: ignore[arg-type]
    shuffled = together[order].with_columns(
        pl.int_range(first, first + together.height).cast(features.schema[ROW]).alias(ROW)
    )
    beside = mixtures.KEY_COLUMNS if rules.explanations is not None else []
    key = shuffled.select(ROW, pl.col(_BASE).alias(BASE), _TEST_NAME, *beside)
    return Probes(rows=shuffled.select(ROW, *columns), key=key)


_BASE = "\0base"
_TEST_NAME = pl.col("\0test").alias(TEST)


def _has_gaps(values: pl.Series) -> bool:
    return bool(values.null_count()) or (values.dtype.is_float() and not values.is_finite().all())


def _made(features: pl.DataFrame, test: Trial, seed: str) -> pl.DataFrame:
    """The changed rows of one test, `row` being that of the row they were made of; with the test's name."""
    generator = _generator(seed, test.name)
    if isinstance(test.rule, Explanations):
        rows = mixtures.mixed(features, test.rule, generator)
        return rows.with_columns(pl.col(ROW).alias(_BASE), pl.lit(test.name).alias("\0test"))
    chosen = features[_places(features.height, test, generator)]
    if test.kind == "determinism":
        changed = chosen
    else:
        rows, differs = _CHANGES[test.kind](chosen, features, test, generator)
        changed = rows.filter(differs)
    if changed.height < MINIMUM_ROWS and test.kind not in ("determinism", "importance"):
        raise BadInputError(
            f"the test {test.name!r} ({test.by}) can change {changed.height} of {chosen.height} rows in"
            f" {', '.join(test.columns) or 'no column'}; at least {MINIMUM_ROWS} are needed",
            solution="correct the test's columns or its change, or provide more independent rows",
        )
    return changed.with_columns(pl.col(ROW).alias(_BASE), pl.lit(test.name).alias("\0test"))


def _places(height: int, test: Trial, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """Which rows are changed: each at most once, but for importances, which need more of few rows."""
    if test.kind != "importance" or test.rows <= height:
        return np.sort(generator.choice(height, min(test.rows, height), replace=False))
    return np.tile(np.arange(height), min(IMPORTANCE_REPEATS, test.rows // height))


def _generator(seed: str, name: str) -> np.random.Generator:
    return np.random.default_rng(int(hashlib.sha256(f"{seed}\0{name}".encode()).hexdigest(), 16))
