"""What admits images to a cluster, without one: CRDs' schemas, policy-controller's tester and what CRI-O asks for."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from laptop import go_tools

ROOT = Path(__file__).parents[2]
TESTER_SOURCE = ROOT / "tools" / "controllers"
TESTER_PACKAGE = "github.com/sigstore/policy-controller/cmd/tester"
TESTER = ROOT / ".tools" / "bin" / "policy-tester"

CRDS = {
    "clusterimagepolicy": (
        ROOT / "tools" / "admission-crds",
        "github.com/openshift/api",
        "payload-manifests/crds/0000_10_config-operator_01_clusterimagepolicies.crd.yaml",
    ),
    "policy-controller": (
        TESTER_SOURCE,
        "github.com/sigstore/policy-controller",
        "config/300-clusterimagepolicy.yaml",
    ),
    "kyverno": (
        ROOT / "tools" / "admission-crds",
        "github.com/kyverno/kyverno",
        "config/crds/kyverno/kyverno.io_clusterpolicies.yaml",
    ),
}
"""Where the CRD of each kind lies: the folder whose go.mod pins the module, the module, the file in it."""


def crd_schema(kind: str, version: str) -> dict[str, Any]:
    """The schema of a CRD's version, in which a field that it does not know is an error: an API server drops it."""
    folder, module, file = CRDS[kind]
    done = subprocess.run(
        ["go", "mod", "download", "-json", module], cwd=folder, capture_output=True, check=True, timeout=600
    )
    crd = yaml.load((Path(json.loads(done.stdout)["Dir"]) / file).read_text(), yaml.CSafeLoader)
    (found,) = (item["schema"]["openAPIV3Schema"] for item in crd["spec"]["versions"] if item["name"] == version)
    return {**found, "properties": {**found["properties"], "spec": _closed(found["properties"]["spec"])}}


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        inner.setdefault("additionalProperties", False)
    return inner


def policy_tester() -> Path:
    """policy-controller's own tester, built from its pinned source if it was not yet."""
    if not go_tools.is_built(TESTER_SOURCE, TESTER_PACKAGE, TESTER):
        go_tools.build(TESTER_SOURCE, TESTER_PACKAGE, TESTER)
    return TESTER


def ask_policy_controller(tester: Path, policy: Path, image: str, credential: Path) -> subprocess.CompletedProcess[str]:
    """Whether policy-controller would admit `image`: exit code 0, or its reason in the output."""
    argv = [str(tester), f"-policy={policy}", f"-image={image}", "-log-level=error"]
    env = {"PATH": os.environ["PATH"], "HOME": str(policy.parent), "DOCKER_CONFIG": str(credential)}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)


def ask_openshift(manifest: Path, image: str, credential: Path) -> str:
    """Why CRI-O would not pull `image`, as far as cosign and a comparison can tell; empty: it would.

    CRI-O's own check is in skopeo and podman too, but Debian builds them without it ("sigstore disabled"). It asks two
    things: a signature of the digest by the key, and that it names the repository (MatchRepoDigestOrExact).
    """
    spec = yaml.safe_load(manifest.read_text())["spec"]
    assert spec["policy"]["signedIdentity"] == {"matchPolicy": "MatchRepoDigestOrExact"}
    key = manifest.with_name("key-of-the-manifest.pub")
    key.write_bytes(base64.b64decode(spec["policy"]["rootOfTrust"]["publicKey"]["keyData"], validate=True))
    argv = ["cosign", "verify", f"--key={key}", "--insecure-ignore-tlog=true", "--output=json", image]
    env = {"PATH": os.environ["PATH"], "HOME": str(manifest.parent), "DOCKER_CONFIG": str(credential)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        return done.stderr
    repository = image.partition("@")[0]
    names = {entry["critical"]["identity"]["docker-reference"] for entry in json.loads(done.stdout)}
    return "" if repository in names else f"{repository} is not signed, but {names}"
