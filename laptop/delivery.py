"""One model's delivery on a laptop: its repositories, folders and secrets, and the PipelineRun that tkn-solo runs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hallmark.documents.model import load_model
from hallmark.documents.policy import load_policy, policy_digest
from hallmark.documents.rules_inputs import is_remote
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.files import write_text
from laptop import git_server, interruptible, kustomization, policies, repositories
from laptop.console import INTERRUPTED, Say, say
from laptop.setup import ROOT, TOOLS
from laptop.world import World

PUBLISHED_CONFIG = "config.published"
"""A digest of the folder that the operators' repository was made from."""


@dataclass(frozen=True, kw_only=True)
class Sides:
    """Where the three parties keep their things; in the real world no one of them may write to another's."""

    repository: Path
    """The maker's: code, training data, hallmark.yaml."""
    validators: Path
    """The validators': `policy/` and `data/`."""
    config: Path
    """The operators': manifests."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A model that is set up in a world, ready to be delivered any number of times."""

    name: str
    world: World
    folder: Path
    """The validators' side and the secrets, as a cluster would hold them."""
    source: Path
    config: Path
    """Bare repositories."""

    @property
    def candidate_image(self) -> str:
        return f"{self.world.candidates.address}/candidates/{self.name}"

    @property
    def release_image(self) -> str:
        return f"{self.world.releases.address}/releases/{self.name}"

    @property
    def policy(self) -> Path:
        return self.folder / "policy"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def data_credential(self) -> Path:
        """Files of the credential for independent data that has to be fetched; where there is one."""
        return self.folder / "data-credential"

    @property
    def model_key(self) -> Path:
        """The key that models' folders are signed with; where there is one, a run signs its model."""
        return self.folder / "model-key"

    @property
    def signing_key(self) -> Path:
        return self.folder / "signing-key"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A run that has ended: tkn-solo's exit code and the completed objects, the PipelineRun first."""

    exit_code: int
    objects: Sequence[Mapping[str, Any]]
    folder: Path

    @property
    def run(self) -> Mapping[str, Any]:
        return self.objects[0]

    @property
    def results(self) -> dict[str, str]:
        return {result["name"]: result["value"] for result in self.run["status"].get("results", [])}

    @property
    def volume(self) -> Path:
        """What the tasks wrote to the workspace `run`."""
        return self.folder / "workspaces" / "run"

    @property
    def report(self) -> Path:
        return self.volume / "report" / "report.html"


def set_up(world: World, sides: Sides, name: str, say: Say = say) -> Project:
    """Publish the maker's and the operators' folders as git repositories and lay out the validators' side.

    Called again it publishes what has changed since; the operators' repository is theirs after the first time.
    All three sides are checked before anything is published. A maker's folder that is a git repository of its own is
    delivered at its HEAD; of any other folder a commit is made.

    Raises:
        BadInputError: a side is missing, its description or policy has a mistake, or the maker's work tree holds
            something that is not committed.
    """
    model = load_model(sides.repository)
    project = Project(
        name=name,
        world=world,
        folder=world.state / "projects" / name,
        source=world.repositories / f"{name}.git",
        config=world.repositories / f"{name}-config.git",
    )
    _check_validators(sides.validators)
    first = not project.config.exists()
    address = kustomization.image_address(sides.config, model.metadata.name) if first else ""
    in_git = repositories.is_work_tree(sides.repository)
    if in_git:
        repositories.require_committed(sides.repository)

    if in_git:
        repositories.push_head(sides.repository, project.source)
    else:
        say(f"{sides.repository} is no git repository of its own: a commit is made from the folder as it is")
        repositories.publish(sides.repository, project.source, f"{model.metadata.name} {model.metadata.version}")
    if first:
        _publish_config(sides.config, project, address)
    else:
        _tell_if_unused(sides.config, project, say)
    _lay_out_validators(sides.validators, project)
    return project


