"""A mistake in a document is told in its author's words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hallmark.documents.baseline import Baseline
from hallmark.documents.loading import Document, parse
from hallmark.documents.mistakes import PATTERNS
from hallmark.documents.model import Model
from hallmark.documents.policy import Policy
from hallmark.errors import BadInputError

SAMPLE = Path(__file__).parents[4] / "samples/iris"
POLICY = (SAMPLE / "validators/policy/policy.yaml").read_text()
MODEL = (SAMPLE / "repository/hallmark.yaml").read_text()


def mistake(before: str, after: str) -> BadInputError:
    text, document = (POLICY, Policy) if before in POLICY else (MODEL, Model)
    assert before in text
    with pytest.raises(BadInputError) as caught:
        parse(text.replace(before, after), document, name="file.yaml")
    said = f"{caught.value.message} {caught.value.solution}"
    assert not any(word in said for word in ("Input should", "Value error", "pattern", "function-"))
    return caught.value


@pytest.mark.parametrize(
    ("before", "after", "what", "hint"),
    [
        ("version: 1.0.0", "version: 1.0", "metadata.version is 1.0, but must be text", "put it in quotes"),
        ("version: 1.0.0", "version: '1'", 'is "1", but must be a semantic version such as 1.0.0', "write a semantic"),
        ("formats: [skops]", "formats: [skop]", 'formats.0 is "skop", but must be one of', "did you mean skops?"),
        ("minimum: 0.9", "minimum: '0.9'", 'is "0.9", but must be a number', "without quotes"),
        ("C: 1.0", "C: [1]", "parameters.C is a list of 1, but must be text, a number or true or false", "write text"),
        ("path: independent.csv", "path: ../x", "path: must be a path inside its folder", "correct data.independent"),
        ("minimumRows: 30", "minimumRows:", "model.minimumRows is empty, but must be a whole number", "whole number"),
        (
            "path: independent.csv",
            "path: x\n    delimiter: 'http://ada:secret@x'",
            "delimiter is another text",
            "single",
        ),
    ],
)
def test_it_says_what_stands_there_and_what_may(before: str, after: str, what: str, hint: str) -> None:
    error = mistake(before, after)
    assert what in error.message
    assert hint in error.solution
    assert "secret" not in error.message


def test_every_mistake_has_its_place_and_its_hint() -> None:
    error = mistake("minimumRows: 30", "minimunRows: 30\n  tmeout: 5\n  formast: []")
    line = POLICY.splitlines().index("  minimumRows: 30") + 1
    assert [f"file.yaml:{line + more}:3" in error.message for more in range(3)] == [True] * 3
    assert error.solution.startswith(
        "model.minimunRows: did you mean minimumRows?; model.tmeout: did you mean timeout?; "
        "model.formast: did you mean formats?"
    )


def test_of_a_value_of_several_kinds_only_the_kind_that_was_meant_is_told() -> None:
    error = mistake("maximumOverlap: 0", "maximumOverlap: 0\n  training: {rows: {minimun: 3}}")
    assert error.message.endswith("unknown key data.training.rows.minimun")
    assert error.solution == "did you mean minimum?"


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for inner in schema.values():
            yield from patterns(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from patterns(inner)


@pytest.mark.parametrize("document", [Policy, Model, Baseline])
def test_every_pattern_has_words(document: type[Document]) -> None:
    missing = sorted(set(patterns(document.model_json_schema())) - PATTERNS.keys())
    assert not missing, "say in PATTERNS of documents/mistakes.py what each of these asks for"
