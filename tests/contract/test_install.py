"""What `kubectl apply -k` would install, read as YAML: no cluster, no kubectl."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hallmark.command import COMMANDS

ROOT = Path(__file__).parents[2]
INSTALL = ROOT / "install"
OVERLAYS = sorted(path.name for path in (INSTALL / "overlays").iterdir())
PLACEHOLDER = "registry.hallmark.dev/"
RUNS_MODEL_CODE = {"test-code", "train", "predict-model", "test-image"}
"""Commands that run the maker's code; build-image does too, and is given the candidates' credential only."""

Object = dict[str, Any]


def documents(path: Path) -> list[Object]:
    return [item for item in yaml.safe_load_all(path.read_text()) if item]


def installed(folder: Path) -> Iterator[Object]:
    """Every object that a kustomization lists, those of the folders it lists included."""
    for name in yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]:
        path = (folder / name).resolve()
        if path.is_dir():
            yield from installed(path)
        else:
            assert path.is_relative_to(folder), f"{folder}: kustomize reads no file outside its folder: {name}"
            yield from documents(path)


BASE = list(installed(INSTALL / "base"))
SETTINGS = next(item for item in BASE if item["kind"] == "ConfigMap")
RULES = {name[7:]: value.split() for name, value in SETTINGS["data"].items() if name.startswith("secret.")}
TASKS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "tasks").glob("*/*.yaml"))}
EVERYTHING = [item for overlay in OVERLAYS for item in installed(INSTALL / "overlays" / overlay)]


def of_kind(kind: str, items: list[Object] = BASE) -> dict[str, Object]:
    return {item["metadata"]["name"]: item for item in items if item["kind"] == kind}


def step_images() -> set[str]:
    """The placeholders in the Tasks, without their tags."""
    images = {step["image"] for task in TASKS.values() for step in task["spec"]["steps"]}
    assert all(image.startswith(PLACEHOLDER) for image in images)
    return {image.rpartition(":")[0] for image in images}


def commands_given(task: Object, secret: str, names: set[str]) -> set[str]:
    """The commands of the steps that the workspaces for a Secret are mounted into: those of its name, if there are."""
    declared = {workspace["name"] for workspace in task["spec"]["workspaces"]}
    held = names & declared if secret not in declared else {secret}
    isolated = {used["name"] for step in task["spec"]["steps"] for used in step.get("workspaces", [])}
    return {
        step["command"][1]
        for step in task["spec"]["steps"]
        if held - isolated or held & {used["name"] for used in step.get("workspaces", [])}
    }


def test_every_task_and_pipeline_is_installed():
    pipelines = {path.stem for path in (ROOT / "pipelines").glob("*.yaml")} - {"kustomization"}
    assert set(of_kind("Task")) == set(TASKS)
    assert set(of_kind("Pipeline")) == pipelines
    assert set(SETTINGS["data"]["pipelines"].split()) == pipelines


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_placeholder_is_replaced_in_tasks_and_settings(overlay):
    folder = INSTALL / "overlays" / overlay
    replaced = {entry["name"] for entry in yaml.safe_load((folder / "kustomization.yaml").read_text())["images"]}
    settings = {name: value for name, value in SETTINGS["data"].items() if name.startswith("image-")}
    assert step_images() <= {value.rpartition(":")[0] for value in settings.values()} == replaced
    places = {
        (place["kind"], place["path"]) for place in yaml.safe_load((folder / "images.yaml").read_text())["images"]
    }
    assert places == {("Task", "spec/steps[]/image"), *(("ConfigMap", f"data/{name}") for name in settings)}


def test_the_default_service_account_has_nothing():
    account = of_kind("ServiceAccount")["default"]
    assert account["automountServiceAccountToken"] is False
    assert "secrets" not in account, "Tekton would mount them into every step"
    bindings = [item for item in EVERYTHING if item["kind"] in ("RoleBinding", "ClusterRoleBinding")]
    bindings += [item for path in (ROOT / "triggers").rglob("*.yaml") for item in documents(path) if "subjects" in item]
    subjects = {(subject["kind"], subject["name"]) for item in bindings for subject in item["subjects"]}
    assert ("ServiceAccount", "default") not in subjects
    assert not any(name.startswith("system:") for _, name in subjects)


@pytest.mark.parametrize("name", of_kind("Role"))
def test_no_role_reads_secrets_makes_pods_or_changes_tasks(name):
    for rule in of_kind("Role")[name]["rules"]:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert "secrets" not in rule["resources"]
        if set(rule["verbs"]) - {"get", "list", "watch"}:
            assert rule["resources"] == ["pipelineruns"]


@pytest.mark.parametrize("name", of_kind("ValidatingAdmissionPolicy"))
def test_an_admission_policy_fails_closed_where_runs_are(name):
    policy = of_kind("ValidatingAdmissionPolicy")[name]["spec"]
    binding = of_kind("ValidatingAdmissionPolicyBinding")[name]["spec"]
    assert policy["failurePolicy"] == "Fail"
    assert binding["policyName"] == name
    assert "Deny" in binding["validationActions"]
    labels = of_kind("Namespace")["hallmark"]["metadata"]["labels"].items()
    assert binding["matchResources"]["namespaceSelector"]["matchLabels"].items() <= labels
    if "paramKind" in policy:
        assert binding["paramRef"]["parameterNotFoundAction"] == "Deny"
        assert (binding["paramRef"]["namespace"], binding["paramRef"]["name"]) == ("hallmark-admission",) * 2


@pytest.mark.parametrize("name", of_kind("ValidatingAdmissionPolicy"))
def test_a_denial_says_what_to_do(name):
    for validation in of_kind("ValidatingAdmissionPolicy")[name]["spec"]["validations"]:
        message = validation.get("message") or validation["messageExpression"]
        assert ": " in message or "; " in message, f"say what to do: {message}"


def test_the_settings_are_out_of_reach_of_who_changes_policies():
    assert SETTINGS["metadata"]["namespace"] != "hallmark"
    asked = {
        name
        for policy in of_kind("ValidatingAdmissionPolicy").values()
        for name in re.findall(r"params\.data\[\??'([a-z.-]+)'\]", str(policy).replace('\\"', '"').replace("\\'", "'"))
    }
    assert asked
    assert asked <= set(SETTINGS["data"])


def test_a_secret_is_for_the_commands_of_the_steps_that_are_given_it():
    """The Secrets' names, and the workspaces by which Tasks are given them."""
    workspaces = {
        "signing-key": {"signing-key"},
        "model-key": {"model-key"},
        "releases": {"release-credential"},
        "candidates": {"candidate-credential"},
        "config-credential": {"git-credential", "config-credential"},
        "source-credential": {"git-credential"},
        "data-credential": {"data-credential"},
        "validation-data": {"data"},
    }
    tasks = {"config-credential": {"update-manifest", "fetch-source"}, "source-credential": {"fetch-source"}}
    assert set(RULES) == set(workspaces)
    for secret, names in workspaces.items():
        wanted = {
            command for name in tasks.get(secret, TASKS) for command in commands_given(TASKS[name], secret, names)
        }
        assert set(RULES[secret]) == wanted <= set(COMMANDS), secret


