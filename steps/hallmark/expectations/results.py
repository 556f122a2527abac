"""What came out of an expectation, in great-expectations' own shape, whichever executor ran it.

Both executors hand an `Outcome` here, so that the gate decides alike: an expectation that saw no value does not hold,
whatever its success says.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from hallmark.expectations.suite import Entry

Engine = Literal["polars", "gx"]

RESULT_KEYS = (
    "element_count",
    "unexpected_count",
    "unexpected_percent",
    "missing_count",
    "missing_percent",
    "unexpected_percent_total",
    "unexpected_percent_nonmissing",
    "observed_value",
)
"""What is kept of a result: counts and statistics. Lists and `details`, which quote the data, are left out."""
TRUE_OF_NOTHING = {
    "expect_column_to_exist",
    "expect_column_type_to_be",
    "expect_column_values_to_be_null",
    "expect_column_values_to_be_of_type",
    "expect_column_values_to_be_in_type_list",
    "expect_column_proportion_of_non_null_values_to_be_between",
}
"""What may rightly hold for a column without a single value."""
WITHOUT_OBSERVED = {"expect_column_most_common_value_to_be_in_set"}
"""Whose observed value is a list of the data's values."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an executor found for one entry."""

    success: bool
    result: dict[str, Any] = field(default_factory=dict)
    """great-expectations' `result` of format BASIC, as JSON values, with the keys in RESULT_KEYS only."""
    rows: tuple[int, ...] = ()
    """Places, from 0, of the first rows that are unexpected, where the executor says so."""
    close: bool = False
    """A statistic is so near to its limit that another order of summation may decide otherwise."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the gate makes of one entry."""

    entry: Entry
    engine: Engine
    outcome: dict[str, Any]
    """`success` and `result`, as great-expectations writes them. `observed_value` may be a value of the data, such as
    a minimum: the figures of a report leave it out."""
    held: bool
    failing: pl.Expr | pl.Series | None = field(default=None, repr=False, compare=False)
    """Which rows are unexpected, where that can be said: a truth for each, or their places, from 0."""
    vacuous: bool
    """It saw no value, so that it would have held for anything."""

    @property
    def unexpected(self) -> int | None:
        count = self.outcome["result"].get("unexpected_count")
        return None if count is None else int(count)

    @property
    def unexpected_percent(self) -> float | None:
        """Of the values that are not missing, from 0 to 100, with four decimals."""
        percent = self.outcome["result"].get("unexpected_percent")
        return round(float(percent), 4) if percent is not None and math.isfinite(percent) else None


def judged(entry: Entry, engine: Engine, outcome: Outcome, seen: int | None, failing: pl.Expr | None = None) -> Result:
    """The entry's result.

    Args:
        failing: for each row whether it is unexpected, if the executor does not list such rows.
        seen: how many values its columns hold where its row condition does; None where that does not matter.
    """
    elements, missing = outcome.result.get("element_count"), outcome.result.get("missing_count")
    counted_none = elements == 0 or (elements is not None and missing == elements)
    uncounted = elements is None and entry.type not in TRUE_OF_NOTHING and seen == 0
    vacuous = outcome.success and (counted_none or uncounted)
    return Result(
        entry=entry,
        engine=engine,
        outcome={"success": outcome.success, "result": outcome.result},
        held=outcome.success and not vacuous,
        failing=pl.Series(outcome.rows, dtype=pl.UInt32) if outcome.rows else failing,
        vacuous=vacuous,
    )


def of_rows(*, success: bool, elements: int, missing: int | None, unexpected: int) -> Outcome:
    """The outcome of an expectation about each row.

    Args:
        elements: rows that the row condition leaves.
        missing: rows of these without a value; None for an expectation about just that, which has no such counts.
    """
    of_all = 100 * unexpected / elements if elements else None
    result: dict[str, Any] = {"element_count": elements, "unexpected_count": unexpected, "unexpected_percent": of_all}
    if missing is not None:
        there = elements - missing
        of_there = unexpected / there * 100 if there else None
        result |= {
            "unexpected_percent": of_there,
            "missing_count": missing,
            "missing_percent": missing / elements * 100 if elements else None,
            "unexpected_percent_total": of_all,
            "unexpected_percent_nonmissing": of_there,
        }
    return Outcome(success=success, result=result)


def most_hold(considered: int, unexpected: int, mostly: float) -> bool:
    """great-expectations' rule for `mostly`, in its own order of operations."""
    return considered == 0 or (float(considered) - float(unexpected)) / float(considered) >= mostly


def plain(value: Any) -> Any:
    """A value as JSON: numbers of numpy and pandas become Python's, times ISO 8601, what is not a number None."""
    if isinstance(value, (str, bool)) or value is None:
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return plain(value.tolist())
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return value if isinstance(value, int) else str(value)
