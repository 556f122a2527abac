"""The tasks need not be installed: a run's Tekton fetches them from a git repository, or from a bundle in a registry.

They are published as a platform team would: with the digests of their images, in a private repository, and in a
registry that wants a credential. The namespace `hallmark` admits no such runs, so these have one of their own.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import gitea, kubectl, registry
from cluster.catalog import OVERLAY, config_map, files_of, secret
from cluster.enrolment import password, publish
from cluster.places import GIT, NODE_ADDRESS, PROGRAMS, RELEASES_PORT
from engines import tekton
from hallmark import __version__
from hallmark.process import run
from laptop.setup import ROOT

PLATFORM = "platform"
CATALOG, MODEL = f"{PLATFORM}/catalog", f"{PLATFORM}/iris"
PUBLISHER, READER = "grace", "resolver"
"""Who pushes the tasks, and as whom Tekton and the task fetch-source read."""

BUNDLE = "catalog/tasks"
REGISTRY = f"{NODE_ADDRESS}:{RELEASES_PORT}"
"""The releases by their address: Tekton's resolver speaks plain HTTP to private addresses, but not to their names."""

TASK = "fetch-source"
SECONDS = 120

Params = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Published:
    """The catalog in both places, and a model that its task can fetch."""

    catalog: str
    """The commit that holds the tasks."""
    bundle: str
    """The bundle's digest, `sha256:...`."""
    model: str
    """The commit that holds the model."""
    token: str
    """The reader's, on Gitea."""

    @property
    def git(self) -> Params:
        """The git resolver's params for the task."""
        return {
            "url": f"http://{GIT}/{CATALOG}.git",
            "revision": self.catalog,
            "pathInRepo": f"{TASK}/{TASK}.yaml",
            "gitToken": "git",
            "gitTokenKey": "password",
        }

    @property
    def bundles(self) -> Params:
        """The bundle resolver's params for the task."""
        return {"bundle": f"{REGISTRY}/{BUNDLE}@{self.bundle}", "name": TASK, "kind": "task", "secret": "bundles"}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `tasks`, whose images are those that the cluster was given."""
    folder = tmp_path_factory.mktemp("catalog") / "tasks"
    shutil.copytree(ROOT / "tasks", folder)
    images = yaml.safe_load((OVERLAY / "kustomization.yaml").read_text())["images"]
    for file in folder.glob("*/*.yaml"):
        text = file.read_text()
        for image in images:
            text = text.replace(f"{image['name']}:{__version__}", f"{image['newName']}@{image['digest']}")
        file.write_text(text)
    return folder


@pytest.fixture(scope="module")
def published(tasks: Path) -> Iterator[Published]:
    forge = gitea.forge()
    forge.ensure_organisation(PLATFORM)
    for user in (PUBLISHER, READER):
        forge.ensure_user(user, password(user))
    for repository in (CATALOG, MODEL):
        forge.ensure_repository(repository)
        forge.allow(repository, PUBLISHER, "write")
        forge.allow(repository, READER, "read")
    yield Published(
        catalog=publish(tasks, CATALOG, "Publish the tasks", PUBLISHER),
        bundle=push_bundle(tasks),
        model=publish(ROOT / "samples/iris/repository", MODEL, "Publish the model", PUBLISHER),
        token=forge.new_token(READER, password(READER), "resolvers", ["read:repository"]),
    )
    for repository in (CATALOG, MODEL):
        forge.ask("DELETE", f"/repos/{repository}")


def push_bundle(tasks: Path) -> str:
    """Push all tasks as one bundle; its digest."""
    files = [f"--filenames={file}" for file in sorted(tasks.glob("*/*.yaml"))]
    # With one time for all, the same tasks are the same bundle.
    argv = [str(PROGRAMS / "tkn"), "bundle", "push", f"{registry.outside('releases')}/{BUNDLE}:{__version__}", *files]
    login = {**kubectl.environment(), "DOCKER_CONFIG": str(registry.credential("releases").parent)}
    said = run([*argv, "--ctime=2020-01-01"], env=login, timeout=120).stdout
    digests = re.findall(r"@(sha256:[0-9a-f]{64})", said)
    assert digests, said
    return str(digests[-1])


@pytest.fixture(scope="module")
def where(published: Published) -> Iterator[str]:
    """A namespace with what the resolvers and the task need, and no task in it."""
    with tekton.namespace("resolvers") as name:
        (known,) = {
            entry["auth"] for entry in json.loads(registry.credential("releases").read_text())["auths"].values()
        }
        login = json.dumps({"auths": {REGISTRY: {"auth": known}}}).encode()
        bundles = secret("bundles", {".dockerconfigjson": login}, namespace=name)
        reader = {"username": READER.encode(), "password": published.token.encode()}
        policy = files_of(ROOT / "samples/iris/validators/policy")
        rules = yaml.safe_load(policy["policy.yaml"])
        # There is nothing in production here, and no repository that could say so.
        del rules["model"]["champion"]
        policy["policy.yaml"] = yaml.safe_dump(rules).encode()
        kubectl.apply(
            {**bundles, "type": "kubernetes.io/dockerconfigjson"},
            secret("git", reader, namespace=name),
            config_map("policy", policy, namespace=name),
        )
        assert kubectl.items("task.tekton.dev", namespace=name) == []
        yield name


def ended(name: str, where: str, resolver: str, params: Params) -> dict[str, Any]:
    """The status of a TaskRun of the task that a resolver finds."""
    spec = {
        # Tekton keeps what it resolved by digest for minutes: an earlier run's is no proof of this one.
        "taskRef": {"resolver": resolver, "params": listed({**params, "cache": "never"})},
        "params": listed(
            {
                "repository-url": f"http://{GIT}/{MODEL}.git",
                "config-repository-url": f"http://{GIT}/{MODEL}.git",
                "release-image": f"{REGISTRY}/releases/iris",
            }
        ),
        "workspaces": [
            *({"name": workspace, "emptyDir": {}} for workspace in ("source", "history", "champion", "report")),
            {"name": "policy", "configMap": {"name": "policy"}},
            {"name": "git-credential", "secret": {"secretName": "git"}},
        ],
    }
    metadata = {"name": name, "namespace": where}
    kubectl.apply({"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": metadata, "spec": spec})
    (done,) = tekton.finished("TaskRun", name, where, seconds=SECONDS)
    status: dict[str, Any] = done["status"]
    return status


def listed(params: Params) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in params.items()]


def assert_fetched(status: dict[str, Any], published: Published) -> None:
    """The task did its work, in the image that the cluster was given."""
    assert status["conditions"][0]["status"] == "True", status["conditions"]
    results = {result["name"]: result["value"] for result in status["results"]}
    assert results["commit"] == published.model
    assert results["model-name"] == "iris"
    assert status["taskSpec"]["steps"][0]["image"] == tekton.step_image(TASK)


def test_a_task_resolves_from_a_commit_of_a_private_repository(where, published):
    status = ended("git", where, "git", published.git)
    assert_fetched(status, published)
    source = status["provenance"]["refSource"]
    assert source["digest"] == {"sha1": published.catalog}
    assert source["entryPoint"] == published.git["pathInRepo"]


def test_a_task_resolves_from_a_bundle_by_its_digest(where, published):
    status = ended("bundles", where, "bundles", published.bundles)
    assert_fetched(status, published)
    source = status["provenance"]["refSource"]
    assert source["uri"] == f"{REGISTRY}/{BUNDLE}"
    assert source["digest"] == {"sha256": published.bundle.removeprefix("sha256:")}


def test_the_bundle_holds_every_task(tasks, published):
    argv = [str(PROGRAMS / "tkn"), "bundle", "list", f"{registry.outside('releases')}/{BUNDLE}@{published.bundle}"]
    login = {**kubectl.environment(), "DOCKER_CONFIG": str(registry.credential("releases").parent)}
    names = {line.rpartition("/")[2] for line in run(argv, env=login, timeout=60).stdout.split()}
    assert names == {file.stem for file in tasks.glob("*/*.yaml")}


@pytest.mark.parametrize(
    ("name", "resolver", "wrong", "said"),
    [
        ("no-revision", "git", {"revision": "no-such-branch"}, "couldn't find remote ref no-such-branch"),
        ("no-file", "git", {"pathInRepo": "nothing/nothing.yaml"}, 'error opening file "nothing/nothing.yaml"'),
        ("no-token", "git", {"gitToken": ""}, "authentication required"),
        ("no-task", "bundles", {"name": "nothing"}, "could not find object in image with kind: task and name: nothing"),
        ("no-login", "bundles", {"secret": ""}, "UNAUTHORIZED"),
    ],
)
def test_what_cannot_be_resolved_fails_and_says_why(where, published, name, resolver, wrong, said):
    right = {"git": published.git, "bundles": published.bundles}[resolver]
    status = ended(name, where, resolver, {**right, **wrong})
    condition = status["conditions"][0]
    assert (condition["status"], condition["reason"]) == ("False", "TaskRunResolutionFailed")
    assert said in condition["message"]
    assert not status.get("podName")
