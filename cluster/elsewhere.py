"""Hallmark on a cluster that is there already: `KUBECONFIG=... REGISTRY=... make cluster-up`."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import hallmark
from cluster import kubectl, overlay, programs, step_images
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.process import run
from laptop.console import Say
from laptop.setup import ROOT

POLICIES = "/apis/admissionregistration.k8s.io/v1"
OPENSHIFT = "/apis/security.openshift.io/v1"
_HOST = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9._-]+)*")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the variables of `make cluster-up` say of another cluster.

    `registry`: where its nodes find the step images, as `registry.example.com/hallmark`; they are pushed there with the
    user's own credentials. `folder`: the overlay, made if it is missing, otherwise kept but for the images.
    """

    registry: str
    folder: Path = ROOT / "install" / "overlays" / "mine"
    tls_verify: bool = True

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """Read `REGISTRY`, `OVERLAY` and `TLS_VERIFY`.

        Raises:
            BadInputError: one of them is missing or makes no sense.
        """
        registry = environment.get("REGISTRY", "").rstrip("/")
        if not _HOST.fullmatch(registry):
            raise BadInputError(
                f"KUBECONFIG names another cluster; REGISTRY, where its nodes would find the images, is {registry!r}",
                solution="give both: KUBECONFIG=~/.kube/config REGISTRY=registry.example.com/hallmark make cluster-up; "
                "or unset KUBECONFIG to have a cluster on this machine",
            )
        tls = environment.get("TLS_VERIFY") or "true"
        if tls not in ("true", "false"):
            raise BadInputError(f"TLS_VERIFY is {tls!r}", solution="set it to true or false")
        folder = Path(environment.get("OVERLAY") or cls.folder)
        return cls(registry=registry, folder=folder.expanduser().resolve(), tls_verify=tls == "true")


def install(settings: Settings, say: Say) -> None:
    """Push the step images and apply the overlay. Again after a change of either: nothing else is touched.

    Raises:
        BadInputError: the cluster does not answer, lacks something, or the overlay cannot be read.
        ToolFailedError: an image could not be built or pushed, or the cluster refused an object.
    """
    if not shutil.which("kubectl") and not programs.program("kubectl").exists():
        raise BadInputError("there is no kubectl", solution="install kubectl 1.30 or newer")
    check_cluster()
    openshift = has_api(OPENSHIFT)
    say(f"the cluster has what is needed; it is {'OpenShift' if openshift else 'not OpenShift'}")
    images = push(settings, say)
    made = not settings.folder.exists()
    if made:
        overlay.copy(settings.folder, overlay.OVERLAYS / ("openshift" if openshift else "kubernetes"))
    overlay.set_images(settings.folder, images)
    overlay.apply(settings.folder)
    say(f"applied {settings.folder}")
    if not openshift and not has_pod_group():
        say(
            "Tekton's pods have no group for their volumes yet; a change for the whole cluster, so it is left to you:\n"
            f"  kubectl -n tekton-pipelines patch configmap config-defaults"
            f" --patch-file {overlay.OVERLAYS}/kubernetes/pod-template.yaml\n"
            """  kubectl -n tekton-pipelines patch configmap feature-flags"""
            """ --patch '{"data": {"set-security-context": "true"}}'"""
        )
    if made:
        say(f"next: your addresses in {settings.folder}/settings.yaml, then the same command again")
    say("next: Secrets and people, docs/install.md from section 2 on")


def check_cluster() -> None:
    """Raises BadInputError: the cluster does not answer, or has not what Hallmark needs."""
    for file in os.environ.get("KUBECONFIG", "").split(os.pathsep):
        if file and not Path(file).is_file():
            raise BadInputError(
                f"KUBECONFIG names {file}, which does not exist", solution="correct or unset KUBECONFIG"
            )
    try:
        kubectl.kubectl("get", "--raw", "/version", timeout=20)
    except ToolFailedError as error:
        raise BadInputError(
            f"the cluster of KUBECONFIG does not answer: {error.message}",
            solution="try `kubectl version`; log in again if your credentials have expired",
        ) from error
    if kubectl.get("crd", "pipelines.tekton.dev") is None:
        raise BadInputError(
            "the cluster has no Tekton Pipelines",
            solution="install 1.0 or newer (https://tekton.dev/docs/installation/pipelines/), or OpenShift Pipelines",
        )
    resources = kubectl.kubectl("get", "--raw", POLICIES, timeout=20).stdout
    if '"validatingadmissionpolicies"' not in resources:
        raise BadInputError(
            "the cluster has no ValidatingAdmissionPolicy, which keeps strangers from the signing key",
            solution="use Kubernetes 1.30 or OpenShift 4.17, or newer",
        )


def push(settings: Settings, say: Say) -> dict[str, str]:
    """Push the step images; name -> `repository@sha256:...`."""
    found = {}
    for name, image in step_images.ensure(step_images.CACHE, say).items():
        repository = f"{settings.registry}/{name}"
        say(f"pushing {repository}@{image.digest}")
        how = ["--quiet", "--preserve-digests", f"--dest-tls-verify={str(settings.tls_verify).lower()}"]
        target = f"docker://{repository}:{hallmark.__version__}"
        # The user's own environment: it leads skopeo to their credentials.
        run(["skopeo", "copy", *how, image.source, target], env=os.environ, timeout=900)
        found[name] = f"{repository}@{image.digest}"
    return found


def has_api(path: str) -> bool:
    """Whether the API server serves a group."""
    return kubectl.kubectl("get", "--raw", path, accept=None, timeout=20).exit_code == 0


def has_pod_group() -> bool:
    """Whether Tekton gives its pods a group that may write to volumes."""
    found = kubectl.get("configmap", "config-defaults", namespace="tekton-pipelines") or {}
    return "fsGroup" in found.get("data", {}).get("default-pod-template", "")
