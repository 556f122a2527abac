"""Hallmark itself on the cluster: its images in the registry, then the catalog by kustomize, with their digests."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hallmark
from cluster import kubectl, overlay, registry, step_images
from cluster.places import CANDIDATES, FORWARDED, GIT, PIPELINES_NAMESPACE, RELEASES, USER_KUBECONFIG
from hallmark.process import run
from hallmark.registry_auth import PLAIN_HTTP
from laptop import base_image as laptop_base_image
from laptop.console import Say
from laptop.registry import Registry
from laptop.setup import TOOLS

OVERLAY = USER_KUBECONFIG.parent / "overlay"
"""Made by each :func:`install`; what a platform team would keep in a repository of its own."""


def publish_images(say: Say) -> dict[str, str]:
    """Have the step images in the releases' registry; name -> `repository@sha256:...`, as the cluster calls it."""
    found = {}
    for name, image in step_images.ensure(TOOLS / "step-images", say).items():
        repository = f"steps/{name}"
        if not _registry("releases").holds(repository, image.digest):
            to = ["--dest-tls-verify=false", "--dest-authfile", str(registry.credential("releases"))]
            target = f"docker://{registry.outside('releases')}/{repository}:{hallmark.__version__}"
            run(["skopeo", "copy", "--quiet", *to, image.source, target], timeout=900)
        found[name] = f"{RELEASES}/{repository}@{image.digest}"
    return found


def base_image(say: Say) -> str:
    """Have the image that models build on in the candidates' registry; its name by digest on the cluster."""
    made = laptop_base_image.ensure(_registry("candidates"), TOOLS / "base-image", say, unpacked=False)
    return made.reference.replace(registry.outside("candidates"), CANDIDATES)


def _registry(name: str) -> Registry:
    """The same registry as processes of this machine reach it."""
    return Registry(directory=registry.credential(name).parents[1], port=FORWARDED[registry.PORTS[name]])


def install(images: Mapping[str, str], base_image: str, say: Say) -> None:
    """Apply the catalog and its admission policies.

    Args:
        images: name of a step image -> `repository@sha256:...`.
        base_image: what models build on here, by digest.
    """
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PIPELINES_NAMESPACE}})
    kubectl.apply(pull_secret(), *_registry_secrets())
    overlay.on_top(OVERLAY, overlay.OVERLAYS / "kubernetes", images, _settings(base_image))
    overlay.apply(OVERLAY, force=True)
    say("Hallmark is installed in the namespace " + PIPELINES_NAMESPACE)


def secret(name: str, files: Mapping[str, bytes], *, namespace: str = PIPELINES_NAMESPACE) -> dict[str, Any]:
    """A Secret that is mounted as `files`."""
    data = {key: base64.b64encode(value).decode() for key, value in files.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data}


def config_map(name: str, files: Mapping[str, bytes], *, namespace: str = PIPELINES_NAMESPACE) -> dict[str, Any]:
    """A ConfigMap that is mounted as `files`."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "binaryData": {key: base64.b64encode(value).decode() for key, value in files.items()},
    }


def files_of(folder: Path) -> dict[str, bytes]:
    """A folder's files by their names; a ConfigMap or Secret has no folders in it."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def _registry_secrets() -> list[dict[str, Any]]:
    """One credential for each registry, so that the build's is good for candidates only; and where there is no TLS."""
    return [
        secret(name, {"config.json": registry.credential(name).read_bytes(), PLAIN_HTTP: host.encode()})
        for name, host in registry.NAMES.items()
    ]


def pull_secret(*, namespace: str = PIPELINES_NAMESPACE) -> dict[str, Any]:
    """The credentials of both registries, with which the kubelet pulls images."""
    auths: dict[str, Any] = {}
    for name in registry.PORTS:
        auths |= json.loads(registry.credential(name).read_bytes())["auths"]
    found = secret("pull", {".dockerconfigjson": json.dumps({"auths": auths}).encode()}, namespace=namespace)
    return {**found, "type": "kubernetes.io/dockerconfigjson"}


def _settings(base_image: str) -> dict[str, Any]:
    """What the admission policies let a run be given here."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "hallmark-admission", "namespace": "hallmark-admission"},
        "data": {
            "tekton-images": "hallmark.test/",
            "param.repository-url": f"http://{GIT}/",
            "param.config-repository-url": f"http://{GIT}/",
            "param.candidate-image": f"{CANDIDATES}/",
            "param.release-image": f"{RELEASES}/",
            "param.base-image": base_image,
            "param.tls-verify": "false",
        },
    }
