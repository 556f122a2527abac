"""What is refused to those who may start pipelines beside the signing key, asked of the API server itself."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from cluster import overlay
from cluster.catalog import OVERLAY
from cluster.kubectl import get, kubectl
from cluster.places import PIPELINES_NAMESPACE as NAMESPACE
from hallmark.process import Completed

from .asking import ADMINISTRATOR, Change, Object, ask, assert_denied

CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def pipeline_run(settings: Mapping[str, str]) -> Object:
    """A run as somebody who may start runs starts it."""
    bound = ("repository-url", "config-repository-url", "candidate-image", "release-image", "tls-verify")
    params = {name: settings[f"param.{name}"].split()[0] for name in bound}
    params |= {name: f"{value}iris" for name, value in params.items() if name != "tls-verify"}
    params["base-image"] = settings["param.base-image"].split()[0]
    secrets = {
        "validation-data": "iris-validation-data",
        "signing-key": "signing-key",
        "candidate-credential": "candidates",
        "release-credential": "releases",
    }
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "asked-about", "namespace": NAMESPACE},
        "spec": {
            "pipelineRef": {"name": "model-delivery"},
            "taskRunTemplate": {"serviceAccountName": "default"},
            "params": [{"name": name, "value": value} for name, value in params.items()],
            "workspaces": [
                {"name": "run", "volumeClaimTemplate": {"spec": CLAIM}},
                {"name": "policy", "configMap": {"name": "iris-policy"}},
                *({"name": name, "secret": {"secretName": secret}} for name, secret in secrets.items()),
            ],
        },
    }


def task_run(**spec: Any) -> Object:
    owner = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": "x", "uid": "1", "controller": True}
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": "asked-about", "namespace": NAMESPACE, "ownerReferences": [owner]},
        "spec": spec or {"taskRef": {"name": "sign-image"}},
    }


def spec(**fields: Any) -> Change:
    return lambda item: item["spec"].update(copy.deepcopy(fields))


def workspace(number: int, **source: Any) -> Change:
    def change(item: Object) -> None:
        item["spec"]["workspaces"][number] = {"name": item["spec"]["workspaces"][number]["name"], **source}

    return change


def param(name: str, value: Any) -> Change:
    def change(item: Object) -> None:
        item["spec"]["params"] = [each for each in item["spec"]["params"] if each["name"] != name]
        item["spec"]["params"].append({"name": name, "value": value})

    return change


def has_no_pipeline_ref(item: Object) -> None:
    del item["spec"]["pipelineRef"]
    item["spec"]["pipelineSpec"] = {"tasks": [{"name": "sign-image", "taskRef": {"name": "sign-image"}}]}


def opens_the_network(item: Object) -> None:
    item["metadata"]["labels"] = {"hallmark.dev/network": "host"}


RESOLVER = {"resolver": "git", "params": [{"name": "url", "value": "https://elsewhere.example/catalog"}]}
SNAPSHOT = {"kind": "PersistentVolumeClaim", "name": "of-another-run"}


def labels(**found: str) -> Change:
    return lambda item: item["metadata"].update(labels=found)


WRONG_RUNS: dict[str, tuple[Change, str]] = {
    "brings a pipeline": (has_no_pipeline_ref, "only installed pipelines run"),
    "names another pipeline": (spec(pipelineRef={"name": "sign-anything"}), "only installed pipelines run"),
    "fetches a pipeline": (spec(pipelineRef=RESOLVER), "only installed pipelines run"),
    "runs as another account": (
        spec(taskRunTemplate={"serviceAccountName": "hallmark-triggers"}),
        "no service account",
    ),
    "runs one task as another account": (
        spec(taskRunSpecs=[{"pipelineTaskName": "train", "serviceAccountName": "hallmark-triggers"}]),
        "no service account",
    ),
    "sets variables": (
        spec(taskRunTemplate={"podTemplate": {"env": [{"name": "PYTHONPATH", "value": "/workspace"}]}}),
        "changes nothing of its pods",
    ),
    "brings volumes": (
        spec(taskRunTemplate={"podTemplate": {"volumes": [{"name": "key", "secret": {"secretName": "signing-key"}}]}}),
        "changes nothing of its pods",
    ),
    "changes one task's pod": (
        spec(taskRunSpecs=[{"pipelineTaskName": "train", "podTemplate": {"hostNetwork": True}}]),
        "changes nothing of its pods",
    ),
    "labels one task's pod": (
        spec(taskRunSpecs=[{"pipelineTaskName": "train", "metadata": {"labels": {"hallmark.dev/network": "host"}}}]),
        "changes nothing of its pods",
    ),
    "opens the network": (opens_the_network, "is the Task's to say"),
    "works on another's volume": (
        workspace(0, persistentVolumeClaim={"claimName": "of-another-run"}),
        "a new and empty volume",
    ),
    "begins with another's volume": (
        workspace(0, volumeClaimTemplate={"spec": {**CLAIM, "dataSource": SNAPSHOT}}),
        "a new and empty volume",
    ),
    "begins with another's data": (
        workspace(0, volumeClaimTemplate={"spec": {**CLAIM, "dataSourceRef": SNAPSHOT}}),
        "a new and empty volume",
    ),
    "picks a volume": (
        workspace(0, volumeClaimTemplate={"spec": {**CLAIM, "volumeName": "pv-of-another-run"}}),
        "a new and empty volume",
    ),
    "reads another's volume": (
        workspace(1, persistentVolumeClaim={"claimName": "of-another-run"}, subPath="labels"),
        "another run's volume",
    ),
    "projects a Secret": (
        workspace(1, projected={"sources": [{"secret": {"name": "signing-key"}}]}),
        "another run's volume",
    ),
    "sends the source's credential away": (
        param("repository-url", "https://elsewhere.example/iris.git"),
        "the param repository-url must begin",
    ),
    "sends the configuration's credential away": (
        param("config-repository-url", "https://elsewhere.example/config.git"),
        "the param config-repository-url must begin",
    ),
    "releases elsewhere": (param("release-image", "elsewhere.example/iris"), "the param release-image must begin"),
    "tests what lies elsewhere": (
        param("candidate-image", "elsewhere.example/iris"),
        "the param candidate-image must begin",
    ),
    "gives a list for an address": (
        param("repository-url", ["https://elsewhere.example"]),
        "the param repository-url must begin",
    ),
    "builds on a stranger's image": (
        param("base-image", "elsewhere.example/base@sha256:" + "0" * 64),
        "the param base-image must begin",
    ),
    "builds on somebody's candidate": (
        param("base-image", "candidates.hallmark.test:5000/candidates/iris@sha256:" + "0" * 64),
        "the param base-image must begin",
    ),
    "takes a policy from a Secret": (
        workspace(1, secret={"secretName": "iris-policy"}),
        "the workspace policy is bound",
    ),
    "takes a part of a policy": (
        workspace(1, configMap={"name": "iris-policy", "items": [{"key": "policy.yaml", "path": "policy.yaml"}]}),
        "the workspace policy is bound",
    ),
    "brings a key of its own": (workspace(3, configMap={"name": "iris-policy"}), "the workspace signing-key is bound"),
    "brings a credential of its own": (
        workspace(5, configMap={"name": "iris-policy"}),
        "the workspace release-credential is bound",
    ),
    "passes for the EventListener": (labels(eventlistener="hallmark"), "a run has no label eventlistener"),
    "passes for another run's": (labels(**{"tekton.dev/pipelineRun": "x"}), "a run has no label"),
    "says something else of TLS": (param("tls-verify", "perhaps"), "the param tls-verify must begin"),
}


def test_a_run_is_started(settings):
    done = ask(pipeline_run(settings), ADMINISTRATOR)
    assert done.exit_code == 0, done.stderr


def test_a_run_may_say_how_long_and_with_how_much_memory(settings):
    item = pipeline_run(settings)
    resources = {"requests": {"memory": "1Gi"}}
    item["spec"]["timeouts"] = {"pipeline": "2h", "tasks": "1h30m"}
    item["spec"]["taskRunTemplate"]["podTemplate"] = {"securityContext": {"fsGroup": 65532}}
    item["spec"]["taskRunSpecs"] = [{"pipelineTaskName": "train", "computeResources": resources, "timeout": "1h"}]
    done = ask(item, ADMINISTRATOR)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("wrong", WRONG_RUNS)
def test_no_run_is_started_that(settings, wrong):
    change, phrase = WRONG_RUNS[wrong]
    item = pipeline_run(settings)
    change(item)
    assert_denied(ask(item, ADMINISTRATOR), phrase)


SAME_IN_V1BETA1: dict[str, tuple[Object, str]] = {
    "runs as another account": ({"serviceAccountName": "hallmark-triggers"}, "no service account"),
    "runs one task as another account": (
        {"taskRunSpecs": [{"pipelineTaskName": "train", "taskServiceAccountName": "hallmark-triggers"}]},
        "no service account",
    ),
    "is on the node's network": ({"podTemplate": {"hostNetwork": True}}, "changes nothing of its pods"),
    "sends a credential to another host": (
        {
            "taskRunSpecs": [
                {
                    "pipelineTaskName": "update-manifest",
                    "taskPodTemplate": {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["git.hallmark.test"]}]},
                }
            ]
        },
        "changes nothing of its pods",
    ),
    "loads code into a gate": (
        {
            "taskRunSpecs": [
                {
                    "pipelineTaskName": "verify-model",
                    "taskPodTemplate": {"env": [{"name": "LD_PRELOAD", "value": "/workspace/source/data/logo.dat"}]},
                }
            ]
        },
        "changes nothing of its pods",
    ),
}


def in_v1beta1(settings: Mapping[str, str]) -> Object:
    item = pipeline_run(settings)
    del item["spec"]["taskRunTemplate"]
    return {**item, "apiVersion": "tekton.dev/v1beta1"}


def test_a_run_in_the_old_version_is_started(settings):
    done = ask(in_v1beta1(settings), ADMINISTRATOR)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("wrong", SAME_IN_V1BETA1)
def test_no_run_is_started_in_the_old_version_that(settings, wrong):
    """Fields have other names there, by which no policy would find them."""
    fields, phrase = SAME_IN_V1BETA1[wrong]
    item = in_v1beta1(settings)
    item["spec"].update(copy.deepcopy(fields))
    assert_denied(ask(item, ADMINISTRATOR), phrase)


def test_an_address_must_be_that_host_s(settings):
    """`https://git.example` alone would also begin `https://git.example@elsewhere.example/`."""
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", word) for word in settings["param.base-image"].split())
    for name in ("repository-url", "config-repository-url", "candidate-image", "release-image"):
        assert all(word.endswith("/") for word in settings[f"param.{name}"].split()), f"end param.{name} with /"


def test_no_task_runs_by_itself(tekton):
    assert_denied(ask(task_run(), ADMINISTRATOR), "run as part of a pipeline")
    alone = task_run()
    del alone["metadata"]["ownerReferences"]
    assert_denied(ask(alone, tekton), "run as part of a pipeline")


def test_tekton_runs_installed_tasks_only(tekton):
    done = ask(task_run(), tekton)
    assert done.exit_code == 0, done.stderr
    steps = {"steps": [{"name": "a", "image": "registry.example/a:1", "command": ["a"]}]}
    assert_denied(ask(task_run(taskSpec=steps), tekton), "only installed Tasks run")
    assert_denied(ask(task_run(taskRef=RESOLVER), tekton), "only installed Tasks run")


@pytest.fixture(scope="module")
def pending_run(settings: Mapping[str, str]) -> Iterator[str]:
    """A run that Tekton does not begin."""
    item = pipeline_run(settings)
    item["metadata"]["name"] = "admission-test"
    item["spec"]["status"] = "PipelineRunPending"
    kubectl("create", "-f", "-", stdin=yaml.safe_dump(item))
    yield "admission-test"
    kubectl("delete", "pipelinerun", "admission-test", f"--namespace={NAMESPACE}")


def test_tekton_itself_is_refused_a_pod_that_gives_the_key_to_the_maker_s_tests(tekton, pending_run):
    """Really created: the whole way from a misled TaskRun to the pod that Tekton is not allowed to make."""
    uid = (get("pipelinerun", pending_run, namespace=NAMESPACE) or {})["metadata"]["uid"]
    item = task_run(
        taskRef={"name": "test-code"},
        params=[{"name": name, "value": "x"} for name in ("source-digest", "policy-digest")],
        workspaces=[
            *({"name": name, "emptyDir": {}} for name in ("source", "report")),
            {"name": "policy", "secret": {"secretName": "signing-key"}},
        ],
    )
    item["metadata"]["name"] = "admission-test"
    item["metadata"]["ownerReferences"][0].update(name=pending_run, uid=uid)
    kubectl("create", "-f", "-", *tekton, stdin=yaml.safe_dump(item))
    try:
        ended = ["wait", "taskrun", "admission-test", f"--namespace={NAMESPACE}", "--for=condition=Succeeded=False"]
        kubectl(*ended, "--timeout=60s")
        status = (get("taskrun", "admission-test", namespace=NAMESPACE) or {})["status"]
        assert status["conditions"][0]["reason"] == "PodCreationFailed"
        assert "the Secret signing-key is not for this step" in status["conditions"][0]["message"]
    finally:
        kubectl("delete", "taskrun", "admission-test", f"--namespace={NAMESPACE}")


def patch(name: str, change: Object, *more: str) -> Completed:
    what = ["patch", "pipelinerun", name, f"--namespace={NAMESPACE}", "--dry-run=server", *ADMINISTRATOR, *more]
    return kubectl(*what, "--type=merge", f"--patch={json.dumps(change)}", accept=None)


def test_a_run_cannot_be_changed_into_another(pending_run):
    assert_denied(patch(pending_run, {"spec": {"pipelineRef": {"name": "other"}}}), "only installed pipelines run")
    label = {"metadata": {"labels": {"hallmark.dev/network": "host"}}}
    assert_denied(patch(pending_run, label), "is the Task's to say")


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "none", "uid": "1"}]}},
        {"metadata": {"labels": {"hallmark.dev/commit": "another"}}},
        {"metadata": {"annotations": {"hallmark.dev/message": "another"}}},
        {"metadata": {"finalizers": ["hallmark.dev/never"]}},
        {"spec": {"timeouts": {"pipeline": "9h"}}},
    ],
    ids=["vanish", "be another commit's", "tell another message", "stay for ever", "last longer"],
)
def test_whoever_may_cancel_a_run_cannot_make_it(pending_run, change):
    done = patch(pending_run, change)
    assert done.exit_code != 0, "it was admitted"
    assert "stays as it is" in done.stderr or "Once the PipelineRun" in done.stderr, done.stderr


def test_a_run_may_be_cancelled_when_the_settings_no_longer_allow_it(pending_run):
    change = {"data": {"param.repository-url": "https://nobody.example/"}}
    where = ["configmap", "hallmark-admission", "--namespace=hallmark-admission", "--type=merge"]
    kubectl("patch", *where, f"--patch={json.dumps(change)}")
    try:
        done = patch(pending_run, {"spec": {"status": "CancelledRunFinally"}})
    finally:
        # As its owner would: a patch would leave the setting in the hands of whoever patched.
        overlay.apply(OVERLAY, force=True)
    assert done.exit_code == 0, done.stderr


def test_a_run_may_be_cancelled(pending_run):
    done = patch(pending_run, {"spec": {"status": "CancelledRunFinally"}})
    assert done.exit_code == 0, done.stderr


def test_only_tekton_says_how_a_run_went(pending_run):
    forged = {"status": {"results": [{"name": "verdict-digest", "value": "sha256:0"}]}}
    assert_denied(patch(pending_run, forged, "--subresource=status"), "only Tekton's controller says")
