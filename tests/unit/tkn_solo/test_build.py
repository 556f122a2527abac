"""The fully resolved invocation of a task: variables, environment, mounts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tkn_solo.errors import InputError
from tkn_solo.invocation import TaskInvocation
from tkn_solo.sources import Sources

Build = Callable[..., TaskInvocation]

HEAD = """
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: run, labels: {team: blue}}
spec:
"""


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for name, key, value in (("token", "key", "secret value"), ("config", "colour", "blue")):
        (tmp_path / name).mkdir()
        (tmp_path / name / key).write_text(value)
    (tmp_path / "claim").mkdir()
    return Sources(
        {
            ("secret", "token"): tmp_path / "token",
            ("configMap", "config"): tmp_path / "config",
            ("claim", "data"): tmp_path / "claim",
        }
    )


def test_paths_and_context_are_put_in_in_tektons_order(invocation: Build) -> None:
    task = invocation(
        HEAD
        + """
  params: [{name: p, value: "$(context.taskRun.name) $(results.r.path) $(params.q)"}]
  taskSpec:
    params: [{name: p}, {name: q, default: never}]
    results: [{name: r}]
    steps:
      - name: s
        image: i
        results: [{name: own}]
        command: ["$(params.p)", "$(results['r'].path)", "$(step.results.own.path)", "$(steps.step-s.exitCode.path)"]
        args: ["$(context.task.retry-count)", "$(context.taskRun.uid)", "$(credentials.path)"]
"""
    )
    (step,) = task.steps
    # A value that holds a variable of a later pass is expanded, one that holds a parameter is not.
    assert step.command == (
        "run /tekton/results/r $(params.q)",
        "/tekton/results/r",
        "/tekton/steps/step-s/results/own",
        "/tekton/steps/step-s/exitCode",
    )
    assert step.args == ("0", "some-uid", "/tekton/creds")


def test_the_environment_has_kubernetes_precedence(invocation: Build, sources: Sources) -> None:
    task = invocation(
        HEAD
        + """
  taskSpec:
    stepTemplate:
      env: [{name: A, value: template}, {name: B, value: template}]
    steps:
      - name: s
        image: i
        command: ["$(B)", "$$(B)", "$(NONE)"]
        envFrom:
          - configMapRef: {name: config}
          - {prefix: S_, secretRef: {name: token}}
          - secretRef: {name: gone, optional: true}
        env:
          - {name: B, value: step}
          - {name: C, value: "$(A) $(B) $(LATER)"}
          - {name: SECRET, valueFrom: {secretKeyRef: {name: token, key: key}}}
          - {name: GONE, valueFrom: {configMapKeyRef: {name: config, key: gone, optional: true}}}
          - {name: TEAM, valueFrom: {fieldRef: {fieldPath: "metadata.labels['team']"}}}
          - {name: UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
          - {name: LATER, value: x}
""",
        sources,
    )
    (step,) = task.steps
    assert dict(step.env) == {
        "colour": "blue",
        "S_key": "secret value",
        "A": "template",
        "B": "step",
        "C": "template step $(LATER)",
        "SECRET": "secret value",
        "TEAM": "blue",
        "UID": "some-uid",
        "LATER": "x",
    }
    assert step.command == ("step", "$(B)", "$(NONE)")


def test_a_step_wins_over_its_template_and_a_script_keeps_the_command_out(invocation: Build) -> None:
    task = invocation(
        HEAD
        + """
  taskSpec:
    stepTemplate:
      {image: template, command: [a], args: [b], workingDir: /w,
       securityContext: {runAsUser: 7, readOnlyRootFilesystem: true}}
    steps:
      - {name: plain}
      - {name: own, image: own, command: [c], args: [d], securityContext: {runAsUser: 8}}
      - {name: script, script: echo}
"""
    )
    plain, own, script = task.steps
    assert (plain.image, plain.command, plain.args, plain.working_dir) == ("template", ("a",), ("b",), "/w")
    assert (own.image, own.command, own.args) == ("own", ("c",), ("d",))
    assert (own.user, own.read_only_root) == (8, True)
    assert (script.command, script.script) == ((), "echo")


def test_lists_are_merged_in_kubernetes_order(invocation: Build) -> None:
    def env(names: str) -> str:
        return ", ".join(f"{{name: {name}, value: {name}}}" for name in names)

    def merged(template: str, step: str) -> str:
        text = HEAD + f"  taskSpec: {{stepTemplate: {{env: [{env(template)}]}}, steps: [{{image: i, env: [{env(step)}]"
        (found,) = invocation(text + ", script: x}]}\n").steps
        return "".join(name for name, _ in found.env)

    # Answers of upstream's MergeStepsWithStepTemplate.
    cases = {("ABC", "CBD"): "ACBD", ("ABC", "B"): "ABC", ("AB", "C"): "CAB", ("ABCD", "DXB"): "ACDXB"}
    assert {case: merged(*case) for case in cases} == cases


SPACES = (
    HEAD
    + """
  workspaces:
    - {name: data, persistentVolumeClaim: {claimName: data}, subPath: a/b}
    - {name: key, secret: {secretName: token}}
    - {name: own, emptyDir: {}}
  taskSpec:
    workspaces: [{name: data, readOnly: true}, {name: key}, {name: own, mountPath: /own}, {name: none, optional: true}]
    volumes: [{name: v, emptyDir: {}}, {name: c, configMap: {name: config}}]
    steps:
      - name: one
        image: i
        workspaces: [{name: key, mountPath: /key}]
        volumeMounts: [{name: v, mountPath: /v}, {name: c, mountPath: /c}]
        args:
          - $(workspaces.data.path)
          - $(workspaces.key.bound)
          - $(workspaces.none.path)
          - $(workspaces.none.bound)
          - $(workspaces.data.claim)
        script: x
      - {name: two, image: i, script: x}
"""
)


def test_workspaces_and_volumes_become_mounts_and_isolated_ones_reach_only_who_names_them(
    invocation: Build, sources: Sources, tmp_path: Path
) -> None:
    task = invocation(SPACES, sources)
    one, two = task.steps
    assert {mount.target: mount.read_only for mount in one.mounts} == {
        "/workspace/data": True,
        "/key": True,
        "/own": False,
        "/v": False,
        "/c": True,
    }
    assert [mount.target for mount in two.mounts] == ["/own", "/workspace/data"]
    data = two.mounts[1].volume
    assert (data.root, data.sub_path) == (tmp_path / "claim", "a/b")
    assert one.args == ("/workspace/data", "true", "", "false", "data")
    assert two.mounts[0].volume.root.is_relative_to(task.pod_dir)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("secretName: token", "secretName: gone"), "the secret 'gone' is not known on this machine"),
        (("claimName: data", "claimName: gone"), "the claim 'gone' is not known on this machine"),
        (("name: config", "name: gone"), "the configMap 'gone' is not known on this machine"),
    ],
)
def test_what_this_machine_was_not_given_is_bad_input(
    change: tuple[str, str], message: str, invocation: Build, sources: Sources
) -> None:
    with pytest.raises(InputError, match=message):
        invocation(SPACES.replace(*change), sources)


def test_sidecars_and_the_machines_network_do_not_go_together(invocation: Build) -> None:
    text = (
        HEAD.replace("labels: {team: blue}", "labels: {hallmark.dev/network: host}")
        + """
  taskSpec:
    sidecars: [{name: x, image: i}]
    steps: [{name: s, image: i, script: x}]
"""
    )
    with pytest.raises(InputError, match="only one of them is supported"):
        invocation(text)
    assert invocation(text.replace("sidecars: [{name: x, image: i}]", "")).host_network
