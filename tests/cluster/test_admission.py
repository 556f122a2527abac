"""What is refused beside the signing key, asked of the API server itself: a test for each way to come by it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cluster.kubectl import apply, get, kubectl
from cluster.places import PIPELINES_NAMESPACE as NAMESPACE
from hallmark.process import Completed

from .asking import ADMINISTRATOR, Change, Object, ask, assert_admitted, assert_denied

DIGEST = "sha256:" + "0" * 64


def first(settings: Mapping[str, str], name: str) -> str:
    return settings[name].split()[0]


def step(settings: Mapping[str, str], name: str, image: str, *command: str) -> Object:
    """A step as Tekton puts it into a pod: called through its entrypoint."""
    ours = ["-post_file", "/tekton/run/0/out", "-termination_path", "/tekton/termination", "-entrypoint", command[0]]
    return {
        "name": f"step-{name}",
        "image": settings[f"image-{image}"],
        "command": ["/tekton/bin/entrypoint"],
        "args": [*ours, "--", *command[1:]],
        "volumeMounts": [{"name": "tekton-internal-bin", "mountPath": "/tekton/bin", "readOnly": True}],
    }


def pod(settings: Mapping[str, str], *steps: Object, secrets: Mapping[str, str] | None = None) -> Object:
    """A pod as Tekton makes it for a Task; `secrets`: workspace -> name of the Secret that every step mounts."""
    volumes: list[Object] = [{"name": "tekton-internal-bin", "emptyDir": {}}]
    for number, (workspace, secret) in enumerate((secrets or {}).items()):
        volumes.append({"name": f"ws-{number}", "secret": {"secretName": secret}})
        for each in steps:
            each["volumeMounts"].append({"name": f"ws-{number}", "mountPath": f"/workspace/{workspace}"})
    prepare = {
        "name": "prepare",
        "image": first(settings, "tekton-images") + "entrypoint",
        "command": ["/ko-app/entrypoint", "init", "/ko-app/entrypoint", "/tekton/bin/entrypoint"],
        "volumeMounts": [{"name": "tekton-internal-bin", "mountPath": "/tekton/bin"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "asked-about", "namespace": NAMESPACE},
        "spec": {
            "initContainers": [prepare],
            "containers": list(steps),
            "volumes": volumes,
            "serviceAccountName": "default",
        },
    }


def signing_pod(settings: Mapping[str, str]) -> Object:
    secrets = {"signing-key": "signing-key", "release-credential": "releases", "candidate-credential": "candidates"}
    return pod(settings, step(settings, "sign", "delivery", "hallmark", "sign-image", "--verdict=v"), secrets=secrets)


def probing_pod(settings: Mapping[str, str]) -> Object:
    candidate = {"name": "sidecar-candidate", "image": f"{first(settings, 'param.candidate-image')}iris@{DIGEST}"}
    return pod(settings, step(settings, "probe", "steps", "hallmark", "test-image"), candidate)


def with_text(item: Object, before: str, after: str) -> Object:
    text = json.dumps(item)
    assert before in text
    changed: Object = json.loads(text.replace(before, after))
    return changed


def main_container(item: Object) -> Object:
    found: Object = item["spec"]["containers"][0]
    return found


def adds_to_step(**fields: Any) -> Change:
    return lambda item: main_container(item).update(copy.deepcopy(fields))


def adds_to_pod(**fields: Any) -> Change:
    return lambda item: item["spec"].update(copy.deepcopy(fields))


def adds_volume(volume: Object, mount_path: str = "") -> Change:
    def change(item: Object) -> None:
        item["spec"]["volumes"].append(volume)
        if mount_path:
            main_container(item)["volumeMounts"].append({"name": volume["name"], "mountPath": mount_path})

    return change


def runs(*arguments: str) -> Change:
    return adds_to_step(args=["-post_file", "/tekton/run/0/out", *arguments])


def mounts_the_key_before(item: Object) -> None:
    item["spec"]["initContainers"][0]["volumeMounts"].append({"name": "ws-0", "mountPath": "/workspace/key"})


def begins_with_a_step(item: Object) -> None:
    item["spec"]["initContainers"].append({"name": "first", "image": main_container(item)["image"]})


def replaces_the_entrypoint(item: Object) -> None:
    item["spec"]["volumes"][0] = {"name": "tekton-internal-bin", "configMap": {"name": "mine"}}


def has_a_candidate_beside(item: Object) -> None:
    item["spec"]["containers"].append({"name": "sidecar-candidate", "image": f"elsewhere.example/iris@{DIGEST}"})


def asks_for(secret: str) -> Change:
    return lambda item: item["spec"]["volumes"][1].update(secret={"secretName": secret})


WRONG_WITHOUT_A_SECRET: dict[str, tuple[Change, str]] = {
    "loads code into a gate": (
        adds_to_step(env=[{"name": "LD_PRELOAD", "value": "/workspace/source/data/logo.dat"}]),
        "no environment variables",
    ),
    "has variables from a ConfigMap": (
        adds_to_step(envFrom=[{"configMapRef": {"name": "x"}}]),
        "no environment variables",
    ),
    "gives a host another address": (
        adds_to_pod(hostAliases=[{"ip": "10.0.0.1", "hostnames": ["git.hallmark.test"]}]),
        "on the cluster's network",
    ),
    "asks another name server": (adds_to_pod(dnsConfig={"nameservers": ["10.0.0.1"]}), "on the cluster's network"),
    "asks the node's name server": (adds_to_pod(dnsPolicy="Default"), "on the cluster's network"),
    "runs as another account": (adds_to_pod(serviceAccountName="hallmark-triggers"), "no service account"),
}

WRONG_PODS: dict[str, tuple[Change, str]] = {
    "runs another image": (adds_to_step(image="docker.io/library/busybox"), "only the catalog's own images run"),
    "runs a candidate beside the key": (has_a_candidate_beside, "only the catalog's own images run"),
    "runs a shell": (adds_to_step(command=["sh"], args=["-c", "cat /workspace/*/*"]), "is not for this step"),
    "runs another program": (runs("-entrypoint", "sh", "--", "sign-image"), "is not for this step"),
    "runs another command": (runs("-entrypoint", "hallmark", "--", "test-code"), "is not for this step"),
    "names the command in vain": (
        runs("-entrypoint", "sh", "--", "-c", "id", "-entrypoint", "hallmark", "--", "sign-image"),
        "is not for this step",
    ),
    "has no arguments": (adds_to_step(args=[]), "is not for this step"),
    "asks for the independent data": (asks_for("iris-validation-data"), "is not for this step"),
    "asks for a Secret that nobody knows": (asks_for("key-of-signing"), "is not for this step"),
    "mounts the key in an init container": (mounts_the_key_before, "is not for this step"),
    "has an init container of the catalog": (begins_with_a_step, "all steps run the catalog's images"),
    "has a variable": (
        adds_to_step(env=[{"name": "PYTHONPATH", "value": "/workspace/run"}]),
        "no environment variables",
    ),
    "has variables from a ConfigMap": (
        adds_to_step(envFrom=[{"configMapRef": {"name": "x"}}]),
        "no environment variab",
    ),
    "has a variable from a Secret": (
        adds_to_step(
            env=[{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "signing-key", "key": "cosign.key"}}}]
        ),
        "no Secret becomes an environment variable",
    ),
    "has variables from a Secret": (
        adds_to_step(envFrom=[{"secretRef": {"name": "signing-key"}}]),
        "no Secret becomes an environment variable",
    ),
    "projects the key": (
        adds_volume({"name": "all", "projected": {"sources": [{"secret": {"name": "signing-key"}}]}}),
        "volumes here are",
    ),
    "has a driver's volume": (adds_volume({"name": "all", "csi": {"driver": "vault.example"}}), "volumes here are"),
    "covers the programs": (
        adds_volume({"name": "mine", "configMap": {"name": "mine"}}, "/usr/local/bin"),
        "nothing is mounted over",
    ),
    "covers the programs by a detour": (
        adds_volume({"name": "mine", "configMap": {"name": "mine"}}, "/workspace/../usr/local/bin"),
        "nothing is mounted over",
    ),
    "covers Tekton's programs": (
        adds_volume({"name": "mine", "configMap": {"name": "mine"}}, "/tekton/bin/entrypoint"),
        "nothing is mounted over",
    ),
    "brings an entrypoint": (replaces_the_entrypoint, "nothing is mounted over"),
    "runs something beside the command": (
        adds_to_step(lifecycle={"postStart": {"exec": {"command": ["sh"]}}}),
        "runs its command and nothing else",
    ),
    "probes by a command": (
        adds_to_step(livenessProbe={"exec": {"command": ["sh"]}}),
        "runs its command and nothing else",
    ),
    "works elsewhere": (adds_to_step(workingDir="/workspace/run"), "runs its command and nothing else"),
    "shares its processes": (adds_to_pod(shareProcessNamespace=True), "runs its command and nothing else"),
}


def test_tekton_makes_the_signing_pod(settings, tekton):
    assert_admitted(ask(signing_pod(settings), tekton))


def test_a_model_may_have_secrets_of_its_own(settings, tekton):
    assert_admitted(ask(with_text(signing_pod(settings), '"signing-key"}', '"iris-signing-key"}'), tekton))


@pytest.mark.parametrize("wrong", WRONG_WITHOUT_A_SECRET)
def test_tekton_makes_no_pod_of_a_gate_that(settings, tekton, wrong):
    change, phrase = WRONG_WITHOUT_A_SECRET[wrong]
    item = probing_pod(settings)
    change(item)
    assert_denied(ask(item, tekton), phrase)


@pytest.mark.parametrize("wrong", WRONG_PODS)
def test_not_even_tekton_makes_a_pod_with_the_key_that(settings, tekton, wrong):
    change, phrase = WRONG_PODS[wrong]
    item = signing_pod(settings)
    change(item)
    assert_denied(ask(item, tekton), phrase)


@pytest.mark.parametrize("secret", ["signing-key", "releases", "config-credential", "iris-validation-data", "unknown"])
def test_nobody_else_makes_a_pod_with_a_secret(settings, secret):
    item = with_text(signing_pod(settings), '"signing-key"}', f'"{secret}"}}')
    assert_denied(ask(item, ADMINISTRATOR), "only a run of the pipeline is given the Secret")
    controller = ["--as=system:serviceaccount:kube-system:job-controller", "--as-group=system:masters"]
    assert_denied(ask(item, controller), "only a run of the pipeline is given the Secret")


def test_code_of_the_model_is_not_given_the_key_as_its_policy(settings, tekton):
    tests = step(settings, "test", "steps", "hallmark", "test-code")
    assert_denied(ask(pod(settings, tests, secrets={"policy": "signing-key"}), tekton), "is not for this step")


def test_a_candidate_runs_beside_the_step_that_calls_it(settings, tekton):
    assert_admitted(ask(probing_pod(settings), tekton))


@pytest.mark.parametrize(("before", "after"), [(f"@{DIGEST}", ":latest"), ("sidecar-candidate", "sidecar-other")])
def test_a_candidate_is_known_by_digest_and_place(settings, tekton, before, after):
    item = with_text(probing_pod(settings), before, after)
    assert_denied(ask(item, tekton), "only the catalog's own images run")


def test_only_tekton_runs_a_candidate(settings):
    assert_denied(ask(probing_pod(settings), ADMINISTRATOR), "only the catalog's own images run")


@pytest.mark.parametrize("field", ["labels", "ownerReferences"])
def test_nobody_passes_a_pod_off_as_a_run_s(settings, field):
    item = probing_pod(settings)
    item["spec"]["containers"].pop()
    assert_admitted(ask(item, ADMINISTRATOR))
    owner = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": "x", "uid": "1", "controller": True}
    item["metadata"][field] = {"labels": {"tekton.dev/taskRun": "x"}, "ownerReferences": [owner]}[field]
    assert_denied(ask(item, ADMINISTRATOR), "only Tekton's controller makes pods of a TaskRun")


@pytest.fixture(scope="module")
def waiting_pod(settings: Mapping[str, str]) -> Iterator[str]:
    """A pod of the catalog's image that no scheduler ever takes."""
    item = pod(settings, step(settings, "wait", "steps", "hallmark", "report"))
    item["metadata"]["name"] = "admission-test"
    item["spec"]["schedulerName"] = "nobody"
    apply(item)
    yield "admission-test"
    kubectl("delete", "pod", "admission-test", f"--namespace={NAMESPACE}", "--grace-period=0", "--force")


