"""The order of a pipeline's tasks: edges from runAfter and from results (upstream pkg/reconciler/pipeline/dag)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tkn_solo.errors import InputError
from tkn_solo.model import PipelineTask
from tkn_solo.substitution import texts
from tkn_solo.values import Value

# Upstream orders tasks only by this spelling (pkg/internal/resultref); `validate` refuses the others.
_RESULT = re.compile(
    r"\$\((?:tasks|finally)\.(?P<task>[_a-zA-Z0-9-]+)\.results\.(?P<result>[_a-zA-Z0-9-]+)"
    r"(?:\[(?P<index>[0-9]+|\*)\]|\.(?P<key>[_a-zA-Z0-9-]+))?\)"
)
_BRACKETS = re.compile(r"""tasks\.([^.()\s]+)\.results\[(?:"([^"]+)"|'([^']+)')\]""")


@dataclass(frozen=True)
class ResultReference:
    """One use of a task's result; `expression` is the text between `$(` and `)`."""

    task: str
    result: str
    index: str | None
    key: str | None
    expression: str


def result_references(text: str) -> Iterator[ResultReference]:
    """The result references in a text."""
    for match in _RESULT.finditer(text):
        yield ResultReference(match["task"], match["result"], match["index"], match["key"], match[0][2:-1])


def bracket_references(text: str) -> Iterator[tuple[str, str]]:
    """Task and result of `tasks.T.results["R"]`, which makes no edge and is replaced only beside a plain one."""
    for match in _BRACKETS.finditer(text):
        yield match[1], match[2] or match[3]


def value_references(value: Value) -> Iterator[ResultReference]:
    """The result references in a parameter's or a result's value."""
    items = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else tuple(value.values())
    for item in items:
        yield from result_references(item)


def task_references(task: PipelineTask) -> Iterator[ResultReference]:
    """The references that order `task`: in params, when, and an embedded spec's steps and sidecars."""
    for param in task.params:
        yield from value_references(param.value)
    for when in task.when:
        for text in (when.input, *when.values):
            yield from result_references(text)
    if task.task_spec is not None:
        for part in (*task.task_spec.steps, *task.task_spec.sidecars):
            for _, text, _ in texts(part):
                yield from result_references(text)


def parents(tasks: Iterable[PipelineTask]) -> dict[str, tuple[str, ...]]:
    """Each task's parents, by name in sorted order.

    Raises InputError for a parent that is not there, a task that names itself, or a cycle.
    """
    listed = list(tasks)
    names = {task.name for task in listed}
    edges = {}
    for task in listed:
        wanted = {reference.task for reference in task_references(task)} | set(task.run_after)
        if unknown := sorted(wanted - names):
            raise InputError(
                f"task {task.name} depends on {unknown[0]} but {unknown[0]} wasn't present in Pipeline",
                condition="PipelineInvalidGraph",
                solution=f"Tasks in the Pipeline: {', '.join(sorted(names))}.",
            )
        edges[task.name] = tuple(sorted(wanted))
    order(edges)
    return edges


def order(edges: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The tasks, parents first, otherwise as written; raises InputError if there is a cycle."""
    done: dict[str, None] = {}
    waiting = list(edges)
    while waiting:
        ready = [name for name in waiting if all(parent in done for parent in edges[name])]
        if not ready:
            stuck = {name: [parent for parent in edges[name] if parent not in done] for name in waiting}
            told = "; ".join(f'task "{name}" depends on "{", ".join(above)}"' for name, above in sorted(stuck.items()))
            raise InputError(f"cycle detected; {told}", condition="PipelineInvalidGraph")
        done.update(dict.fromkeys(ready))
        waiting = [name for name in waiting if name not in done]
    return list(done)
