from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from hallmark.expectations.results import Result
from hallmark.expectations.runner import Choice, run_suite
from hallmark.expectations.suite import Entry, Suite

Judge = Callable[..., Result]


@pytest.fixture
def judge() -> Judge:
    """The result of one expectation about a frame."""

    def run(frame: pl.DataFrame, kind: str, *, engine: Choice = "auto", **kwargs: Any) -> Result:
        entry = Entry(where="suite.json: expectation 1", type=f"expect_{kind}", kwargs=kwargs, severity="critical")
        return run_suite(Suite(file="suite.json", entries=(entry,)), frame.lazy(), engine=engine)[0]

    return run