def patch(kind: str, name: str, change: Object, who: list[str], subresource: str = "") -> Completed:
    part = [f"--subresource={subresource}"] if subresource else []
    what = ["patch", kind, name, f"--namespace={NAMESPACE}", "--dry-run=server", *part, *who]
    return kubectl(*what, "--type=merge", f"--patch={json.dumps(change)}", accept=None)


def test_a_pod_keeps_its_images(settings, waiting_pod):
    image = {"spec": {"containers": [{"name": "step-wait", "image": "docker.io/library/busybox"}]}}
    done = kubectl(
        *["patch", "pod", waiting_pod, f"--namespace={NAMESPACE}", "--dry-run=server", *ADMINISTRATOR],
        f"--patch={json.dumps(image)}",
        accept=None,
    )
    assert_denied(done, "only the catalog's own images run")


def test_a_pod_may_be_labelled_but_not_adopted(waiting_pod):
    assert_admitted(patch("pod", waiting_pod, {"metadata": {"labels": {"seen": "yes"}}}, ADMINISTRATOR))
    adopted = {"metadata": {"labels": {"tekton.dev/taskRun": "x"}}}
    assert_denied(patch("pod", waiting_pod, adopted, ADMINISTRATOR), "only Tekton's controller makes pods of a TaskRun")


