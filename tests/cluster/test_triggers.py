"""A push to Gitea starts a run, and nothing else does: real webhooks, the real EventListener.

The repository `makers/pushed` is this test's own. Its runs are looked at and removed: what they do is tested elsewhere.
"""

from __future__ import annotations

import contextlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import gitea, kubectl
from cluster.catalog import secret
from cluster.daemons import inside
from cluster.enrolment import BOT, MAKER, MAKERS, people, push
from cluster.forge import Forge, NotFoundError
from cluster.places import PIPELINES_NAMESPACE
from cluster.waiting import until
from hallmark.process import run
from laptop import repositories
from laptop.setup import ROOT

NAME = "pushed"
REPOSITORY = f"{MAKERS}/{NAME}"
KEY = "the secret of this test's webhook"
SELECTOR = f"hallmark.dev/model={NAME}"
WITHIN = 30.0
"""Seconds from an event to its run or its refusal; it takes less than one."""


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends events of its own to the EventListener, over the node's network as Gitea does."""

    address: str

    def send(self, body: dict[str, Any], *, key: str = KEY, signed: bool = True) -> int:
        """The status of the EventListener's answer: 202 also for what it then refuses."""
        text = json.dumps(body)
        lines = [
            "POST / HTTP/1.1",
            f"Host: {self.address}",
            "Connection: close",
            "Content-Type: application/json",
            f"Content-Length: {len(text)}",
            "X-GitHub-Event: push",
        ]
        if signed:
            lines.append(f"X-Hub-Signature-256: sha256={hmac.new(key.encode(), text.encode(), 'sha256').hexdigest()}")
        request = "\r\n".join([*lines, "", text])
        # Without `ignoreeof` the connection is half closed after the request, and the listener takes that for a caller
        # who has gone.
        ask = ["socat", "-t1", "STDIO,ignoreeof", f"TCP:{self.address}"]
        answer = run(inside(ask), stdin=request, timeout=30).stdout
        return int(answer.split()[1])


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    """Gitea with the enrolled repository, whose webhook leads to the EventListener; gone afterwards."""
    people()
    found = gitea.forge()
    with contextlib.suppress(NotFoundError):
        found.ask("DELETE", f"/repos/{REPOSITORY}")
    found.ensure_repository(REPOSITORY)
    found.allow(REPOSITORY, MAKER, "write")
    found.allow(REPOSITORY, BOT, "read")
    found.protect(REPOSITORY, "main", [MAKER])
    enrolled = yaml.safe_load((ROOT / "triggers/gitea/iris.yaml").read_text().replace("iris", NAME))
    enrolled["metadata"]["namespace"] = PIPELINES_NAMESPACE
    kubectl.apply(enrolled, secret(f"{NAME}-webhook", {"secret": KEY.encode()}))
    found.ensure_webhook(REPOSITORY, f"http://{listener()}", KEY)
    yield found
    found.ask("DELETE", f"/repos/{REPOSITORY}")
    kubectl.kubectl("delete", "trigger", NAME, f"--namespace={PIPELINES_NAMESPACE}")
    kubectl.kubectl("delete", "secret", f"{NAME}-webhook", f"--namespace={PIPELINES_NAMESPACE}")


@pytest.fixture(scope="module")
def sender(forge: Forge) -> Sender:
    return Sender(address=listener())


