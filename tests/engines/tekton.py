"""The second engine: a real Tekton. Each scenario runs in a namespace of its own, which is removed afterwards."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from cluster import kubectl
from cluster.catalog import files_of, pull_secret, secret
from cluster.places import PROGRAMS
from cluster.waiting import until
from engines.scenario import Finished, Given, Scenario
from hallmark.process import run as run_tool

SECONDS = 180
"""How long a scenario may take: a pod starts in a few seconds, and several scenarios run at once."""

USER = 1000650000
"""The user of tkn-solo's steps, as OpenShift would choose one for a namespace."""

PLACEHOLDERS = {
    "registry.example/any": "check-code",
    "registry.example/buildah": "build-image",
    "registry.example/delivery": "update-manifest",
}
"""Image in a scenario to the installed Task whose first step's image stands for it."""

Object = dict[str, Any]


def run(scenario: Scenario, places: Mapping[str, object], *, seconds: float = SECONDS) -> Finished:
    """Run a scenario to its end.

    Raises:
        ToolFailedError: the cluster does not take one of its objects, or it did not end within `seconds`.
    """
    given = scenario.given(places)
    with namespace(scenario.name) as where:
        _give(given, where)
        documents = _with_images(scenario.documents)
        runs = [document for document in documents if document["kind"] in ("PipelineRun", "TaskRun")]
        _create(where, *(document for document in documents if document not in runs))
        what = runs[0] if runs else _started(scenario.start or "", given, where)
        _create(where, _with_user(what))
        objects = finished(what["kind"], what["metadata"]["name"], where, seconds=seconds)
        return Finished(objects=objects, logs={place: log(place, objects, where) for place in scenario.logs})


def finished(kind: str, name: str, where: str, *, seconds: float) -> list[Object]:
    """The run and its TaskRuns, in the order of its status, once all of them have ended."""
    found: list[Object] = []

    def ended() -> bool:
        # The run alone first: to ask for all of it each time would take a good part of the machine that it runs on.
        run = kubectl.get(kind.lower(), name, namespace=where)
        if run is not None and _condition(run) == "Unknown":
            return False
        found[:] = _objects(kind, name, where)
        return all(_condition(item) in ("True", "False") for item in found)

    until(ended, f"{kind} {where}/{name} to end", seconds=seconds, pause=2)
    return found


def log(place: str, objects: list[Object], where: str) -> list[str]:
    """The lines that a step printed. `place` is `task/step`; a later attempt's is `task-retry-N/step`."""
    task, _, step = place.partition("/")
    task, _, attempt = task.partition("-retry-")
    status = _status(task, objects)
    attempts = [*status.get("retriesStatus", []), status]
    pod, container = attempts[int(attempt or 0)]["podName"], f"step-{step}"
    done = kubectl.kubectl("logs", f"--namespace={where}", pod, f"--container={container}")
    return done.stdout.splitlines()


def logs(objects: list[Object], where: str) -> dict[str, str]:
    """What the steps and sidecars of all last attempts printed, by `task/step` and `task/sidecar-name`."""
    tasks = {child["name"]: child["pipelineTaskName"] for child in objects[0]["status"]["childReferences"]}
    found = {}
    for item in objects[1:]:
        task, status = tasks[item["metadata"]["name"]], item["status"]
        containers = {f"{task}/{step['name']}": step["container"] for step in status.get("steps", [])}
        containers |= {f"{task}/{side['container']}": side["container"] for side in status.get("sidecars", [])}
        for place, container in containers.items():
            what = ["logs", f"--namespace={where}", status["podName"], f"--container={container}"]
            found[place] = kubectl.kubectl(*what).stdout
    return found


@contextmanager
def namespace(name: str) -> Iterator[str]:
    """A new namespace, in which pods may pull from the cluster's registries."""
    where = f"{name}-{secrets.token_hex(3)}"
    labels = {"app.kubernetes.io/part-of": "hallmark-scenarios"}
    _create("", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": where, "labels": labels}})
    try:
        _create(where, pull_secret(namespace=where))
        # Kubernetes makes the service account itself, a moment after the namespace.
        until(lambda: bool(kubectl.get("serviceaccount", "default", namespace=where)), "a service account", seconds=30)
        patch = json.dumps({"imagePullSecrets": [{"name": "pull"}], "automountServiceAccountToken": False})
        kubectl.kubectl("patch", "serviceaccount", "default", f"--namespace={where}", f"--patch={patch}")
        yield where
    finally:
        kubectl.kubectl("delete", "namespace", where, "--wait=false")


def config_map(name: str, folder: Path) -> Object:
    """As text: of binary data Kubernetes makes no environment."""
    data = {key: content.decode() for key, content in files_of(folder).items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def step_image(task: str) -> str:
    """The image of the first step of an installed Task."""
    found = kubectl.get("task.tekton.dev", task, namespace="hallmark")
    assert found, f"the Task {task} is not installed: run `make cluster-up` first"
    return str(found["spec"]["steps"][0]["image"])


def have_images(*tasks: str) -> None:
    """Have the images of these Tasks on the node, so that no run needs the registry for them."""
    with namespace("images") as where:
        containers = [{"name": task, "image": step_image(task), "command": ["true"]} for task in tasks]
        spec = {"restartPolicy": "Never", "containers": containers}
        _create(where, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "images"}, "spec": spec})
        ended = ["wait", f"--namespace={where}", "pod/images", "--for=jsonpath={.status.phase}=Succeeded"]
        kubectl.kubectl(*ended, f"--timeout={SECONDS}s", timeout=SECONDS)