def test_only_its_node_says_how_a_pod_ended(waiting_pod):
    ended = {
        "name": "step-wait",
        "image": "x",
        "imageID": "x",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": {"exitCode": 0, "message": "[]"}},
    }
    change = {"status": {"containerStatuses": [ended]}}
    assert_denied(patch("pod", waiting_pod, change, ADMINISTRATOR, "status"), "only a pod's node says")
    gone = {"status": {"phase": "Failed", "reason": "Evicted"}}
    assert_admitted(patch("pod", waiting_pod, gone, ADMINISTRATOR, "status"))


@pytest.mark.parametrize("door", ["exec?command=sh", "attach?stdin=true", "portforward?ports=8080", "proxy/"])
def test_nobody_enters_a_pod(waiting_pod, door):
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{waiting_pod}/{door}"
    assert_denied(
        kubectl("create", f"--raw={path}", "-f", "-", *ADMINISTRATOR, stdin="{}", accept=None), "nobody enters"
    )


def test_nobody_puts_a_container_into_a_pod(settings, waiting_pod):
    change = {"spec": {"ephemeralContainers": [{"name": "debug", "image": settings["image-steps"]}]}}
    assert_denied(patch("pod", waiting_pod, change, ADMINISTRATOR, "ephemeralcontainers"), "nobody enters")


