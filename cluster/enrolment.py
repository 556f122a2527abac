"""A model on the cluster: its repositories on Gitea, what its validators keep, and the push that starts a delivery."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import gitea, kubectl
from cluster.catalog import config_map, files_of, secret
from cluster.forge import basic
from cluster.places import CANDIDATES, FORWARDED, GIT, GIT_PORT, PIPELINES_NAMESPACE, RELEASES, STATE
from hallmark.documents.model import load_model
from hallmark.documents.policy import load_policy, policy_digest
from hallmark.files import write_text
from hallmark.process import run
from laptop import keys, kustomization, repositories
from laptop.delivery import Sides
from laptop.policies import have_base, have_production_at
from laptop.setup import TOOLS

MAKERS, OPERATORS = "makers", "operators"
MAKER, BOT = "ada", "hallmark-bot"
"""Who pushes models, and as whom the pipeline reads them and commits manifests."""
MODEL_KEY = "model-key"
"""The Secret that `hallmark keys store --signs=model` makes, and that runs which a push starts are given."""


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """A model that can be delivered by a push or by `tkn pipeline start`."""

    name: str
    config: str
    """The operators' repository on Gitea."""
    base_image: str
    model_key: str = ""
    """The Secret with the key that models' folders are signed with; empty: none is signed."""

    @property
    def source(self) -> str:
        return f"{MAKERS}/{self.name}"

    @property
    def params(self) -> dict[str, str]:
        """The params of model-delivery, but for the revision."""
        return {
            "repository-url": f"http://{GIT}/{self.source}.git",
            "candidate-image": f"{CANDIDATES}/candidates/{self.name}",
            "release-image": f"{RELEASES}/releases/{self.name}",
            "base-image": self.base_image,
            "config-repository-url": f"http://{GIT}/{self.config}.git",
            "kustomization": kustomization.PATH,
            "tls-verify": "false",
            **({"sign-model": "true"} if self.model_key else {}),
        }

    @property
    def workspaces(self) -> list[dict[str, Any]]:
        """The workspaces of model-delivery, as a PipelineRun binds them."""
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        held = {
            "validation-data": f"{self.name}-validation-data",
            "data-credential": f"{self.name}-data-credential",
            "signing-key": "signing-key",
            "source-credential": "source-credential",
            "config-credential": "config-credential",
            "candidate-credential": "candidates",
            "release-credential": "releases",
            **({"model-key": self.model_key} if self.model_key else {}),
        }
        return [
            {"name": "run", "volumeClaimTemplate": {"spec": claim}},
            {"name": "policy", "configMap": {"name": f"{self.name}-policy"}},
            *({"name": workspace, "secret": {"secretName": name}} for workspace, name in held.items()),
        ]


def people() -> None:
    """Have the maker and the pipeline's own user on Gitea, and the latter's credentials in the cluster."""
    forge = gitea.forge()
    for organisation in (MAKERS, OPERATORS):
        forge.ensure_organisation(organisation)
    for user in (MAKER, BOT):
        forge.ensure_user(user, password(user))
    for name, right in {"source-credential": "read", "config-credential": "write"}.items():
        # A token may do less than its user: the task that reads sources cannot commit manifests.
        token = forge.new_token(BOT, password(BOT), name, [f"{right}:repository"])
        kubectl.apply(secret(name, {"username": BOT.encode(), "password": token.encode()}))


def enrol(name: str, sides: Sides, base_image: str, *, config: str = "") -> Enrolled:
    """Publish the three sides: the maker's folder is pushed last, since a push may start a delivery.

    A repository that has commits is its owners'; nothing is pushed to it again.

    Args:
        config: name of the operators' repository; by default one of this model's own.

    Raises:
        BadInputError: a side is missing, or its description or policy has a mistake.
    """
    model = load_model(sides.repository)
    enrolled = Enrolled(
        name=name,
        config=f"{OPERATORS}/{config or f'{name}-config'}",
        base_image=base_image,
        model_key=MODEL_KEY if load_policy(sides.validators / "policy").signing.model_keys else "",
    )
    address = kustomization.image_address(sides.config, model.metadata.name)
    forge = gitea.forge()
    forge.ensure_repository(enrolled.source)
    forge.ensure_repository(enrolled.config)
    forge.allow(enrolled.source, MAKER, "write")
    forge.allow(enrolled.source, BOT, "read")
    forge.allow(enrolled.config, BOT, "write")
    _apply_validators(name, sides.validators, enrolled.params["config-repository-url"], base_image)
    if not forge.has_commits(enrolled.config):
        with tempfile.TemporaryDirectory(prefix="enrolment-") as scratch:
            described = Path(scratch) / "config"
            shutil.copytree(sides.config, described, ignore_dangling_symlinks=True)
            file = described / kustomization.PATH
            file.write_text(file.read_text().replace(address, enrolled.params["release-image"]))
            publish(described, enrolled.config, "Describe the deployment", BOT)
    if not forge.has_commits(enrolled.source):
        publish(sides.repository, enrolled.source, f"{model.metadata.name} {model.metadata.version}", MAKER)
    forge.protect(enrolled.config, "main", [BOT])
    return enrolled


