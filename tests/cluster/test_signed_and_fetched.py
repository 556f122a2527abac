"""A model that is signed after training and that no image holds: from a push to the pod that fetches it and answers.

`signing.modelKeys` in the policy, `image.model: fetched` in hallmark.yaml. It is the sample `diabetes` but for that.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from skops import io as skops

from cluster import catalog, enrolment, gitea, kubectl, registry
from cluster.daemons import inside
from cluster.enrol import enrol
from cluster.enrolment import MODEL_KEY
from cluster.places import NETWORK_NAMESPACE, NODE_ADDRESS, PIPELINES_NAMESPACE, PROGRAMS, RELEASES
from cluster.waiting import until
from engines import tekton
from hallmark import image_labels, model_artifact
from hallmark.documents.policy import policy_digest
from hallmark.errors import BadInputError
from hallmark.process import Completed, run
from hallmark.registry_auth import PLAIN_HTTP
from laptop import kustomization
from laptop.delivery import Sides
from services.https_releases import HOST, Store, https_releases
from services.webhook_images import Repository

from .asking import ask, assert_admitted, assert_denied
from .test_admission import pod, step
from .test_samples import results, sides, tasks

NAME = "sealed"
SECONDS = 420
RELEASED = Repository(
    host=registry.outside("releases"), path=f"releases/{NAME}", credential=registry.credential("releases").parent
)
HALLMARK = [sys.executable, "-m", "hallmark.cli"]

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """Two runs of one model: a push's, and one that was started without `sign-model`.

    `config` is the operators' repository after both, `policy` the validators' folder as the cluster holds it.
    """

    config: Path
    policy: Path
    data: Path
    password: str
    signed: list[Object]
    unsigned: list[Object]

    @property
    def image(self) -> str:
        return results(self.signed)["image"]

    @property
    def model_digest(self) -> str:
        return told(self.signed, "train")["model-digest"]


def task_run(objects: list[Object], task: str) -> Object:
    names = {child["pipelineTaskName"]: child["name"] for child in objects[0]["status"]["childReferences"]}
    return next(item for item in objects if item["metadata"]["name"] == names[task])


def told(objects: list[Object], task: str) -> dict[str, str]:
    """What a task handed over."""
    return {result["name"]: result["value"] for result in task_run(objects, task)["status"].get("results", [])}


def exit_codes(objects: list[Object], task: str) -> list[int]:
    return [step["terminated"]["exitCode"] for step in task_run(objects, task)["status"]["steps"]]


def hallmark(*arguments: str, **env: str) -> Completed:
    """The command as the owner of the key calls it."""
    path = f"{PROGRAMS}:{os.environ['PATH']}"
    return run([*HALLMARK, *arguments], env={**os.environ, **kubectl.environment(), "PATH": path, **env}, timeout=120)


@pytest.mark.parametrize(
    ("command", "key", "given"),
    [
        ("sign-model", "model-key", True),
        ("sign-model", "iris-model-key", True),
        ("sign-model", "signing-key", False),
        ("sign-image", "model-key", False),
        ("train", "model-key", False),
    ],
)
def test_the_key_of_models_is_for_its_own_command_and_that_for_no_other_key(
    command: str, key: str, given: bool, settings: Mapping[str, str], tekton: list[str]
) -> None:
    done = ask(pod(settings, step(settings, command, "steps", "hallmark", command), secrets={"key": key}), tekton)
    assert_admitted(done) if given else assert_denied(done, "is not for this step")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with https_releases(tmp_path_factory.mktemp("store")) as found:
        yield found


def signed_and_fetched(folder: Path, store: Store) -> Sides:
    """The sample's three sides under another name."""
    found = sides("diabetes", folder)
    for file in (
        found.repository / "hallmark.yaml",
        found.validators / "policy/policy.yaml",
        found.config / kustomization.PATH,
    ):
        text = file.read_text().replace("name: diabetes", f"name: {NAME}").replace("/diabetes", f"/{NAME}")
        text = text.replace("builder: server\n", "builder: server\n  model: fetched\n")
        file.write_text(text.replace("signing:\n", "signing:\n  modelKeys: [model.pub]\n"))
    deployment = found.config / "base/deployment.yaml"
    deployment.write_text(yaml.safe_dump(fetching(yaml.safe_load(deployment.read_text()), store)))
    return found


def fetching(deployment: Object, store: Store) -> Object:
    """One pod, which is told where its model is as docs/image.md says, of a registry with a bank's own authority."""
    deployment["spec"]["replicas"] = 1
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    container["image"] = NAME
    container["readinessProbe"]["periodSeconds"] = 1
    container["env"] = [
        {"name": "HALLMARK_MODEL_URL", "value": f"https://{store.address}/v2/{RELEASED.path}/blobs/{{digest}}"},
        {"name": "HALLMARK_MODEL_DOCKER_CONFIG", "value": "/credential/.dockerconfigjson"},
        {"name": "SSL_CERT_FILE", "value": "/authority/ca.crt"},
    ]
    mounts = [{"name": name, "mountPath": f"/{name}", "readOnly": True} for name in ("credential", "authority")]
    container["volumeMounts"] = mounts
    spec["volumes"] = [
        {"name": "credential", "secret": {"secretName": "store"}},
        {"name": "authority", "configMap": {"name": "authority"}},
    ]
    return deployment