def test_the_default_service_account_can_do_nothing():
    who = f"--as=system:serviceaccount:{NAMESPACE}:default"
    for right in ("get secrets", "list pods", "create pods", "create pipelineruns", "get configmaps", "patch taskruns"):
        done = kubectl("auth", "can-i", *right.split(), who, f"--namespace={NAMESPACE}", accept=None)
        assert done.stdout.strip() == "no", right
    account = get("serviceaccount", "default", namespace=NAMESPACE)
    assert account is not None
    assert account["automountServiceAccountToken"] is False


RIGHTS = {
    "hallmark-starter": ("create pipelineruns.tekton.dev", "get taskruns.tekton.dev", "list pipelines.tekton.dev"),
    "hallmark-auditor": ("get pods", "get configmaps", "list pipelineruns.tekton.dev"),
    "hallmark-log-reader": ("get pods", "get pods/log"),
}
NOBODY_HAS = (
    "get secrets",
    "create pods",
    "create pods/exec",
    "create taskruns.tekton.dev",
    "patch tasks.tekton.dev",
    "patch pipelines.tekton.dev",
    "patch configmaps",
    "create rolebindings.rbac.authorization.k8s.io",
)


@pytest.mark.parametrize("role", RIGHTS)
def test_a_role_gives_what_it_says_and_no_more(role):
    binding = f"{role}-test"
    group = ["--as=ben", f"--as-group={binding}"]
    kubectl("create", "rolebinding", binding, f"--role={role}", f"--group={binding}", f"--namespace={NAMESPACE}")
    try:
        for right in (*RIGHTS[role], *NOBODY_HAS):
            what, _, part = right.partition("/")
            arguments = [*what.split(), *([f"--subresource={part}"] if part else [])]
            done = kubectl("auth", "can-i", *arguments, *group, f"--namespace={NAMESPACE}", accept=None)
            assert done.stdout.strip() == ("yes" if right in RIGHTS[role] else "no"), right
    finally:
        kubectl("delete", "rolebinding", binding, f"--namespace={NAMESPACE}")