def publish(folder: Path, repository: str, message: str, user: str) -> str:
    """Push a folder as the next commit of a repository on Gitea, unless it holds the same already; the head's SHA."""
    bare = STATE / "published" / f"{repository}.git"
    repositories.publish(folder, bare, message)
    push(bare, repository, user)
    return str(repositories.head(bare))


def push(bare: Path, repository: str, user: str, refspec: str = "main:main") -> None:
    """Push to a repository on Gitea as one of its users."""
    url = f"http://127.0.0.1:{FORWARDED[GIT_PORT]}/{repository}.git"
    # In the environment: a command line can be read by every process.
    header = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: {basic(user, password(user))}",
        "GIT_TERMINAL_PROMPT": "0",
    }
    run(["git", "--git-dir", str(bare), "push", "--quiet", url, refspec], env=header, timeout=120)


def push_change(repository: str, note: str) -> str:
    """Push one more commit, as the maker: the same model with another note in its README; the commit's SHA."""
    bare = STATE / "published" / f"{repository}.git"
    with tempfile.TemporaryDirectory(prefix="change-") as scratch:
        copy = Path(scratch) / "copy"
        run(["git", "clone", "--quiet", str(bare), str(copy)])
        with (copy / "README.md").open("a") as readme:
            readme.write(f"\n{note}\n")
        return publish(copy, repository, note, MAKER)


def password(user: str) -> str:
    """A user's password on Gitea, made once."""
    file = STATE / "people" / user
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_text(file, secrets.token_urlsafe(24))
        file.chmod(0o600)
    return file.read_text()


def pipeline_run(enrolled: Enrolled, run_name: str, revision: str = "main") -> dict[str, Any]:
    """The PipelineRun that a push or `tkn pipeline start` would make."""
    params = {**enrolled.params, "revision": revision}
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": run_name,
            "namespace": PIPELINES_NAMESPACE,
            "labels": {"hallmark.dev/model": enrolled.name},
        },
        "spec": {
            "pipelineRef": {"name": "model-delivery"},
            "params": [{"name": key, "value": value} for key, value in params.items()],
            "workspaces": enrolled.workspaces,
        },
    }


def _apply_validators(name: str, validators: Path, config_url: str, base_image: str) -> None:
    """The policy and the independent data, and the policy's digest beside the key: whom the key may serve."""
    pair = keys.ensure(STATE / "signing-key", TOOLS / "bin" / "cosign")
    with tempfile.TemporaryDirectory(prefix="enrolment-") as scratch:
        policy = Path(scratch) / "policy"
        shutil.copytree(validators / "policy", policy)
        shutil.copy(pair.public, policy / "cosign.pub")
        have_production_at(policy, config_url)
        have_base(policy, base_image)
        digest = policy_digest(policy)
        kubectl.apply(config_map(f"{name}-policy", files_of(policy)))
    # Only data that has to be fetched needs the credential; the task that would mount it does not run without.
    for what, folder in {"validation-data": "data", "data-credential": "data-credential"}.items():
        held = files_of(validators / folder) if (validators / folder).is_dir() else {}
        kubectl.apply(secret(f"{name}-{what}", held))
    accepted = STATE / "accepted-policies"
    lines = accepted.read_text().splitlines() if accepted.exists() else []
    kept = [line for line in lines if not line.endswith(f"  # {name}")]
    write_text(accepted, "".join(f"{line}\n" for line in [*kept, f"{digest}  # {name}"]))
    files = {path.name: path.read_bytes() for path in (pair.private, pair.password)}
    kubectl.apply(secret("signing-key", {**files, "policies": accepted.read_bytes()}))
