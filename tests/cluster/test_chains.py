"""Tekton Chains' own controller signs what runs say they made, and its signature opens no door of ours."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import chains, enrolment, gitea, kubectl, registry
from cluster.enrolment import Enrolled
from cluster.places import CANDIDATES, PIPELINES_NAMESPACE
from cluster.waiting import until
from hallmark.documents.policy import policy_digest
from hallmark.process import run
from laptop import keys
from laptop.setup import TOOLS

COSIGN = str(TOOLS / "bin" / "cosign")
SLSA = "https://slsa.dev/provenance/v1"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[keys.KeyPair]:
    """Chains' key pair, with Chains on the cluster as long as the tests of this module run."""
    made = keys.ensure(tmp_path_factory.mktemp("chains") / "keys", Path(COSIGN))
    chains.start({path.name: path.read_bytes() for path in (made.private, made.password, made.public)})
    try:
        yield made
    finally:
        chains.stop()


@pytest.fixture(scope="module")
def delivered(pair: keys.KeyPair, base_image: str) -> dict[str, Any]:
    """A delivery of the sample that Chains has signed, as it stands on the cluster."""
    sample = Enrolled(name="iris", config="operators/config", base_image=base_image)
    name = f"iris-chains-{gitea.forge().head(sample.source)[:12]}"
    kubectl.kubectl("delete", "pipelinerun", name, f"--namespace={PIPELINES_NAMESPACE}", "--ignore-not-found")
    kubectl.kubectl("create", "-f", "-", stdin=yaml.safe_dump(enrolment.pipeline_run(sample, name)))
    until(lambda: "completionTime" in found(name).get("status", {}), f"the end of {name}", seconds=420, pause=1)
    assert found(name)["status"]["conditions"][0]["status"] == "True", found(name)["status"]["conditions"]
    return chains.signed("pipelinerun", name)


def found(name: str) -> dict[str, Any]:
    return kubectl.get("pipelinerun", name, namespace=PIPELINES_NAMESPACE) or {}


def results(item: dict[str, Any]) -> dict[str, Any]:
    return {result["name"]: result["value"] for result in item["status"]["results"]}


def cosign(command: str, image: str, *flags: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "DOCKER_CONFIG": str(registry.credential("candidates").parent),
        "SIGSTORE_REKOR_PUBLIC_KEY": "/dev/null",
    }
    argv = [COSIGN, command, *flags, "--insecure-ignore-tlog=true", "--allow-http-registry", image]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)


def candidate(item: dict[str, Any]) -> str:
    """The image that was built, as this machine reaches it."""
    told = results(item)
    return f"{told['IMAGE_URL'].replace(CANDIDATES, registry.outside('candidates'))}@{told['IMAGE_DIGEST']}"


def provenances(item: dict[str, Any], pair: keys.KeyPair) -> list[dict[str, Any]]:
    done = cosign("verify-attestation", candidate(item), f"--key={pair.public}", "--type=slsaprovenance1")
    assert done.returncode == 0, done.stderr
    payloads = [json.loads(line)["payload"] for line in done.stdout.splitlines() if line.strip()]
    return [json.loads(base64.b64decode(payload)) for payload in payloads]


def test_the_run_is_signed_and_its_provenance_names_source_data_and_image(
    delivered: dict[str, Any], pair: keys.KeyPair
) -> None:
    assert delivered["metadata"]["annotations"][chains.SIGNED] == "true"
    told = results(delivered)
    hexadecimal = told["IMAGE_DIGEST"].removeprefix("sha256:")
    of_run = [
        statement
        for statement in provenances(delivered, pair)
        if "pipeline" in json.dumps(statement["predicate"]["buildDefinition"]["externalParameters"]["runSpec"])
        and statement["predicateType"] == SLSA
    ]
    assert of_run
    assert all(statement["subject"][0]["digest"]["sha256"] == hexadecimal for statement in of_run)
    inputs = [
        dependency
        for statement in of_run
        for dependency in statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    ]
    digests = {value for dependency in inputs for value in dependency["digest"].values()}
    assert told["CHAINS-GIT_COMMIT"] in digests
    for name in ("training_ARTIFACT_INPUTS", "independent_ARTIFACT_INPUTS"):
        assert told[name]["digest"].removeprefix("sha256:") in digests
    outputs = json.dumps([statement["predicate"]["runDetails"].get("byproducts", []) for statement in of_run])
    assert told["model_ARTIFACT_OUTPUTS"]["digest"].removeprefix("sha256:") in outputs


def test_the_task_that_built_the_image_is_signed(delivered: dict[str, Any], pair: keys.KeyPair) -> None:
    built = chains.signed("taskrun", f"{delivered['metadata']['name']}-build-image")
    assert built["metadata"]["annotations"][chains.SIGNED] == "true"
    assert cosign("verify", candidate(delivered), f"--key={pair.public}").returncode == 0


def test_a_task_that_made_no_image_is_signed_as_well(delivered: dict[str, Any]) -> None:
    trained = chains.signed("taskrun", f"{delivered['metadata']['name']}-train")
    assert trained["metadata"]["annotations"][chains.SIGNED] == "true"


def test_its_key_admits_no_image(delivered: dict[str, Any], tmp_path: Path) -> None:
    """It signs each build, also one that is refused later: what it signed is no release."""
    policy = tmp_path / "policy"
    policy.mkdir()
    held = kubectl.get("configmap", "iris-policy", namespace=PIPELINES_NAMESPACE)
    assert held is not None
    for name, content in held["binaryData"].items():
        (policy / name).write_bytes(base64.b64decode(content))
    argv = [
        *(sys.executable, "-m", "hallmark.cli", "verify-image"),
        f"--image={candidate(delivered)}",
        f"--policy={policy}",
        f"--policy-digest={policy_digest(policy)}",
        f"--credential={registry.credential('candidates').parent}",
        "--tls-verify=false",
        f"--report={tmp_path / 'report'}",
    ]
    done = run(argv, accept=None, timeout=120, env={**os.environ, "PATH": f"{TOOLS / 'bin'}:{os.environ['PATH']}"})
    assert done.exit_code == 1, done.stderr
    assert "must not be deployed: signature: " in done.stderr
