"""From a run's text to its definition: lookups, variables, and everything that is refused before a task starts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tkn_solo.definition import RunDefinition
from tkn_solo.errors import InputError
from tkn_solo.facts import RunTimeouts

Resolve = Callable[[str], RunDefinition]

RUN = """
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: t}
spec:
  params: [{name: p, default: x}]
  workspaces: [{name: w, optional: true}]
  results: [{name: r}]
  steps: [{name: s, image: i, script: "echo $(params.p)"}]
---
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: pipe}
spec:
  params: [{name: a, default: b}]
  workspaces: [{name: ws, optional: true}]
  results: [{name: out, value: $(tasks.one.results.r)}]
  tasks:
    - name: one
      taskRef: {name: t}
      params: [{name: p, value: "$(params.a) $(context.pipelineRun.name) $(workspaces.ws.bound)"}]
    - name: two
      runAfter: [one]
      taskRef: {name: t}
  finally:
    - name: last
      taskRef: {name: t}
---
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: run}
spec:
  pipelineRef: {name: pipe}
"""


def test_params_context_and_workspaces_are_put_into_the_pipeline(definition: Resolve) -> None:
    run = definition(RUN)
    assert run.graph.tasks["one"].params[0].value == "b run false"
    assert run.graph.parents == {"one": (), "two": ("one",)}
    assert run.child_of("one") == "run-one"


REFUSED = [
    ("pipelineRef: {name: pipe}", "pipelineRef: {name: pip}", "CouldntGetPipeline", "Did you mean 'pipe'?"),
    ("pipelineRef: {name: pipe}", "params: []", "", "expected exactly one of pipelineRef and pipelineSpec"),
    (
        "    - name: two\n      runAfter: [one]\n      taskRef: {name: t}",
        "    - name: two\n      taskRef: {name: tt}",
        "CouldntGetTask",
        "the Task 'tt' is in none of the files",
    ),
    ("runAfter: [one]", "runAfter: [nine]", "PipelineInvalidGraph", "wasn't present in Pipeline"),
    ("runAfter: [one]", "runAfter: [two]", "PipelineInvalidGraph", "cycle detected"),
    (
        "runAfter: [one]",
        "params: [{name: p, value: $(tasks.one.results.zz)}]",
        "InvalidTaskResultReference",
        "'zz' is not a named result returned by pipeline task 'one'",
    ),
    ("results.r)", "results.zz)", "InvalidPipelineResultReference", "'zz' is not a named result"),
    ("runAfter: [one]", "params: [{name: p, value: $(params.zz)}]", "", "non-existent variable"),
    ("echo $(params.p)", "echo $(params.zz)", "", "non-existent variable"),
    ("runAfter: [one]", "params: [{name: p, value: [x]}]", "PipelineValidationFailed", "param 'p' is of type string"),
    (
        "{name: p, default: x}",
        "{name: p, default: x}, {name: q}",
        "PipelineValidationFailed",
        "missing values for these params which have no default values: [q]",
    ),
    ("{name: a, default: b}", "{name: a}", "ParameterMissing", "missing values for these params"),
    ("{name: ws, optional: true}", "{name: ws}", "InvalidWorkspaceBindings", "requires the workspace 'ws'"),
    ("runAfter: [one]", "workspaces: [{name: w, workspace: zz}]", "", "expects workspace with name 'zz'"),
    ("{name: w, optional: true}", "{name: w}", "", "which is not passed on"),
    ("runAfter: [one]", "retries: 1\n      onError: continue", "", "OnError cannot be set"),
    ("runAfter: [one]", "onError: explode", "", "expected continue or stopAndFail"),
    ("runAfter: [one]", "when: [{input: a, operator: like, values: [a]}]", "", "is not 'in' or 'notin'"),
    ("runAfter: [one]", "when: [{input: a, operator: in, values: []}]", "", "expecting non-empty values"),
    ("runAfter: [one]", "when: [{cel: \"'a' == 'a'\"}]", "", "'cel' is not supported"),
    ("runAfter: [one]", "matrix: {params: []}", "", "'matrix' is not supported"),
    (
        "runAfter: [one]",
        "params: [{name: p, value: \"$(tasks.one.results['r'])\"}]",
        "",
        "Tekton does not see the result",
    ),
    ("runAfter: [one]", "timeout: soon", "", "is not a duration"),
    ("runAfter: [one]", "params: [{name: p, value: $(tasks.one.status)}]", "", "only known to finally tasks"),
    ("    - name: last", "    - name: last\n      runAfter: [one]", "", "no runAfter allowed under spec.finally"),
    ("    - name: last", "    - name: one", "", "task 'one' stands there twice"),
    ("    - name: last", "    - name: Last", "", "task name 'Last'"),
    (
        "    - name: last",
        "    - name: last\n      params: [{name: p, value: $(tasks.nine.status)}]",
        "",
        "invalid pipeline task reference",
    ),
    (
        "    - name: last",
        "    - name: last\n      params: [{name: p, value: $(tasks.last.results.r)}]",
        "",
        "a finally task can only use results of tasks",
    ),
    (
        "pipelineRef: {name: pipe}",
        "pipelineRef: {name: pipe}\n  taskRunSpecs: [{pipelineTaskName: zz}]",
        "InvalidTaskRunSpecs",
        "taskRunSpecs names the task 'zz'",
    ),
    (
        "pipelineRef: {name: pipe}",
        "pipelineRef: {name: pipe}\n  timeouts: {pipeline: 1m, tasks: 2m}",
        "",
        "together are longer",
    ),
    (
        "pipelineRef: {name: pipe}",
        "pipelineRef: {name: pipe}\n  workspaces: [{name: ws}]",
        "",
        "needs exactly one source, has 0",
    ),
    (
        "pipelineRef: {name: pipe}",
        "pipelineRef: {name: pipe}\n  workspaces: [{name: ws, csi: {driver: x}}]",
        "",
        "'csi' is not supported",
    ),
    ("pipelineRef: {name: pipe}", "pipelineRef: {resolver: git}", "", "'resolver' is not supported"),
    ("pipelineRef: {name: pipe}", "pipelineRef: {name: pipe}\n  status: Cancelled", "", "'status' is not supported"),
    ('script: "echo $(params.p)"', "command: [a], script: b", "", "script cannot be used with command"),
    ('script: "echo $(params.p)"', "args: [a]", "", "neither command nor script"),
    ("image: i", "workingDir: /x", "", "the step has no image"),
    ("image: i", "image: i, workingDir: x", "", "workingDir 'x' is relative"),
    ("name: s, image: i", "name: s, image: i, onError: maybe", "", "expected continue or stopAndFail"),
    ("name: s, image: i", "name: s, image: i, timeout: -1s", "", "is negative"),
    (
        "name: s, image: i",
        "name: s, image: i, securityContext: {privileged: true}",
        "",
        "'privileged' is not supported",
    ),
    (
        "name: s, image: i",
        "name: s, image: i, securityContext: {runAsUser: 0, runAsNonRoot: true}",
        "",
        "runAsNonRoot is true",
    ),
    ("name: s, image: i", "name: s, image: i, workspaces: [{name: zz}]", "", "undefined workspace 'zz'"),
    (
        "name: s, image: i",
        "name: s, image: i, volumeMounts: [{name: zz, mountPath: /a}]",
        "",
        "which the Task does not declare",
    ),
    (
        "name: s, image: i",
        "name: s, image: i, env: [{name: E, valueFrom: {}}]",
        "",
        "valueFrom needs exactly one source",
    ),
    ("{name: r}", "{name: r, type: number}", "", "unknown type 'number'"),
    ("{name: r}", "{name: r}, {name: r}", "", "result 'r' stands there twice"),
    ("{name: p, default: x}", "{name: p, default: x, enum: [x]}", "", "'enum' is not supported"),
]


@pytest.mark.parametrize(("old", "new", "condition", "message"), REFUSED)
def test_what_cannot_be_honoured_is_refused_before_a_task_starts(
    old: str, new: str, condition: str, message: str, definition: Resolve
) -> None:
    assert RUN.count(old) >= 1
    with pytest.raises(InputError) as raised:
        definition(RUN.replace(old, new))
    assert message in str(raised.value)
    assert raised.value.condition == condition
    assert raised.value.exit_code == 2


def test_an_optional_workspace_cannot_serve_a_required_one(definition: Resolve) -> None:
    text = RUN.replace("{name: w, optional: true}", "{name: w}").replace(
        "taskRef: {name: t}", "taskRef: {name: t}\n      workspaces: [{name: w, workspace: ws}]"
    )
    with pytest.raises(InputError, match="is marked optional but pipeline task"):
        definition(text)


@pytest.mark.parametrize(
    ("timeouts", "expected"),
    [
        ("{}", RunTimeouts(3600, None, None)),
        ("{pipeline: 1m, tasks: 40s}", RunTimeouts(60, 40, 20)),
        ("{pipeline: 1m, finally: 10s}", RunTimeouts(60, 50, 10)),
        ('{pipeline: "0"}', RunTimeouts(None, None, None)),
        ('{pipeline: "0", tasks: 5s}', RunTimeouts(None, 5, None)),
        ("{tasks: 5s}", RunTimeouts(3600, 5, None)),
    ],
)
def test_the_missing_timeout_is_the_difference(timeouts: str, expected: RunTimeouts, definition: Resolve) -> None:
    run = definition(RUN + f"  timeouts: {timeouts}\n")
    assert run.timeouts == expected


def test_a_tasks_timeout_comes_from_the_run_then_from_the_pipeline_then_is_an_hour(definition: Resolve) -> None:
    text = RUN.replace("runAfter: [one]", "timeout: 5m") + "  taskRunSpecs: [{pipelineTaskName: last, timeout: 7s}]\n"
    run = definition(text)
    assert [run.tasks[name].timeout for name in ("one", "two", "last")] == [3600, 300, 7]


EMBEDDED = """
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {generateName: run-}
spec:
  params: [{name: outer, value: from-run}, {name: both, value: from-run}]
  workspaces: [{name: w, emptyDir: {}}]
  pipelineSpec:
    workspaces: [{name: w}]
    tasks:
      - name: one
        params: [{name: both, value: from-task}]
        taskSpec:
          params: [{name: both}]
          steps: [{name: s, image: i, command: [echo, $(params.outer), $(params.both), $(workspaces.w.path)]}]
"""


def test_an_embedded_task_inherits_params_and_workspaces_and_its_own_win(definition: Resolve) -> None:
    run = definition(EMBEDDED)
    spec = run.tasks["one"].spec
    assert spec.steps[0].command == ("echo", "from-run", "$(params.both)", "$(workspaces.w.path)")
    assert [item.name for item in run.graph.tasks["one"].workspaces] == ["w"]
    assert len(run.name) == len("run-") + 5


def test_an_unknown_param_in_an_embedded_task_is_refused(definition: Resolve) -> None:
    with pytest.raises(InputError, match="non-existent variable"):
        definition(EMBEDDED.replace("$(params.outer)", "$(params.nowhere)"))