@pytest.fixture(scope="module")
def delivered(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivered]:
    """A key is made and stored, the model enrolled, and a push delivers it, while another run signs nothing."""
    folder = tmp_path_factory.mktemp("signed")
    given, password, key = signed_and_fetched(folder, store), secrets.token_urlsafe(24), folder / "model-key"
    hallmark("keys", "generate", "--signs=model", f"--output={key}", COSIGN_PASSWORD=password)
    (given.validators / "policy/model.pub").write_bytes((key / "model.pub").read_bytes())
    kept = kubectl.get("secret", MODEL_KEY, namespace=PIPELINES_NAMESPACE)
    try:
        delete("secret", MODEL_KEY)
        with pytest.raises(BadInputError, match="there is no Secret model-key to sign with"):
            enrol(given)
        where = f"--namespace={PIPELINES_NAMESPACE}"
        hallmark("keys", "store", "--signs=model", f"--key={key}", where, COSIGN_PASSWORD=password)
        enrolled = enrol(given)
        commit = enrolment.push_change(enrolled.source, f"Deliver this one {secrets.token_hex(3)}")
        pushed, started = f"{NAME}-{commit[:12]}", f"{NAME}-{secrets.token_hex(3)}"
        kubectl.apply(enrolment.pipeline_run(replace(enrolled, model_key=""), started))
        until(lambda: kubectl.get("pipelinerun", pushed, namespace=PIPELINES_NAMESPACE) is not None, pushed, seconds=60)
        unsigned = tekton.finished("PipelineRun", started, PIPELINES_NAMESPACE, seconds=SECONDS)
        signed = tekton.finished("PipelineRun", pushed, PIPELINES_NAMESPACE, seconds=SECONDS)
        production = given.config / kustomization.PATH
        path = f"/repos/{enrolled.config}/raw/{kustomization.PATH}?ref=main"
        production.write_text(gitea.forge().ask("GET", path, raw=True))
        held = kubectl.get("configmap", f"{NAME}-policy", namespace=PIPELINES_NAMESPACE) or {}
        (folder / "policy").mkdir()
        for name, content in held["binaryData"].items():
            (folder / "policy" / name).write_bytes(base64.b64decode(content))
        yield Delivered(
            config=production.parent,
            policy=folder / "policy",
            data=given.validators / "data/independent.csv",
            password=password,
            signed=signed,
            unsigned=unsigned,
        )
    finally:
        # Without the key a push to it would wait for a Secret until its time is up.
        delete("trigger", NAME)
        delete("secret", MODEL_KEY)
        if kept is not None:
            kubectl.apply({**kept, "metadata": {"name": MODEL_KEY, "namespace": PIPELINES_NAMESPACE}})


def delete(kind: str, name: str) -> None:
    kubectl.kubectl("delete", kind, name, f"--namespace={PIPELINES_NAMESPACE}", "--ignore-not-found")


def test_a_push_delivers_it_signed_and_the_model_beside_the_image(delivered: Delivered) -> None:
    objects = delivered.signed
    assert results(objects).get("outcome") == "passed", results(objects)
    assert exit_codes(objects, "sign-model") == [0]
    assert told(objects, "sign-model")["model-signature-digest"].startswith("sha256:")
    assert told(objects, "update-manifest")["verified"] == "true"
    image = json.loads(RELEASED.manifest(delivered.image.partition("@")[2]))
    artifact = image["annotations"][image_labels.MODEL_ARTIFACT]
    beside = RELEASED.manifest(artifact)
    assert RELEASED.manifest(model_artifact.tag(artifact)) == beside
    assert [layer["digest"] for layer in json.loads(beside)["layers"]] == [delivered.model_digest]


def test_neither_the_run_nor_the_task_s_log_tells_the_key_s_password(delivered: Delivered) -> None:
    assert delivered.password not in json.dumps(delivered.signed)
    logs = tekton.logs([delivered.signed[0], task_run(delivered.signed, "sign-model")], PIPELINES_NAMESPACE)
    assert "model.skops" in logs["sign-model/sign-model"]
    assert delivered.password not in logs["sign-model/sign-model"]


def test_the_same_is_refused_before_it_is_built_where_the_run_signs_nothing(delivered: Delivered) -> None:
    objects = delivered.unsigned
    assert results(objects)["outcome"] == "refused"
    assert results(objects)["stopped-by"] == "build-image: model signature"
    assert exit_codes(objects, "build-image") == [1]
    assert not tasks(objects) & {"sign-model", "test-image", "sign-image", "update-manifest"}
    assert not told(objects, "build-image")


