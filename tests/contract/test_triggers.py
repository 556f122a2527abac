"""What a push starts and what it does not, judged by Tekton's own EventListener; only Kubernetes is a stand-in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from hallmark.process import run
from laptop import go_tools

ROOT = Path(__file__).parents[2]
TRIGGERS = ROOT / "triggers"
TOOLS = ROOT / "tools" / "tekton"
PROGRAMS = ROOT / ".tools" / "bin"
SECRET = "the secret of iris"  # noqa: S105 (it protects this test only)
COMMIT = "abf5447070ae4da1441382fccdf5176f40626275"
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")

Listen = Callable[..., list[dict[str, Any]]]


def program(name: str) -> Path:
    """A command of tools/tekton, built from its pinned source if it was not yet."""
    if not go_tools.is_built(TOOLS, f"./cmd/{name}", PROGRAMS / name):
        go_tools.build(TOOLS, f"./cmd/{name}", PROGRAMS / name)
    return PROGRAMS / name


def manifests() -> list[Path]:
    return [path for path in sorted(TRIGGERS.glob("*/*.yaml")) if path.name != "kustomization.yaml"]


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture(scope="module")
def listener() -> Path:
    return program("tekton-trigger")


@pytest.fixture
def listen(listener: Path, tmp_path: Path) -> Listen:
    """Give requests to the EventListener of triggers/gitea; `more` are further objects."""

    def told(*requests: Mapping[str, Any], more: tuple[Mapping[str, Any], ...] = ()) -> list[dict[str, Any]]:
        extra = tmp_path / "more.yaml"
        extra.write_text(yaml.safe_dump_all([secret("iris-webhook", SECRET), *more]))
        argv = [str(listener), "hallmark/hallmark", *map(str, manifests()), str(extra)]
        return list(json.loads(run(argv, stdin=json.dumps(requests), timeout=60).stdout))

    return told


def secret(name: str, value: str) -> dict[str, Any]:
    data = {"secret": base64.b64encode(value.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def push(**changes: Any) -> dict[str, Any]:
    """The body of a push as Gitea and GitHub both send it, shortened to what could matter."""
    return {
        "ref": "refs/heads/main",
        "before": "0" * 40,
        "after": COMMIT,
        "head_commit": {"id": COMMIT, "message": "Train on more flowers\n\nTwice as many."},
        "repository": {"full_name": "makers/iris", "clone_url": "http://elsewhere.example/other.git"},
        "sender": {"login": "Ada"},
        **changes,
    }


def request(body: Mapping[str, Any] | str, *, key: str = SECRET, **headers: str | None) -> dict[str, Any]:
    """A signed request; a header that is given as None is left out."""
    text = body if isinstance(body, str) else json.dumps(body)
    signature = hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
    sent = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-Hub-Signature-256": f"sha256={signature}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return {"headers": {name: value for name, value in sent.items() if value is not None}, "body": text}


def the_run(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    (outcome,) = outcomes
    assert len(outcome["created"]) == 1, outcome["said"]
    return dict(outcome["created"][0])


def test_a_push_starts_one_run_with_a_name_and_labels_that_say_whose_it_is(listen):
    metadata = the_run(listen(request(push())))["metadata"]
    assert metadata["name"] == "iris-abf5447070ae"
    own = {name: value for name, value in metadata["labels"].items() if name.startswith("hallmark.dev/")}
    assert own == {
        "hallmark.dev/model": "iris",
        "hallmark.dev/repository": "makers.iris",
        "hallmark.dev/commit": COMMIT,
        "hallmark.dev/sender": "ada",
    }
    assert metadata["annotations"]["hallmark.dev/commit-message"] == "Train on more flowers"


def test_a_run_fetches_the_commit_that_was_pushed_from_where_the_trigger_says_and_not_from_where_the_event_says(listen):
    params = {param["name"]: param["value"] for param in the_run(listen(request(push())))["spec"]["params"]}
    assert params["revision"] == COMMIT
    assert params["repository-url"] == "http://git.hallmark.test:3000/makers/iris.git"
    assert params["release-image"] == "releases.hallmark.test:5001/releases/iris"


def test_a_run_gives_the_pipeline_what_it_declares(listen):
    spec = the_run(listen(request(push())))["spec"]
    (pipeline,) = documents(ROOT / "pipelines" / "model-delivery.yaml")
    for kind, needed in (("params", "default"), ("workspaces", "optional")):
        declared = {one["name"]: one for one in pipeline["spec"][kind]}
        given = {one["name"] for one in spec[kind]}
        assert given <= declared.keys()
        assert {name for name, one in declared.items() if needed not in one} <= given


def test_a_run_leaves_its_last_tasks_time_when_the_others_used_theirs_up(listen):
    timeouts = the_run(listen(request(push())))["spec"]["timeouts"]
    assert timeouts == {"pipeline": "1h10m", "tasks": "1h", "finally": "10m"}


def test_upstream_accepts_the_run(listen, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(the_run(listen(request(push())))))
    judged = run([str(program("tekton-validate")), str(path)], accept=None)
    assert judged.exit_code == 0, judged.stdout


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        pytest.param(request(push(), key="guessed"), "payload signature check failed", id="a wrong signature"),
        pytest.param(request(push(), X_Hub_Signature_256=None), "no X-Hub-Signature-256 header set", id="no signature"),
        pytest.param(request(push(), X_Hub_Signature_256=""), "no X-Hub-Signature-256", id="an empty signature"),
        pytest.param(request(push(ref="refs/heads/feature")), "did not return true", id="another branch"),
        pytest.param(request(push(ref="refs/heads/x/refs/heads/main")), "not return true", id="a branch like it"),
        pytest.param(request(push(ref="refs/tags/main")), "did not return true", id="a tag"),
        pytest.param(request(push(after="0" * 40, head_commit=None)), "did not return true", id="a deletion"),
        pytest.param(request(push(after="abf5447")), "did not return true", id="an abbreviated commit"),
        pytest.param(request(push(after="main")), "did not return true", id="no commit"),
        pytest.param(
            request(push(repository={"full_name": "makers/rose"})), "did not return true", id="a strange repository"
        ),
        pytest.param(
            request(push(repository={"full_name": "Makers/Iris"})), "did not return true", id="a name like it"
        ),
        pytest.param(request(push(), X_GitHub_Event="pull_request"), "did not return true", id="another event"),
        pytest.param(request(push(), X_GitHub_Event=None), "did not return true", id="no event"),
        pytest.param(request({"zen": "Be quiet."}), "no such key", id="another body"),
        pytest.param(request(push(ref=None)), "no such overload", id="no branch"),
        pytest.param(request("payload=x"), "Invalid event body format", id="no JSON"),
    ],
)
def test_nothing_else_starts_a_run(listen, refused, why):
    (outcome,) = listen(refused)
    assert outcome["created"] == []
    assert any(why in said for said in outcome["said"]), outcome["said"]


def test_the_same_push_told_twice_starts_one_run(listen):
    first, second = listen(request(push()), request(push()))
    assert len(first["created"]) == 1
    assert any("already exists" in said for said in second["said"])


def test_the_next_push_starts_the_next_run(listen):
    outcomes = listen(request(push()), request(push(after="1" * 40)))
    names = [outcome["created"][0]["metadata"]["name"] for outcome in outcomes]
    assert names == ["iris-abf5447070ae", "iris-111111111111"]


def test_one_repositorys_secret_is_no_good_for_another(listen):
    (rose,) = documents(TRIGGERS / "gitea" / "iris.yaml")
    renamed = json.loads(json.dumps(rose).replace("iris", "rose"))
    more = (renamed, secret("rose-webhook", "the secret of rose"))
    event = push(repository={"full_name": "makers/rose"})
    own, forged = listen(request(event, key="the secret of rose"), request(event), more=more)
    assert [created["metadata"]["name"] for created in own["created"]] == ["rose-abf5447070ae"]
    assert forged["created"] == []


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ('Say "yes"', 'Say "yes"'),
        ("a \\ and \\\" and '", "a \\ and \\\" and '"),
        ("first\r\nsecond", "first "),
        ("$(tt.params.releases) $(params.x) $$(uid)", "(tt.params.releases) (params.x) (uid)"),
        ('", "taskRunTemplate": {"serviceAccountName": "admin"}, "x": "', None),
        ("\x1b[31mred\u202e turned", " [31mred  turned"),
        ("ä" * 500, "ä" * 160),
        ("\U0001f33c" * 161, "\U0001f33c" * 160),
        ("", ""),
    ],
)
def test_a_commits_message_is_only_ever_a_text(listen, message, kept):
    made = the_run(listen(request(push(head_commit={"message": message}))))
    plain = the_run(listen(request(push())))
    assert made["metadata"]["annotations"]["hallmark.dev/commit-message"] == (message if kept is None else kept)
    assert made["spec"] == plain["spec"]


@pytest.mark.parametrize("head", [None, {}])
def test_a_push_without_a_message_starts_a_run_without_one(listen, head):
    made = the_run(listen(request(push(head_commit=head))))
    assert made["metadata"]["annotations"]["hallmark.dev/commit-message"] == ""


@pytest.mark.parametrize(
    ("login", "label"),
    [
        ("Ada", "ada"),
        ("-_ada_-", "ada"),
        ("a" * 62 + "-b", "a" * 62),
        ("ada@example.org", "ada.example.org"),
        ("Ädä Lövelace", "d.l.velace"),
        ('"$(uid)\n', "uid"),
        ("---", ""),
    ],
)
def test_whoever_pushes_has_a_name_that_a_label_can_hold(listen, login, label):
    found = the_run(listen(request(push(sender={"login": login}))))["metadata"]["labels"]["hallmark.dev/sender"]
    assert found == label
    assert LABEL.fullmatch(found)


def test_the_listener_may_start_pipeline_runs_and_read_triggers_and_nothing_else():
    rules = [
        rule
        for one in documents(TRIGGERS / "base" / "service-account.yaml")
        if one["kind"] in ("Role", "ClusterRole")
        for rule in one["rules"]
    ]
    written = {(*rule["resources"], *rule["verbs"]) for rule in rules if set(rule["verbs"]) - {"get", "list", "watch"}}
    assert written == {("pipelineruns", "create")}
    assert {group for rule in rules for group in rule["apiGroups"]} == {"triggers.tekton.dev", "tekton.dev"}
    assert all("*" not in (*rule["resources"], *rule["verbs"]) for rule in rules)


def test_every_manifest_is_applied():
    for file in sorted(TRIGGERS.glob("*/kustomization.yaml")):
        listed = {name for name in documents(file)[0]["resources"] if name.endswith(".yaml")}
        assert listed == {path.name for path in file.parent.glob("*.yaml")} - {"kustomization.yaml"}