def test_no_secret_is_for_a_command_that_runs_the_maker_s_code():
    given = {command for name in set(RULES) - {"candidates"} for command in RULES[name]}
    assert not given & (RUNS_MODEL_CODE | {"build-image"})
    assert not set(RULES["candidates"]) & RUNS_MODEL_CODE


def test_a_secret_s_name_belongs_to_one_rule():
    """`iris-signing-key` is a `signing-key`; no rule may be the end of another one's name."""
    assert not [(one, other) for one in RULES for other in RULES if one != other and one.endswith(f"-{other}")]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_address_ends_where_the_host_ends(overlay):
    """`https://git.example.com` alone would also begin `https://git.example.com@elsewhere.example/`."""
    patch = documents(INSTALL / "overlays" / overlay / "settings.yaml")[0]["data"]
    for name in ("repository-url", "config-repository-url", "candidate-image", "release-image"):
        assert SETTINGS["data"][f"param.{name}"] == "", "nothing is allowed until somebody says so"
        assert all(word.endswith("/") for word in patch[f"param.{name}"].split())


def test_tasks_without_a_network_are_found_by_the_policy():
    policy = of_kind("NetworkPolicy")["no-network"]["spec"]
    assert set(policy) == {"podSelector", "policyTypes"}, "no rule: nothing is allowed"
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    labels = policy["podSelector"]["matchLabels"].items()
    closed = {name for name, task in TASKS.items() if labels <= task["metadata"]["labels"].items()}
    assert closed >= RUNS_MODEL_CODE


def test_openshift_chooses_users_and_groups():
    for task in TASKS.values():
        for step in [*task["spec"]["steps"], *task["spec"].get("sidecars", [])]:
            assert step["securityContext"].get("runAsUser", 0) == 0
            assert "fsGroup" not in step["securityContext"]
    constraints = of_kind("SecurityContextConstraints", EVERYTHING)["hallmark-build"]
    assert constraints["allowPrivilegedContainer"] is False
    assert constraints["allowedCapabilities"] == ["SETFCAP"]
    build = TASKS["build-image"]["spec"]["steps"][0]["securityContext"]
    assert build["capabilities"]["add"] == constraints["allowedCapabilities"]
    assert build["allowPrivilegeEscalation"] == constraints["allowPrivilegeEscalation"]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_can_be_found_in_consoles_and_catalogs(name):
    task = TASKS[name]
    annotations, labels = task["metadata"]["annotations"], task["metadata"]["labels"]
    assert task["spec"]["displayName"] == annotations["tekton.dev/displayName"]
    assert {"tekton.dev/categories", "tekton.dev/tags", "tekton.dev/platforms"} <= set(annotations)
    assert {"artifacthub.io/category", "artifacthub.io/provider"} <= set(annotations)
    assert {"app.kubernetes.io/version", "app.kubernetes.io/part-of"} <= set(labels)
