"""Tekton Chains' own controller signs what runs say they made, and its key opens no door of ours."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import chains, enrolment, kubectl, registry
from cluster.enrolment import Enrolled
from cluster.places import CANDIDATES, PIPELINES_NAMESPACE
from cluster.waiting import until
from hallmark.documents.policy import policy_digest
from hallmark.process import run
from laptop import keys
from laptop.setup import TOOLS

COSIGN = str(TOOLS / "bin" / "cosign")
SLSA = "https://slsa.dev/provenance/v1"
NAME = f"iris-for-chains-{secrets.token_hex(3)}"


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
def results(pair: keys.KeyPair, base_image: str) -> Mapping[str, Any]:
    """What a delivery of the sample says that it made."""

    def found() -> dict[str, Any]:
        return kubectl.get("pipelinerun", NAME, namespace=PIPELINES_NAMESPACE) or {}

    sample = Enrolled(name="iris", config="operators/config", base_image=base_image)
    kubectl.kubectl("create", "-f", "-", stdin=yaml.safe_dump(enrolment.pipeline_run(sample, NAME)))
    until(lambda: "completionTime" in found().get("status", {}), f"the end of {NAME}", seconds=420, pause=1)
    status = found()["status"]
    assert status["conditions"][0]["status"] == "True", status["conditions"]
    return {result["name"]: result["value"] for result in status["results"]}


def statement(kind: str, name: str, pair: keys.KeyPair, folder: Path) -> dict[str, Any]:
    """What Chains has signed of a run: the statement in its annotations, whose signature fits Chains' key."""
    noted = chains.noted(kind, name)
    assert noted["signed"] == "true", noted
    envelope = json.loads(base64.b64decode(next(noted[key] for key in noted if key.startswith("signature-"))))
    payload = base64.b64decode(envelope["payload"])
    # What is signed: https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md
    kind_of = envelope["payloadType"].encode()
    (folder / "signed").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind_of), kind_of, len(payload), payload))
    (folder / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    verify = ["openssl", "dgst", "-sha256", "-verify", str(pair.public), "-signature", str(folder / "signature")]
    assert run([*verify, str(folder / "signed")], accept=None).exit_code == 0
    found: dict[str, Any] = json.loads(payload)
    assert found["predicateType"] == SLSA
    return found


def digests_of(items: list[dict[str, Any]]) -> set[str]:
    return {value for item in items for value in item["digest"].values()}


def test_the_provenance_of_a_run_names_source_data_model_and_image(
    results: Mapping[str, Any], pair: keys.KeyPair, tmp_path: Path
) -> None:
    found = statement("pipelinerun", NAME, pair, tmp_path)
    assert found["subject"] == [
        {"name": results["IMAGE_URL"], "digest": {"sha256": results["IMAGE_DIGEST"].removeprefix("sha256:")}}
    ]
    inputs = digests_of(found["predicate"]["buildDefinition"]["resolvedDependencies"])
    assert results["CHAINS-GIT_COMMIT"] in inputs
    for name in ("training_ARTIFACT_INPUTS", "independent_ARTIFACT_INPUTS"):
        assert results[name]["digest"].removeprefix("sha256:") in inputs
    byproducts = json.dumps([base64.b64decode(item["content"]).decode() for item in byproducts_of(found)])
    assert results["model_ARTIFACT_OUTPUTS"]["digest"] in byproducts


def byproducts_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = found["predicate"]["runDetails"]["byproducts"]
    return made


def test_the_task_that_built_the_image_is_signed_with_the_image_as_its_subject(
    results: Mapping[str, Any], pair: keys.KeyPair, tmp_path: Path
) -> None:
    found = statement("taskrun", f"{NAME}-build-image", pair, tmp_path)
    assert digests_of(found["subject"]) == {results["IMAGE_DIGEST"].removeprefix("sha256:")}


def test_no_other_task_claims_an_image(results: Mapping[str, Any], pair: keys.KeyPair, tmp_path: Path) -> None:
    for task in ("fetch-source", "train", "verify-model", "sign-image", "update-manifest"):
        assert not statement("taskrun", f"{NAME}-{task}", pair, tmp_path).get("subject"), task


def test_its_key_admits_no_image(results: Mapping[str, Any], pair: keys.KeyPair, iris_policy: Path) -> None:
    """It signs each build, also one that is refused later, so that an image with its signature is no release."""
    image = f"{results['IMAGE_URL'].replace(CANDIDATES, registry.outside('candidates'))}@{results['IMAGE_DIGEST']}"
    credential = registry.credential("candidates").parent
    own = {**os.environ, "DOCKER_CONFIG": str(credential), "PATH": f"{TOOLS / 'bin'}:{os.environ['PATH']}"}
    password = {"COSIGN_PASSWORD": pair.password.read_text(), "SIGSTORE_REKOR_PUBLIC_KEY": "/dev/null"}
    sign = [COSIGN, "sign", f"--key={pair.private}", "--tlog-upload=false", "--yes", "--allow-http-registry", image]
    run(sign, env={**own, **password}, timeout=120)

    argv = [
        *(sys.executable, "-m", "hallmark.cli", "verify-image"),
        f"--image={image}",
        f"--policy={iris_policy}",
        f"--policy-digest={policy_digest(iris_policy)}",
        f"--credential={credential}",
        "--tls-verify=false",
    ]
    done = run(argv, accept=None, timeout=120, env=own)
    assert done.exit_code == 1, done.stderr
    assert "must not be deployed: signature: " in done.stdout + done.stderr