def deliver(project: Project, run_name: str, *, revision: str = "main", quiet: bool = False) -> Delivery:
    """Run the pipeline once through tkn-solo; what it prints goes to this process's standard error.

    SIGINT and SIGTERM cancel the run: its report is still written, and the exit code is 130.

    Raises:
        BadInputError: a run of that name exists.
        ToolFailedError: tkn-solo gave no PipelineRun back.
        KeyboardInterrupt: it was asked to end before the run began.
    """
    folder = project.folder / "runs" / run_name
    if folder.exists():
        raise BadInputError(f"{folder} exists", solution="choose another name, or remove that run's folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    manifest = folder.parent / f"{run_name}.yaml"
    manifest.write_text(yaml.safe_dump(pipeline_run(project, run_name, revision), sort_keys=False))
    argv = [*tkn_solo(project, folder), "-f", str(manifest), "-o", "yaml", *(["--quiet"] if quiet else [])]
    # The candidate's container is pulled by the machine, as a kubelet would, with a credential of the machine's.
    env = {**os.environ, "REGISTRY_AUTH_FILE": str(project.world.candidates.auth_file)}
    done = interruptible.run(argv, env)
    try:
        objects = yaml.load(done.stdout, Loader=yaml.CSafeLoader)["items"]
    except (yaml.YAMLError, TypeError, KeyError) as error:
        if done.interrupted:
            raise KeyboardInterrupt from error
        raise ToolFailedError(
            f"tkn-solo ended with exit code {done.exit_code} and no PipelineRun",
            solution="its message above says why",
        ) from error
    (folder / "run.yaml").write_text(done.stdout)
    return Delivery(
        exit_code=INTERRUPTED if done.interrupted and done.exit_code else done.exit_code, objects=objects, folder=folder
    )


def tkn_solo(project: Project, folder: Path) -> list[str]:
    """The command line that runs this project's PipelineRuns: the catalog, and what its volumes are on this machine."""
    world = project.world
    volumes = {
        "--config-map": {"policy": project.policy},
        "--claim": {"validation-data": project.data},
        "--secret": {
            "signing-key": project.signing_key,
            "candidates": world.candidates.credential,
            "releases": world.releases.credential,
        },
    }
    if world.base.store is not None:
        volumes["--claim"]["base-store"] = world.base.store
    if project.data_credential.is_dir():
        volumes["--secret"]["data-credential"] = project.data_credential
    if project.model_key.is_dir():
        volumes["--secret"]["model-key"] = project.model_key
    given = [f"{flag}={name}={path}" for flag, entries in volumes.items() for name, path in entries.items()]
    return [
        str(Path(sys.executable).with_name("tkn-solo")),
        "run",
        f"-f={ROOT / 'tasks'}",
        f"-f={ROOT / 'pipelines'}",
        *given,
        *(f"--tools={folder}" for folder in tools()),
        f"--image-store={world.state / 'podman'}",
        f"--run-dir={folder}",
    ]


def tools() -> list[Path]:
    """What stands in for the step image: cosign, the virtual environment, its interpreter, and the steps' own code.

    The interpreter of a virtual environment is a link to another folder, and an editable install leads to `steps`.
    Beside the programs lie images with the state of their own builds, which are no step's to read.
    """
    return [TOOLS / "bin", Path(sys.prefix), Path(sys.base_prefix).resolve(), ROOT / "steps"]


def pipeline_run(project: Project, run_name: str, revision: str) -> dict[str, Any]:
    """The PipelineRun: the same that `tkn pipeline start` would make on a cluster."""
    world = project.world
    params = {
        "repository-url": f"{world.git_url}/{project.source.name}",
        "revision": revision,
        "candidate-image": project.candidate_image,
        "release-image": project.release_image,
        "base-image": world.base.reference,
        "config-repository-url": f"{world.git_url}/{project.config.name}",
        "kustomization": kustomization.PATH,
        "tls-verify": "false",
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    workspaces: list[dict[str, Any]] = [
        {"name": "run", "volumeClaimTemplate": {"spec": claim}},
        {"name": "policy", "configMap": {"name": "policy"}},
        {"name": "validation-data", "persistentVolumeClaim": {"claimName": "validation-data"}},
        {"name": "signing-key", "secret": {"secretName": "signing-key"}},
        {"name": "candidate-credential", "secret": {"secretName": "candidates"}},
        {"name": "release-credential", "secret": {"secretName": "releases"}},
    ]
    if world.base.store is not None:
        workspaces.append({"name": "base-store", "persistentVolumeClaim": {"claimName": "base-store"}})
    if project.data_credential.is_dir():
        workspaces.append({"name": "data-credential", "secret": {"secretName": "data-credential"}})
    if project.model_key.is_dir():
        params["sign-model"] = "true"
        workspaces.append({"name": "model-key", "secret": {"secretName": "model-key"}})
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": run_name},
        "spec": {
            "pipelineRef": {"name": "model-delivery"},
            "params": [{"name": name, "value": value} for name, value in params.items()],
            "workspaces": workspaces,
        },
    }


def _check_validators(validators: Path) -> None:
    policy = load_policy(validators / "policy")
    if not is_remote(policy.data.independent.path) and not (validators / "data").is_dir():
        raise BadInputError(
            f"{validators / 'data'} is not a folder",
            solution="the validators' folder (VALIDATORS, --validators) has to hold policy/ and data/",
        )


def _publish_config(folder: Path, project: Project, address: str) -> None:
    """The operators' repository, with the address that this machine's registry really has instead of `address`."""
    project.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".config-", dir=project.folder) as scratch:
        copy, bare = Path(scratch) / "config", Path(scratch) / "config.git"
        shutil.copytree(folder, copy, ignore_dangling_symlinks=True)
        file = copy / kustomization.PATH
        file.write_text(file.read_text().replace(address, project.release_image))
        repositories.publish(copy, bare, "Describe the deployment")
        git_server.accept_pushes(bare)
        write_text(project.folder / PUBLISHED_CONFIG, repositories.contents(folder))
        project.config.parent.mkdir(parents=True, exist_ok=True)
        bare.rename(project.config)


def _tell_if_unused(folder: Path, project: Project, say: Say) -> None:
    """The folder counts once; who changes it later, or gives another, has to know that."""
    record = project.folder / PUBLISHED_CONFIG
    if not record.exists() or (folder.is_dir() and record.read_text() == repositories.contents(folder)):
        return
    say(
        f"{folder} is not used: the configuration repository {project.config} is the operators' since its first "
        "publication, which was of other contents. Commit there, or start again: remove it, or all by `make clean`"
    )


def _lay_out_validators(validators: Path, project: Project) -> None:
    """The validators' folders and the signing secret, which names the policies that the key may serve."""
    for folder in (project.policy, project.data, project.data_credential, project.model_key):
        shutil.rmtree(folder, ignore_errors=True)
        if (validators / folder.name).is_dir():
            shutil.copytree(validators / folder.name, folder)
    project.data.mkdir(exist_ok=True)
    keys = project.world.keys
    shutil.copy(keys.public, project.policy / "cosign.pub")
    policies.have_production_at(project.policy, f"{project.world.git_url}/{project.config.name}")
    policies.have_base(project.policy, project.world.base.reference)
    project.signing_key.mkdir(mode=0o700, exist_ok=True)
    for secret in (keys.private, keys.password):
        shutil.copy2(secret, project.signing_key / secret.name)
    # The comment also keeps tkn-solo, which hides every line of a secret, from hiding the digest itself.
    (project.signing_key / "policies").write_text(f"{policy_digest(project.policy)}  # {project.name}\n")
