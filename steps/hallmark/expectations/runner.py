"""Runs a suite: by polars in one pass over the data, by great-expectations what polars does not answer exactly alike.

Which of the two answered stands in each result. An expectation that could not be evaluated is bad input and not bad
data; one that saw no value did not hold, whatever it says.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import polars as pl
from polars.exceptions import PolarsError

from hallmark.errors import BadInputError
from hallmark.expectations.polars_engine import engine as polars_engine
from hallmark.expectations.results import Engine, Outcome, Result, judged
from hallmark.expectations.suite import Entry, Suite
from hallmark.nearest import did_you_mean

Choice = Literal["auto", "polars", "gx"]
CHOICES: tuple[Choice, ...] = ("auto", "polars", "gx")


def run_suite(suite: Suite, data: pl.LazyFrame, *, engine: Choice = "auto") -> list[Result]:
    """The result of every entry, in the file's order.

    Args:
        data: read once for what polars evaluates, streaming; what great-expectations evaluates takes its columns into
            memory.
        engine: `auto` asks great-expectations where polars would not answer exactly as it does, `polars` refuses such
            entries, `gx` asks great-expectations for all.

    Raises:
        BadInputError: an entry of an unknown type, with wrong arguments, for a column that does not exist, or one that
            cannot be evaluated (on the engine that was chosen); or the data cannot be read.
    """
    schema = dict(data.collect_schema())
    for entry in suite.entries:
        _require_columns(entry, schema)
    try:
        answers = polars_engine.evaluate(suite.entries, data, schema, answer=engine != "gx")
    except PolarsError as error:
        raise BadInputError(
            f"the data could not be read to its end: {type(error).__name__}",
            solution="check the file, or export it anew",
        ) from error
    chosen: dict[int, tuple[Engine, Outcome]] = {
        place: ("polars", outcome)
        for place, outcome in answers.outcomes.items()
        if engine == "polars" or not outcome.close
    }
    left = [place for place in range(len(suite.entries)) if place not in chosen]
    if left and engine == "polars":
        entry = suite.entries[left[0]]
        raise BadInputError(
            f"{entry.where} ({entry.type}) is not one that polars evaluates: {answers.declined[left[0]]}",
            solution="choose the engine auto or gx",
        )
    if left:
        from hallmark.expectations import gx_engine

        asked = [suite.entries[place] for place in left]
        for place, outcome in zip(left, gx_engine.evaluate(asked, _in_memory(data, asked, schema)), strict=True):
            chosen[place] = ("gx", outcome)
    return [
        judged(
            entry,
            *chosen[place],
            seen=answers.seen.get(place),
            failing=answers.failing.get(place) if chosen[place][0] == "polars" else None,
        )
        for place, entry in enumerate(suite.entries)
    ]


def _require_columns(entry: Entry, columns: Collection[str]) -> None:
    for column in entry.columns:
        if column not in columns and entry.type != "expect_column_to_exist":
            raise BadInputError(
                f"{entry.where} is about column {column}, which the data does not have",
                solution=did_you_mean(column, columns, "correct the suite, or the data"),
            )


def _in_memory(data: pl.LazyFrame, entries: Sequence[Entry], schema: Collection[str]) -> Any:
    """The columns that the entries look into, as a pandas frame; all of them where that cannot be told."""
    names: set[str] = set()
    for entry in entries:
        if not entry.columns or "row_condition" in entry.kwargs or entry.type == "expect_column_to_exist":
            names = set(schema)
            break
        names.update(entry.columns)
    return data.select([name for name in schema if name in names]).collect(engine="streaming").to_pandas()
