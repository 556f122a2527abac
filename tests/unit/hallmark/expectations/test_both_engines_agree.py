"""The two executors on generated tables and suites: no difference in any outcome, count or percent.

HALLMARK_CASES says how many (table, expectation) pairs both executors evaluate, 2,000 if it does not.
"""

import json
import math
import os
import warnings
from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hallmark.errors import BadInputError
from hallmark.expectations import gx_engine
from hallmark.expectations.polars_engine.engine import PLANNERS, evaluate
from hallmark.expectations.results import Outcome
from hallmark.expectations.suite import Entry

from .generated import KINDS, expectations, tables

CASES = int(os.environ.get("HALLMARK_CASES", "2000"))
ENTRIES = 20
"""Of a suite. More of them would make hypothesis, which draws up to 8 KiB for an example, end them all alike."""
ANSWERED = 9
"""Of these, how many at least polars evaluates, in the mean."""


def same(found: Any, wanted: Any) -> bool:
    """Equal, and statistics up to the order of summation."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[key], wanted[key]) for key in found)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(found, float) or isinstance(wanted, float):
        numbers = isinstance(found, (int, float)) and isinstance(wanted, (int, float))
        return numbers and math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-8)
    return bool(found == wanted)


def test_polars_and_great_expectations_find_the_same_in_the_same_rows() -> None:
    evaluated: Counter[str] = Counter()
    listed: Counter[str] = Counter()

    @settings(
        max_examples=math.ceil(CASES / ANSWERED),
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(st.data())
    def compare(data: st.DataObject) -> None:
        frame = data.draw(tables())
        first = data.draw(st.integers(0, len(KINDS) - 1))
        kinds = [KINDS[(first + number) % len(KINDS)] for number in range(ENTRIES)]
        drawn = [data.draw(expectations(frame, kind)) for kind in kinds]
        entries = [
            Entry(where=f"expectation {number}", type=each["type"], kwargs=each["kwargs"], severity="critical")
            for number, each in enumerate(drawn)
        ]
        answers = evaluate(entries, frame.lazy(), frame.schema)
        asked = [place for place, outcome in answers.outcomes.items() if not outcome.close]
        theirs = gx_engine.evaluate([entries[place] for place in asked], frame.to_pandas())
        for place, their in zip(asked, theirs, strict=True):
            ours = answers.outcomes[place]
            agree = ours.success == their.success and same(ours.result, their.result)
            assert agree, told(frame, entries[place], ours, their)
            if their.rows and place in answers.failing:
                rows = tuple(frame.select(answers.failing[place].fill_null(value=False)).to_series().arg_true())
                assert rows == their.rows, told(frame, entries[place], ours, their)
                listed[entries[place].type] += 1
            evaluated[entries[place].type] += 1

    compare()
    assert evaluated.total() >= CASES
    assert set(evaluated) == set(PLANNERS)
    assert len(listed) >= 20, "rows that failed were compared for too few types"
    print(f"{evaluated.total()} cases: {dict(evaluated.most_common())}")


def told(frame: pl.DataFrame, entry: Entry, ours: Outcome, theirs: Outcome) -> str:
    columns = {name: (str(dtype), frame[name].to_list()) for name, dtype in frame.schema.items()}
    asked = [f"{name}: {columns[name]}" for name in columns if name in json.dumps(entry.kwargs, ensure_ascii=False)]
    return "\n".join([entry.type, json.dumps(entry.kwargs, ensure_ascii=False), *asked, f"{ours}", f"{theirs}"])


def test_polars_evaluates_at_least_35_expectations() -> None:
    assert len(PLANNERS) >= 35


def test_every_type_that_polars_evaluates_is_one_of_great_expectations() -> None:
    with warnings.catch_warnings(action="ignore"):
        from great_expectations.expectations.registry import list_registered_expectation_implementations

    assert set(PLANNERS) <= set(list_registered_expectation_implementations())


def test_comparing_finds_a_difference() -> None:
    entry = Entry(where="1", type="expect_table_row_count_to_equal", kwargs={"value": 1}, severity="critical")
    theirs = gx_engine.evaluate([entry], pl.DataFrame({"a": [1, 2]}).to_pandas())[0]
    assert not same(theirs.result, {"observed_value": 1})
    assert same(theirs.result, {"observed_value": 2})


def test_what_polars_answers_great_expectations_evaluates_too() -> None:
    # The comparison would say so: an error there ends it.
    entry = Entry(where="1", type="expect_column_mean_to_be_between", kwargs={"column": "a"}, severity="critical")
    with pytest.raises(BadInputError):
        gx_engine.evaluate([entry], pl.DataFrame({"a": ["x"]}).to_pandas())
