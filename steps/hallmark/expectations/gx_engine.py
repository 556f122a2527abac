"""Runs expectations by great-expectations 1.x on a pandas frame, in memory, and believes its result only where it
means something.

Every entry must give exactly one result; one that could not be evaluated is bad input and not bad data. Values of the
data stay out of the results.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from hallmark.errors import BadInputError
from hallmark.expectations.results import RESULT_KEYS, WITHOUT_OBSERVED, Outcome, plain
from hallmark.expectations.suite import Entry
from hallmark.nearest import did_you_mean
from hallmark.redaction import redacted

_PLACE = "hallmark"
"""Key in an expectation's meta under which its place among the entries travels: results come in another order."""

MAXIMUM_ROWS = 200
"""Unexpected rows that are listed of one expectation."""


def evaluate(entries: Sequence[Entry], frame: Any) -> list[Outcome]:
    """The outcome of every entry, in their order.

    Args:
        frame: a pandas DataFrame.

    Raises:
        BadInputError: an entry of an unknown type, with wrong arguments, or one that great-expectations could not
            evaluate.
    """
    # great-expectations gives one result for two equal entries.
    first: dict[str, int] = {}
    same = [first.setdefault(json.dumps([entry.type, entry.kwargs]), place) for place, entry in enumerate(entries)]
    with _quiet():
        expectations = [_expectation(place, entries[place]) for place in first.values()]
        found = _validated(expectations, frame, {"result_format": "BASIC", "partial_unexpected_count": 0})
        rows = _rows([one for one in expectations if not found[one.meta[_PLACE]].success], frame)
    lost = set(first.values()) - set(found)
    if lost:
        raise BadInputError(
            f"{entries[min(lost)].where} gave no result", solution="write it so that it does not repeat another one"
        )
    return [_outcome(entry, found[place], rows.get(place, ())) for entry, place in zip(entries, same, strict=True)]


def _expectation(place: int, entry: Entry) -> Any:
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    known = list_registered_expectation_implementations()
    if entry.type not in known:
        raise BadInputError(
            f"{entry.where} is of the unknown type {entry.type}",
            solution=did_you_mean(entry.type, known, "great-expectations' gallery lists the types"),
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


def _rows(failed: list[Any], frame: Any) -> dict[int, tuple[int, ...]]:
    """The first unexpected rows of expectations that did not hold. Only now: it lists all of them."""
    if not failed:
        return {}
    found = _validated(failed, frame, {"result_format": "COMPLETE"})
    listed = {place: outcome.result.get("unexpected_index_list") or () for place, outcome in found.items()}
    return {place: tuple(sorted(map(int, rows))[:MAXIMUM_ROWS]) for place, rows in listed.items()}


def _validated(expectations: list[Any], frame: Any, result_format: dict[str, Any]) -> dict[int, Any]:
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
    validated: Any = batch.validate(
        gx.ExpectationSuite("hallmark", expectations=expectations), result_format=result_format
    )
    return {outcome.expectation_config.meta[_PLACE]: outcome for outcome in validated.results}


def _outcome(entry: Entry, found: Any, rows: tuple[int, ...]) -> Outcome:
    error = _error(found.exception_info)
    if error is not None:
        raise BadInputError(
            f"{entry.where} ({entry.type}) could not be evaluated: {redacted(error, limit=300)}",
            solution="correct its kwargs, or the type of the column that it looks into",
        )
    result = {key: plain(found.result[key]) for key in RESULT_KEYS if key in found.result}
    if entry.type in WITHOUT_OBSERVED:
        result["observed_value"] = None
    return Outcome(success=bool(found.success), result=result, rows=rows)


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
