"""tkn-solo against upstream's own functions: the same question, the same answer.

The oracle (tools/tekton/cmd/tekton-oracle) links Tekton Pipelines itself; nothing here is a copy of what it answers.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laptop import go_tools
from tkn_solo.build import merge_template
from tkn_solo.decode import decode, encode
from tkn_solo.errors import InputError
from tkn_solo.graph import parents
from tkn_solo.model import Param, PipelineTask, Step, StepTemplate
from tkn_solo.substitution import Replacements, replace_item, replace_text
from tkn_solo.values import type_of, value_to_data
from tkn_solo.yamltree import Tree, documents

MODULE = Path(__file__).parents[2] / "tools" / "tekton"
ORACLE = MODULE.parents[1] / ".tools" / "bin" / "tekton-oracle"

Ask = Callable[..., dict[str, Any]]

# The oracle holds no state, so that one process can serve all examples of a test.
many = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Asks the oracle: its reply, with `answer` or `error`."""
    if not go_tools.is_built(MODULE, "./cmd/tekton-oracle", ORACLE):
        go_tools.build(MODULE, "./cmd/tekton-oracle", ORACLE)
    with subprocess.Popen([ORACLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def question(function: str, **fields: Any) -> dict[str, Any]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({"function": function, **fields}) + "\n")
            process.stdin.flush()
            reply: dict[str, Any] = json.loads(process.stdout.readline())
            assert not reply.get("error", "").startswith("question:"), reply
            return reply

        yield question
        process.stdin.close()


def tree(data: Any) -> Tree:
    """The data as if it had been read from a file."""
    return next(documents(json.dumps(data), "question.yaml"))


NAMES = ["params.x", "params.y", 'params["a.b"]', "params['x']", "params.list", "params.list[0]", "context.task.name"]
VALUES = ["", "plain", "$(params.x)", "$(params.y)", "$", "$(", ")", "params.x", "$$"]
PIECES = [*[f"$({name})" for name in NAMES], "$(params.list[*])", "$(date)", "$$", "$(", ")", "(", "$", " ", "text"]


@many
@given(
    text=st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    strings=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES)),
    arrays=st.dictionaries(
        st.sampled_from(["params.list", "params.other", 'params["list"]']),
        st.lists(st.sampled_from(VALUES), max_size=3),
    ),
)
def test_variables_are_replaced_alike(
    ask: Ask, text: str, strings: dict[str, str], arrays: Mapping[str, list[str]]
) -> None:
    known = Replacements(strings, {name: tuple(items) for name, items in arrays.items()})
    ours = {"text": replace_text(text, known), "items": list(replace_item(text, known))}
    assert ours == ask("replace", text=text, strings=strings, arrays=arrays)["answer"]


SCALARS = ["text", "'1'", "1", "1.5", "-0", "1e3", "0x10", "0b1", "true", "yes", "'yes'", "n", "~", "null", "''"]
SCALARS += ["2026-01-01", "1:30", "1_000", "017", ".5", "+1", "é", "'a\\b'"]


@many
@given(
    st.one_of(
        st.sampled_from(SCALARS),
        st.lists(st.sampled_from(SCALARS), max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(["a", "b.c", "d"]), st.sampled_from(SCALARS), max_size=2).map(
            lambda items: f"{{{', '.join(f'{key}: {value}' for key, value in items.items())}}}"
        ),
        st.sampled_from(["[[a]]", "{a: {b: c}}", "[{a: b}]", "{a: [b]}"]),
    )
)
def test_a_value_is_read_alike(ask: Ask, text: str) -> None:
    param = f"name: p\nvalue: {text}\n"
    theirs = ask("value", yaml=param)["answer"]
    found = decode(Param, next(documents(param, "question.yaml")), "param").value
    assert {"type": type_of(found), "value": value_to_data(found)} == theirs


TASKS = ["a", "b", "c", "d", "e"]


