"""Runs a suite by great-expectations 1.x on a pandas frame, in memory, and believes its result only where it means
something.

Every entry must give exactly one result; one that could not be evaluated is bad input and not bad data; one that saw
no value at all did not hold, whatever it says. Values of the data stay out of the results.
"""

from __future__ import annotations

import contextlib
import difflib
import logging
import math
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hallmark.errors import BadInputError
from hallmark.expectations.suite import Entry, Suite
from hallmark.redaction import redacted

_PLACE = "hallmark"
"""Key in an expectation's meta under which its place in the file travels: results come in another order."""
_TRUE_OF_NOTHING = {
    "expect_column_to_exist",
    "expect_column_values_to_be_null",
    "expect_column_values_to_be_of_type",
    "expect_column_values_to_be_in_type_list",
    "expect_column_proportion_of_non_null_values_to_be_between",
}
"""What may rightly hold for a column without a single value."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came out of one entry; no value of the data."""

    entry: Entry
    held: bool
    vacuous: bool
    """It saw no value, so that it would have held for anything."""
    unexpected: int | None
    unexpected_percent: float | None


def run_suite(suite: Suite, frame: Any) -> list[Result]:
    """The result of every entry, in the file's order.

    Args:
        frame: a pandas DataFrame with at least one row.

    Raises:
        BadInputError: an entry of an unknown type, with wrong arguments, for a column that does not exist, or one that
            great-expectations could not evaluate.
    """
    for entry in suite.entries:
        _require_columns(entry, [str(column) for column in frame.columns])
    with _quiet():
        expectations = [_expectation(place, entry) for place, entry in enumerate(suite.entries)]
        found = _validated(expectations, frame)
    if set(found) != set(range(len(suite.entries))):
        lost = suite.entries[min(set(range(len(suite.entries))) - set(found))]
        raise BadInputError(f"{lost.where} gave no result", solution="write it so that it does not repeat another one")
    empty = {str(column) for column in frame.columns if frame[column].isna().all()}
    return [_result(entry, found[place], empty) for place, entry in enumerate(suite.entries)]


def _require_columns(entry: Entry, columns: list[str]) -> None:
    for column in entry.columns:
        if column not in columns and entry.type != "expect_column_to_exist":
            near = difflib.get_close_matches(column, columns, n=1)
            raise BadInputError(
                f"{entry.where} is about column {column}, which the data does not have",
                solution=f"did you mean {near[0]}?" if near else "correct the suite, or the data",
            )


def _expectation(place: int, entry: Entry) -> Any:
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    known = list_registered_expectation_implementations()
    if entry.type not in known:
        near = difflib.get_close_matches(entry.type, known, n=1)
        raise BadInputError(
            f"{entry.where} is of the unknown type {entry.type}",
            solution=f"did you mean {near[0]}?" if near else "great-expectations' gallery lists the types",
        )
    try:
        return ExpectationConfiguration(
            type=entry.type, kwargs=entry.kwargs, meta={_PLACE: place}, severity=FailureSeverity(entry.severity)
        ).to_domain_obj()
    except (GreatExpectationsError, ValueError, TypeError) as error:
        said = " ".join(str(error).split())[:300]
        raise BadInputError(
            f"{entry.where} ({entry.type}) has wrong arguments: {said}", solution="correct its kwargs"
        ) from error


def _validated(expectations: list[Any], frame: Any) -> dict[int, Any]:
    """great-expectations' results by the place of their entries."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
    )
    asset = context.data_sources.add_pandas("hallmark").add_dataframe_asset("data")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    # BASIC with no list of unexpected values: counts only.
    validated: Any = batch.validate(
        gx.ExpectationSuite("hallmark", expectations=expectations),
        result_format={"result_format": "BASIC", "partial_unexpected_count": 0},
    )
    return {outcome.expectation_config.meta[_PLACE]: outcome for outcome in validated.results}


def _result(entry: Entry, outcome: Any, empty: set[str]) -> Result:
    error = _error(outcome.exception_info)
    if error is not None:
        raise BadInputError(
            f"{entry.where} ({entry.type}) could not be evaluated: {redacted(error, limit=300)}",
            solution="correct its kwargs, or the type of the column that it looks into",
        )
    counts = outcome.result
    elements, missing = counts.get("element_count"), counts.get("missing_count")
    saw_nothing = elements == 0 or (elements is not None and missing == elements)
    uncounted = elements is None and entry.type not in _TRUE_OF_NOTHING and not empty.isdisjoint(entry.columns)
    vacuous = bool(outcome.success) and (saw_nothing or uncounted)
    percent = counts.get("unexpected_percent")
    return Result(
        entry=entry,
        held=bool(outcome.success) and not vacuous,
        vacuous=vacuous,
        unexpected=_number(counts.get("unexpected_count")),
        unexpected_percent=round(float(percent), 4) if percent is not None and math.isfinite(percent) else None,
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _error(info: Any) -> str | None:
    """What went wrong: great-expectations says it for the entry, or once for each metric that it needed."""
    if not isinstance(info, dict):
        return None
    for part in (info, *(value for value in info.values() if isinstance(value, dict))):
        if part.get("raised_exception"):
            return str(part.get("exception_message") or "no reason given")
    return None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No analytics, no warnings of other people's code, no log: the report says what there is to say."""
    logger = logging.getLogger("great_expectations")
    level, analytics = logger.level, os.environ.get("GX_ANALYTICS_ENABLED")
    logger.setLevel(logging.CRITICAL)
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        if analytics is None:
            del os.environ["GX_ANALYTICS_ENABLED"]
        else:
            os.environ["GX_ANALYTICS_ENABLED"] = analytics
