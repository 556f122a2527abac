"""The results of a finished PipelineRun."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from tkn_solo.conditions import Condition
from tkn_solo.facts import Facts
from tkn_solo.graph import ResultReference, value_references
from tkn_solo.model import PipelineResult
from tkn_solo.substitution import Replacements, replace_value
from tkn_solo.values import Value
from tkn_solo.variables import merge, of_value


def pipeline_results(declared: tuple[PipelineResult, ...], facts: Facts) -> tuple[dict[str, Value], list[str]]:
    """The values, and the names of results that a successful task should have written and did not.

    A result is left out silently if its producer did not succeed, or if its value refers to no result.
    """
    values: dict[str, Value] = {}
    broken: list[str] = []
    for result in declared:
        found = list(value_references(result.value))
        if not found:
            continue
        there = [_value(reference, facts) for reference in found]
        if all(value is not None for value in there):
            values[result.name] = replace_value(result.value, merge(_variables(found, facts)))
        elif any(
            value is None and facts.succeeded(reference.task) for value, reference in zip(there, found, strict=True)
        ):
            broken.append(result.name)
    return values, broken


def _value(reference: ResultReference, facts: Facts) -> Value | None:
    # As upstream (GetTaskRunsResults): what a failed task has written is for other tasks, and for no result of the run.
    if not facts.succeeded(reference.task):
        return None
    end = facts.progress[reference.task].end
    value = end.results.get(reference.result) if end is not None else None
    if value is None:
        return None
    if isinstance(value, tuple) and reference.index not in (None, "*"):
        position = int(str(reference.index))
        return value[position] if position < len(value) else None
    if reference.key is not None:
        return None if isinstance(value, str | tuple) else value.get(reference.key)
    return value


def _variables(found: list[ResultReference], facts: Facts) -> Iterator[Replacements]:
    for reference in found:
        end = facts.progress[reference.task].end
        if end is not None:
            for root in ("tasks", "finally"):
                prefix = f"{root}.{reference.task}.results"
                yield of_value(prefix, reference.result, end.results[reference.result])


def with_results(condition: Condition, broken: list[str], run: str) -> Condition:
    """The condition, or the failure to get a pipeline result."""
    if not broken:
        return condition
    message = (
        f"Failed to get PipelineResult from TaskRun Results for PipelineRun {run}: "
        f"invalid pipelineresults [{' '.join(broken)}], the referenced results don't exist"
    )
    return dataclasses.replace(condition, succeeded=False, reason="CouldntGetPipelineResult", message=message)
