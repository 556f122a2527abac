"""Makes the rows from which Shapley values of single rows are computed: half an example, half some other row.

A walk turns a background row into the example, one feature after the other, in an order drawn by chance; each step's
change of the answer is that feature's part. Means over walks are Shapley values where features that are not known take
the background's values (E. Strumbelj and I. Kononenko, Knowledge and Information Systems 41, 2014, p. 647; sampling: J.
Castro and others, Computers & Operations Research 36, 2009, p. 1726). Every walk is followed by the one in the opposite
order, whose errors largely cancel its own (R. Mitchell and others, JMLR 23, 2022, 43, "antithetic"): a pair is one
independent draw.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from hallmark.datasets import ROW
from hallmark.documents.rules_explanations import MINIMUM_PAIRS, Explanations
from hallmark.errors import BadInputError

NAME = "explanations"
WALK, STEP, FEATURE, BACKGROUND = "walk", "step", "feature", "background"
"""The key's columns: the walk's number, how many features are the example's by now, the one that became so last, and
the row that the walk began with."""


def pairs_of(rules: Explanations, features: int) -> int:
    """Pairs of walks for each example: as many as `rules.rows` allows; a walk has all its rows but both ends.

    Raises:
        BadInputError: too few for an error, or there is nothing to share out among features.
    """
    if features < 2:
        raise BadInputError(
            "model.behaviour.explanations shares an answer out among features, and this model has one",
            solution="take explanations away: its one feature explains every answer",
        )
    found = rules.rows // (rules.examples * 2 * (features - 1))
    if found < MINIMUM_PAIRS:
        needed = MINIMUM_PAIRS * rules.examples * 2 * (features - 1)
        raise BadInputError(
            f"model.behaviour.explanations.rows is {rules.rows}, too few to explain {rules.examples} rows of"
            f" {features} features",
            solution=f"raise it to {needed}, or lower explanations.examples",
        )
    return found


def mixed(features: pl.DataFrame, rules: Explanations, generator: np.random.Generator) -> pl.DataFrame:
    """{row: the example's, the features mixed, walk, step, feature, background}, step by step, walk by walk.

    Args:
        features: `row` and the features, without gaps.

    Raises:
        BadInputError: as `pairs_of`.
    """
    names = [name for name in features.columns if name != ROW]
    pairs = pairs_of(rules, len(names))
    chosen = np.sort(generator.choice(features.height, min(rules.examples, features.height), replace=False))
    examples = np.repeat(chosen, 2 * pairs)
    starts = np.concatenate([np.repeat(_backgrounds(features.height, pairs, generator), 2) for _ in chosen])
    orders = generator.permuted(np.tile(np.arange(len(names)), (len(chosen) * pairs, 1)), axis=1)
    orders = np.stack([orders, orders[:, ::-1]], axis=1).reshape(-1, len(names))
    # Both ends of a walk, the background and the example, are rows that the model is asked about anyway.
    steps = np.arange(1, len(names))
    walks = np.repeat(np.arange(len(examples)), len(steps))
    taken = np.argsort(orders, axis=1)[:, None, :] < steps[None, :, None]
    taken = taken.reshape(-1, len(names))
    ones, others = features[examples[walks]], features[starts[walks]]
    columns = [
        ones[name].zip_with(pl.Series(taken[:, place]), others[name]).alias(name) for place, name in enumerate(names)
    ]
    return pl.DataFrame(
        [
            ones[ROW],
            *columns,
            pl.Series(_HIDDEN[WALK], walks, dtype=pl.Int64),
            pl.Series(_HIDDEN[STEP], np.tile(steps, len(examples)), dtype=pl.Int64),
            pl.Series(_HIDDEN[FEATURE], [names[place] for place in orders[:, :-1].ravel().tolist()]),
            others[ROW].cast(pl.Int64).alias(_HIDDEN[BACKGROUND]),
        ]
    )


_HIDDEN = {name: f"\0{name}" for name in (WALK, STEP, FEATURE, BACKGROUND)}
"""Their names beside the features', which may be called anything."""
KEY_COLUMNS = [pl.col(hidden).alias(name) for name, hidden in _HIDDEN.items()]


def _backgrounds(height: int, pairs: int, generator: np.random.Generator) -> npt.NDArray[np.intp]:
    """All rows equally often, as far as it goes: their mean is then that of all rows."""
    rounds = [generator.permutation(height) for _ in range(-(-pairs // height))]
    return np.concatenate(rounds)[:pairs]