def verify_image(delivered: Delivered, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The command where the cluster's names lead to its node."""
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{NODE_ADDRESS} {HOST}\n")
    (folder / "credential").mkdir(exist_ok=True)
    (folder / "credential/config.json").write_bytes(registry.credential("releases").read_bytes())
    (folder / "credential" / PLAIN_HTTP).write_text(f"{RELEASES}\n")
    script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
    there = ["nsenter", f"--net=/run/netns/{NETWORK_NAMESPACE}", *HALLMARK, "verify-image"]
    asked = [f"--image={delivered.image}", f"--policy={delivered.policy}", f"--credential={folder / 'credential'}"]
    asked += [f"--policy-digest={policy_digest(delivered.policy)}", "--tls-verify=false", *more]
    argv = ["unshare", "--mount", "sh", "-c", script, "sh", str(folder / "hosts"), *there, *asked]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def test_verify_image_accepts_it_for_its_own_model_alone(delivered: Delivered, tmp_path: Path) -> None:
    done = verify_image(delivered, tmp_path, f"--model-digest={delivered.model_digest}")
    assert done.returncode == 0, done.stderr
    done = verify_image(delivered, tmp_path, f"--model-digest=sha256:{'0' * 64}")
    assert done.returncode == 1, done.stderr


@pytest.fixture(scope="module")
def deployed(delivered: Delivered, store: Store) -> Iterator[str]:
    """A namespace with what the operators' repository describes, and a pod of the same image without the credential."""
    with tekton.namespace("sealed") as where:
        secret = catalog.secret(
            "store", {".dockerconfigjson": json.dumps(store.docker_config).encode()}, namespace=where
        )
        authority = catalog.config_map("authority", {"ca.crt": store.authority.read_bytes()}, namespace=where)
        kubectl.apply({**secret, "type": "kubernetes.io/dockerconfigjson"}, authority)
        production = delivered.config / "kustomization.yaml"
        production.write_text(yaml.safe_dump({**yaml.safe_load(production.read_text()), "namespace": where}))
        objects = list(yaml.safe_load_all(kubectl.kubectl("kustomize", str(delivered.config)).stdout))
        (deployment,) = (item for item in objects if item["kind"] == "Deployment")
        kubectl.apply(*objects, stranger(delivered, deployment, where))
        yield where


def stranger(delivered: Delivered, deployment: Object, where: str) -> Object:
    spec = copy.deepcopy(deployment["spec"]["template"]["spec"])
    (container,) = spec["containers"]
    assert container["image"] == delivered.image
    container["env"] = [entry for entry in container["env"] if entry["name"] != "HALLMARK_MODEL_DOCKER_CONFIG"]
    metadata = {"name": "stranger", "namespace": where}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, "restartPolicy": "Never"}}


def wait(where: str, what: str, condition: str) -> None:
    kubectl.kubectl("wait", f"--namespace={where}", what, f"--for={condition}", "--timeout=120s", timeout=125)


def test_what_was_deployed_fetches_its_model_and_answers_as_the_model_does(deployed: str, delivered: Delivered) -> None:
    wait(deployed, "deployment/diabetes", "condition=Available")
    service = kubectl.get("service", "diabetes", namespace=deployed) or {}
    url = f"http://{service['spec']['clusterIP']}/v1/models/{NAME}:predict"
    model = RELEASED.blob(delivered.model_digest)
    features = yaml.safe_load((delivered.policy / "policy.yaml").read_text())["data"]["independent"]["features"]
    rows = pd.read_csv(delivered.data)[features].head(5).to_numpy(dtype=float)
    # The nodes learn of the endpoints a moment after the pod is ready.
    patient = ["--retry", "20", "--retry-delay", "1", "--retry-connrefused", "--max-time", "10"]
    ask = ["curl", "--silent", "--show-error", *patient, "--data-binary", "@-", url]
    answer = json.loads(run(inside(ask), stdin=json.dumps({"instances": rows.tolist()}), timeout=40).stdout)
    expected = skops.loads(model, trusted=skops.get_untrusted_types(data=model)).predict(rows)
    assert answer["predictions"] == pytest.approx(list(expected))


def test_a_pod_that_the_registry_does_not_know_does_not_start(deployed: str) -> None:
    wait(deployed, "pod/stranger", "jsonpath={.status.phase}=Failed")
    ended = kubectl.get("pod", "stranger", namespace=deployed) or {}
    (status,) = ended["status"]["containerStatuses"]
    said = kubectl.kubectl("logs", "stranger", f"--namespace={deployed}").stdout
    assert status["state"]["terminated"]["exitCode"] == 3, said
    assert "cannot serve: " in said