def _give(given: Given, where: str) -> None:
    _create(where, *(secret(name, files_of(folder), namespace=where) for name, folder in given.secrets.items()))
    _create(where, *(config_map(name, folder) for name, folder in given.config_maps.items()))
    for name, folder in given.claims.items():
        _fill_claim(name, folder, where)


def _fill_claim(name: str, folder: Path, where: str) -> None:
    """A claim that holds what a folder holds: a pod that does nothing is given the files."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    pod = {
        "securityContext": {"runAsUser": 0},
        "containers": [
            {
                "name": "fill",
                "image": step_image(PLACEHOLDERS["registry.example/any"]),
                "command": ["sleep", str(SECONDS)],
                "volumeMounts": [{"name": "claim", "mountPath": "/claim"}],
            }
        ],
        "volumes": [{"name": "claim", "persistentVolumeClaim": {"claimName": name}}],
        "terminationGracePeriodSeconds": 0,
    }
    _create(
        where,
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": claim},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"fill-{name}"}, "spec": pod},
    )
    here = f"--namespace={where}"
    kubectl.kubectl("wait", here, f"pod/fill-{name}", "--for=condition=Ready", f"--timeout={SECONDS}s", timeout=SECONDS)
    kubectl.kubectl("cp", here, f"{folder}/.", f"fill-{name}:/claim")
    kubectl.kubectl("delete", here, f"pod/fill-{name}")


def _started(pipeline: str, given: Given, where: str) -> Object:
    """The PipelineRun that `tkn pipeline start` makes."""
    flags = [f"--param={name}={value}" for name, value in given.params.items()]
    flags += [f"--workspace={flag}" for flag in given.workspaces]
    argv = [str(PROGRAMS / "tkn"), "pipeline", "start", pipeline, f"--namespace={where}", *flags]
    made = run_tool([*argv, "--dry-run", "--output=yaml"], env=kubectl.environment(), timeout=60).stdout
    found: Object = yaml.safe_load(made)
    found["metadata"] = {"name": f"{pipeline}-run"}
    return found


def _with_images(documents: list[Object]) -> list[Object]:
    text = yaml.safe_dump_all(documents)
    for placeholder in set(re.findall(r"registry\.example/\w+", text)):
        text = text.replace(placeholder, step_image(PLACEHOLDERS[placeholder]))
    return list(yaml.safe_load_all(text))


def _with_user(document: Object) -> Object:
    """The run with the user that its pods have where the platform chooses one."""
    pod = {"securityContext": {"runAsUser": USER, "fsGroup": USER}}
    place = {"podTemplate": pod} if document["kind"] == "TaskRun" else {"taskRunTemplate": {"podTemplate": pod}}
    return {**document, "spec": {**document["spec"], **place}}


def _create(where: str, *objects: Object) -> None:
    if objects:
        here = [f"--namespace={where}"] if where else []
        # As JSON: in YAML, Kubernetes takes a bare `n` for false.
        kubectl.kubectl("create", *here, "-f", "-", stdin="\n".join(map(json.dumps, objects)))


def _objects(kind: str, name: str, where: str) -> list[Object]:
    run = kubectl.get(kind.lower(), name, namespace=where)
    assert run, f"{kind} {where}/{name} is gone"
    if kind == "TaskRun":
        return [run]
    children = kubectl.items("taskrun", namespace=where, selector=f"tekton.dev/pipelineRun={name}")
    by_name = {child["metadata"]["name"]: child for child in children}
    return [run, *(by_name[child["name"]] for child in run.get("status", {}).get("childReferences", []))]


def _condition(item: Object) -> str:
    """Whether it succeeded: `True`, `False`, or while it runs `Unknown`. Not each that failed has a completion time."""
    conditions = item.get("status", {}).get("conditions", [])
    return str(conditions[0]["status"]) if conditions else "Unknown"


def _status(task: str, objects: list[Object]) -> Object:
    run, children = objects[0], objects[1:]
    if not children:
        found: Object = run["status"]
        return found
    name = next(item["name"] for item in run["status"]["childReferences"] if item["pipelineTaskName"] == task)
    return next(child["status"] for child in children if child["metadata"]["name"] == name)