@pytest.fixture(scope="module")
def work(forge: Forge, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Commit a text, push the commit to a ref of the repository as the maker, and say which it is.

    `of` is what is pushed; nothing removes the ref.
    """
    place: Path = tmp_path_factory.mktemp("work")
    folder, bare = place / "folder", place / "bare.git"
    folder.mkdir()

    def pushed(text: str, ref: str = "main", message: str = "Change the text", of: str = "main") -> str:
        (folder / "text").write_text(text)
        commit = repositories.publish(folder, bare, message)
        push(bare, REPOSITORY, MAKER, f"{of}:{ref}")
        return commit

    return pushed


def listener() -> str:
    """Where the EventListener is called on the node."""
    service = kubectl.get("service", "el-hallmark", namespace=PIPELINES_NAMESPACE)
    assert service, "no EventListener: `make cluster-up` installs it"
    return f"{service['spec']['clusterIP']}:8080"


@pytest.fixture(autouse=True)
def no_runs_left() -> Iterator[None]:
    remove_runs()
    yield
    remove_runs()


def remove_runs() -> None:
    kubectl.kubectl("delete", "pipelinerun", f"--namespace={PIPELINES_NAMESPACE}", f"--selector={SELECTOR}")


def runs() -> list[dict[str, Any]]:
    return kubectl.items("pipelinerun", namespace=PIPELINES_NAMESPACE, selector=SELECTOR)


def run_names() -> list[str]:
    return sorted(one["metadata"]["name"] for one in runs())


def wait_for_run(name: str) -> None:
    until(lambda: name in run_names(), f"the run {name}", seconds=WITHIN)


def refusals() -> int:
    """How many events Tekton's interceptors refused; each Trigger that refuses one counts."""
    where = ["logs", "--namespace=tekton-pipelines", "deployment/tekton-triggers-core-interceptors", "--tail=-1"]
    return kubectl.kubectl(*where).stdout.count("Continue:false")


@contextlib.contextmanager
def refused(*, at_once: bool) -> Iterator[None]:
    """What is sent in the block is refused by the interceptors, and starts nothing.

    Args:
        at_once: by what all Triggers have in common, and not by each of them for itself.
    """
    before = refusals()
    yield
    triggers = kubectl.items("trigger", namespace=PIPELINES_NAMESPACE, selector="hallmark.dev/starts=delivery")
    expected = before + (1 if at_once else len(triggers))
    until(lambda: refusals() >= expected, "the refusal", seconds=WITHIN)
    assert run_names() == []


def event(commit: str, **changes: Any) -> dict[str, Any]:
    return {
        "ref": "refs/heads/main",
        "after": commit,
        "head_commit": {"message": "Forged"},
        "repository": {"full_name": REPOSITORY},
        "sender": {"login": "mallory"},
        **changes,
    }


def test_a_push_starts_one_run_that_says_whose_it_is(work):
    message = 'Quote "this", and $(params.that)\n\nMore of it.'
    commit = work("one", message=message)
    wait_for_run(f"{NAME}-{commit[:12]}")
    (started,) = runs()
    metadata = started["metadata"]
    assert metadata["labels"]["hallmark.dev/repository"] == f"{MAKERS}.{NAME}"
    assert metadata["labels"]["hallmark.dev/commit"] == commit
    assert metadata["labels"]["hallmark.dev/sender"] == MAKER
    assert metadata["annotations"]["hallmark.dev/commit-message"] == 'Quote "this", and (params.that)'
    params = {param["name"]: param["value"] for param in started["spec"]["params"]}
    assert params["revision"] == commit


def test_telling_of_a_push_once_more_starts_no_second_run(forge, work, sender):
    commit = work("two")
    name = f"{NAME}-{commit[:12]}"
    wait_for_run(name)
    (first,) = runs()
    (hook,) = forge.ask("GET", f"/repos/{REPOSITORY}/hooks")
    forge.send_again(REPOSITORY, hook["id"])
    # A run that is started after it shows that the repetition was dealt with.
    assert sender.send(event("b" * 40)) == 202
    wait_for_run(f"{NAME}-{'b' * 12}")
    logged = ["logs", f"--namespace={PIPELINES_NAMESPACE}", "deployment/el-hallmark", "--since=60s"]
    until(lambda: f'\\"{name}\\" already exists' in kubectl.kubectl(*logged).stdout, "the refusal", seconds=WITHIN)
    assert run_names() == sorted([name, f"{NAME}-{'b' * 12}"])
    assert first["metadata"]["uid"] in {one["metadata"]["uid"] for one in runs()}


def test_a_push_to_another_branch_starts_nothing(work):
    with refused(at_once=False):
        work("three", ref="refs/heads/feature")


def test_a_tag_starts_nothing(work):
    with refused(at_once=True):
        work("four", ref="refs/tags/v1")


def test_removing_a_branch_starts_nothing(work, sender):
    """Gitea tells nobody of it who asked for pushes only, so that the next event is waited for."""
    work("", ref="refs/heads/feature", of="")
    assert sender.send(event("d" * 40)) == 202
    wait_for_run(f"{NAME}-{'d' * 12}")
    assert run_names() == [f"{NAME}-{'d' * 12}"]


@pytest.mark.parametrize(
    ("body", "how", "at_once"),
    [
        pytest.param(event("a" * 40), {"key": "guessed"}, False, id="a wrong signature"),
        pytest.param(event("a" * 40), {"signed": False}, False, id="no signature"),
        pytest.param(event("0" * 40), {}, True, id="a deletion"),
        pytest.param(event("a" * 40, ref="refs/tags/main"), {}, True, id="a tag that is called main"),
        pytest.param(event("a" * 40, repository={"full_name": "makers/other"}), {}, False, id="a strange repository"),
        pytest.param(event("a" * 40, repository={"full_name": "makers/iris"}), {}, False, id="another's repository"),
    ],
)
def test_the_listener_takes_it_and_starts_nothing(sender, body, how, at_once):
    with refused(at_once=at_once):
        assert sender.send(body, **how) == 202


def test_the_listener_answers_a_well_signed_event_of_this_repository(sender):
    """So the tests above fail for the reason that they name."""
    assert sender.send(event("c" * 40)) == 202
    wait_for_run(f"{NAME}-{'c' * 12}")


def test_the_listener_may_not_read_secrets_or_see_its_runs():
    account = f"--as=system:serviceaccount:{PIPELINES_NAMESPACE}:hallmark-triggers"
    for verb, kind, answer in [
        ("create", "pipelineruns", "yes"),
        ("get", "pipelineruns", "no"),
        ("get", "secrets", "no"),
        ("create", "taskruns", "no"),
        ("create", "pods", "no"),
        ("impersonate", "serviceaccounts", "no"),
    ]:
        asked = kubectl.kubectl("auth", "can-i", verb, kind, f"--namespace={PIPELINES_NAMESPACE}", account, accept=None)
        assert asked.stdout.strip() == answer, f"{verb} {kind}"
    elsewhere = kubectl.kubectl("auth", "can-i", "create", "pipelineruns", "--namespace=default", account, accept=None)
    assert elsewhere.stdout.strip() == "no"
