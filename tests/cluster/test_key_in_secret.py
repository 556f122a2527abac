"""A signing key that lies in a Secret of Kubernetes and is no file of any step: `key-uri: k8s://namespace/name`."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import kubectl
from hallmark.documents.policy import load_policy
from hallmark.errors import ToolFailedError
from hallmark.image_reference import Image, image
from hallmark.process import run
from hallmark.registry_auth import docker_config
from hallmark.signing_credentials import SigningKey, open_key
from hallmark.tools.cosign import Signer, cosign
from laptop.registry import Registry, running
from laptop.setup import TOOLS

NAMESPACE, NAME = "hallmark-test-key", "release"


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """cosign's own Secret with a new key pair, as a URI."""
    monkeypatch.setenv("KUBECONFIG", kubectl.environment()["KUBECONFIG"])
    kubectl.kubectl("create", "namespace", NAMESPACE)
    try:
        uri = f"k8s://{NAMESPACE}/{NAME}"
        env = {**os.environ, "COSIGN_PASSWORD": secrets.token_hex(16)}
        run([str(TOOLS / "bin" / "cosign"), "generate-key-pair", uri], env=env, timeout=60)
        yield uri
    finally:
        kubectl.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def folder(place: Path, uri: str) -> Path:
    """What sign-image is given: where the key is, its password, and which policies it is for."""
    place.mkdir()
    held = kubectl.get("secret", NAME, namespace=NAMESPACE)
    assert held is not None
    (place / "key-uri").write_text(f"{uri}\n")
    (place / "cosign.password").write_bytes(base64.b64decode(held["data"]["cosign.password"]))
    (place / "policies").write_text(f"sha256:{'1' * 64}\n")
    return place


def opened(place: Path, policy: Path) -> SigningKey:
    return open_key(place, load_policy(policy), policy)


def test_a_key_in_a_secret_signs_and_leaves_it_only_for_who_may_read_it(
    secret: str, iris_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder(tmp_path / "key", secret)
    key = opened(place, iris_policy)
    with running(tmp_path / "releases") as releases, docker_config(releases.credential) as authfile:
        signed = pushed(releases, tmp_path / "layout")
        tool = cosign(authfile, tls_verify=False)
        tool.sign(signed, key.private, "legacy")
        (tmp_path / "cosign.pub").write_text(key.public)
        (found,) = tool.signatures(signed, Signer(public_key=tmp_path / "cosign.pub"), "legacy").found
        assert found.digest == signed.digest
    # The API server knows no such user.
    config = json.loads(kubectl.kubectl("config", "view", "--raw", "--output=json").stdout)
    config["users"] = [{"name": user["name"], "user": {"token": "nobody"}} for user in config["users"]]
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    with monkeypatch.context() as patch:
        patch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        with pytest.raises(ToolFailedError, match="cosign cannot open the signing key") as caught:
            opened(place, iris_policy)
    assert "may reach the key's service" in caught.value.solution


def pushed(registry: Registry, layout: Path) -> Image:
    """A small image in that registry."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: object, kind: str) -> dict[str, Any]:
        data = json.dumps(content).encode()
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}+json", "digest": f"sha256:{name}", "size": len(data)}

    config = put({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}, "config.v1")
    kind = "application/vnd.oci.image.manifest.v1+json"
    top = put({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []}, "manifest.v1")
    named = {**top, "annotations": {"org.opencontainers.image.ref.name": "it"}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    repository = f"{registry.address}/releases/test"
    flags = ["--quiet", "--preserve-digests", "--dest-tls-verify=false", f"--dest-authfile={registry.auth_file}"]
    run(["skopeo", "--insecure-policy", "copy", *flags, f"oci:{layout}:it", f"docker://{repository}:it"], timeout=60)
    return image(repository, top["digest"])