@st.composite
def pipelines(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some tasks, each after some others (also later ones, itself, and one that is not there) in every way there is."""
    names = draw(st.lists(st.sampled_from(TASKS), min_size=1, unique=True))
    # Mostly no cycle: a task mostly comes after tasks that are written before it.
    wild = draw(st.integers(0, 9)) == 0
    tasks = []
    for position, name in enumerate(names):
        others = [*names, "missing"] if wild else names[:position]
        above = st.lists(st.sampled_from(others), max_size=2) if others else st.just([])
        task: dict[str, Any] = {"name": name, "runAfter": draw(above)}
        spelling = draw(
            st.sampled_from(["$(tasks.{}.results.r)", "$(tasks.{}.results['r'])", "$(tasks.{}.results.r[0])"])
        )
        task["params"] = [{"name": f"p{n}", "value": spelling.format(up)} for n, up in enumerate(draw(above))]
        task["when"] = [{"input": spelling.format(up), "operator": "in", "values": ["x"]} for up in draw(above)]
        if draw(st.booleans()):
            scripts = [f"echo {spelling.format(up)}" for up in draw(above)] or ["true"]
            task["taskSpec"] = {"steps": [{"name": "s", "image": "i", "script": script} for script in scripts]}
        else:
            task["taskRef"] = {"name": "t"}
        tasks.append(task)
    return tasks


@many
@given(tasks=pipelines(), data=st.data())
def test_tasks_are_ordered_alike(ask: Ask, tasks: list[dict[str, Any]], data: st.DataObject) -> None:
    try:
        edges: Mapping[str, tuple[str, ...]] | None = parents(
            decode(PipelineTask, tree(task), "task") for task in tasks
        )
    except InputError:
        edges = None
    if edges is None:
        assert "error" in ask("graph", tasks=tasks, done=[])
        return
    done: list[str] = []
    sets, ours = [], []
    while True:
        candidates = sorted(name for name in edges if name not in done and set(edges[name]) <= set(done))
        sets.append(list(done))
        ours.append(candidates)
        if not candidates:
            break
        done.append(data.draw(st.sampled_from(candidates)))
    theirs = ask("graph", tasks=tasks, done=sets)["answer"]
    assert {"parents": {name: list(above) for name, above in edges.items()}, "candidates": ours} == theirs


def _environment(values: list[str]) -> st.SearchStrategy[list[dict[str, str]]]:
    entry = st.fixed_dictionaries({"name": st.sampled_from(["A", "B", "C"]), "value": st.sampled_from(values)})
    return st.lists(entry, max_size=3, unique_by=lambda item: item["name"])


COMMON = {
    "image": st.sampled_from(["one", "two"]),
    "command": st.lists(st.sampled_from(["c", "d"]), min_size=1, max_size=2),
    "args": st.lists(st.sampled_from(["x", "y"]), min_size=1, max_size=2),
    "workingDir": st.sampled_from(["/one", "/two"]),
    "env": _environment(["1", "$(A)", "$(B)"]),
    "volumeMounts": st.lists(
        st.fixed_dictionaries({"name": st.sampled_from(["v", "w"]), "mountPath": st.sampled_from(["/v", "/w"])}),
        max_size=2,
        unique_by=lambda item: item["mountPath"],
    ),
    "securityContext": st.fixed_dictionaries(
        {}, optional={"runAsUser": st.integers(0, 2), "runAsNonRoot": st.booleans(), "privileged": st.just(False)}
    ),
}


def filled(data: Any) -> Any:
    """Without what is empty or false, as every field is when it is left out."""
    if isinstance(data, dict):
        kept = {key: filled(value) for key, value in data.items()}
        return {key: value for key, value in kept.items() if value not in ({}, [], "", None) and value is not False}
    return [filled(item) for item in data] if isinstance(data, list) else data


@many
@given(
    template=st.fixed_dictionaries({}, optional=COMMON),
    step=st.fixed_dictionaries({"name": st.just("s")}, optional=COMMON),
)
def test_a_step_is_merged_with_its_template_alike(ask: Ask, template: dict[str, Any], step: dict[str, Any]) -> None:
    merged = merge_template(decode(Step, tree(step), "step"), decode(StepTemplate, tree(template), "template"))
    theirs = ask("template", template=template, step=step)["answer"]
    assert comparable(encode(merged)) == comparable(theirs)


def comparable(step: dict[str, Any]) -> dict[str, Any]:
    """What matters in a step: the order of its variables (one may name an earlier one), not that of its mounts."""
    kept: dict[str, Any] = filled(step)
    kept.get("volumeMounts", []).sort(key=lambda mount: mount["mountPath"])
    return kept
