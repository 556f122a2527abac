"""policy-controller's own webhook, with the policy that Hallmark writes for it, lets in what was delivered only."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import enrolment, gitea, kubectl, policy_controller, registry
from cluster.catalog import pull_secret
from cluster.enrolment import Enrolled
from cluster.places import PIPELINES_NAMESPACE, RELEASES, STATE
from cluster.waiting import until
from engines import tekton
from hallmark.documents.policy import policy_digest
from hallmark.process import Completed, run
from hallmark.verdict import PREDICATE_TYPE as VERDICT
from laptop import keys, kustomization
from laptop.setup import TOOLS
from services.webhook_images import Repository

CONFIG = "operators/config"
PATH = "releases/iris"
COSIGN = TOOLS / "bin" / "cosign"
PROVENANCE, TESTS = "https://slsa.dev/provenance/v1", "https://in-toto.io/attestation/test-result/v0.1"
NOTHING_YET = f"sha256:{'0' * 64}"
DENIED = 'admission webhook "policy.sigstore.dev" denied the request'

Object = dict[str, Any]


@pytest.fixture(scope="module")
def releases() -> Repository:
    """The sample's releases, as a process of this machine reaches them."""
    credential = registry.credential("releases").parent
    return Repository(host=registry.outside("releases"), path=PATH, credential=credential)


@pytest.fixture(scope="module")
def delivered(iris_policy: Path, releases: Repository, base_image: str) -> str:
    """The digest of the sample's image in production, delivered now unless it was by the present policy."""
    file = gitea.forge().ask("GET", f"/repos/{CONFIG}/raw/{kustomization.PATH}?ref=main", raw=True)
    there = str(yaml.safe_load(file)["images"][0]["digest"])
    if there != NOTHING_YET and releases.attested(there)[VERDICT]["policy"] == policy_digest(iris_policy):
        return there
    sample = Enrolled(name="iris", config=CONFIG, base_image=base_image)
    name = f"iris-for-admission-{secrets.token_hex(3)}"
    kubectl.apply(enrolment.pipeline_run(sample, name))
    status = tekton.finished("PipelineRun", name, PIPELINES_NAMESPACE, seconds=420)[0]["status"]
    results = {result["name"]: result["value"] for result in status["results"]}
    assert results["outcome"] == "passed", results
    return str(results["image"].partition("@")[2])


@pytest.fixture(scope="module")
def key() -> keys.KeyPair:
    """The key that signs what is released on this cluster."""
    return keys.ensure(STATE / "signing-key", COSIGN)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> keys.KeyPair:
    return keys.ensure(tmp_path_factory.mktemp("stranger") / "keys", COSIGN)


def namespace(name: str, *, guarded: bool, credential: bool = True) -> str:
    """Have a namespace whose pods may pull from the registries, unless without `credential`."""
    labels = {policy_controller.LABEL: "true"} if guarded else {}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    if credential:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        kubectl.apply(pull_secret(namespace=name), {**account, "imagePullSecrets": [{"name": "pull"}]})
    return name


@pytest.fixture(scope="module")
def namespaces() -> Iterator[Mapping[str, str]]:
    suffix = secrets.token_hex(3)
    try:
        yield {
            "guarded": namespace(f"guarded-{suffix}", guarded=True),
            "no credential": namespace(f"stranger-{suffix}", guarded=True, credential=False),
            "not guarded": namespace(f"open-{suffix}", guarded=False),
        }
    finally:
        names = [f"{name}-{suffix}" for name in ("guarded", "stranger", "open")]
        kubectl.kubectl("delete", "namespace", *names, "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="module", autouse=True)
def webhook(
    iris_policy: Path, delivered: str, namespaces: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The webhook with the manifest as it is written, as long as the tests of this module run."""
    output = tmp_path_factory.mktemp("admission")
    kind = "policy-controller"
    policy = [f"--policy={iris_policy}", f"--image={RELEASES}/{PATH}"]
    admission = [sys.executable, "-m", "hallmark.cli", "policy", "admission"]
    run([*admission, *policy, f"--output={output}", f"--kind={kind}"], timeout=60)
    try:
        policy_controller.start()
        kubectl.kubectl("apply", "-f", str(output / f"{kind}.yaml"))
        where = namespaces["guarded"]
        # The policy reaches the webhook by a ConfigMap; until then nothing fits, and everything is denied.
        until(
            lambda: "no matching policies" not in ask(pod(image(delivered), where)).stderr,
            "policy-controller to know the policy",
            seconds=60,
            pause=0.5,
        )
        yield
    finally:
        policy_controller.stop()


def image(reference: str) -> str:
    """An image of the releases as the cluster calls it, by digest or tag."""
    return f"{RELEASES}/{PATH}{'@' if reference.startswith('sha256:') else ':'}{reference}"


def pod(of: str, where: str, name: str = "served") -> Object:
    container = {"name": "server", "image": of, "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
    spec = {"containers": [container], "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": where}, "spec": spec}


def ask(item: Object, *how: str) -> Completed:
    """Let the cluster judge a creation that does not happen."""
    return kubectl.kubectl("create", "--dry-run=server", "-f", "-", *how, stdin=yaml.safe_dump(item), accept=None)


def assert_denied(item: Object, *said: str) -> None:
    done = ask(item)
    assert done.exit_code != 0, "it was admitted"
    for phrase in (DENIED, *said):
        assert phrase in done.stderr, done.stderr


def test_what_was_delivered_is_admitted_and_runs_and_becomes_no_other_image(
    delivered: str, releases: Repository, namespaces: Mapping[str, str]
) -> None:
    where = namespaces["guarded"]
    kubectl.kubectl("create", "-f", "-", stdin=yaml.safe_dump(pod(image(delivered), where, "live")))
    kubectl.kubectl("wait", "pod/live", f"--namespace={where}", "--for=condition=Ready", "--timeout=120s", timeout=125)
    other = releases.with_one_layer_more(delivered, "in the place of a running one")
    change = ["set", "image", "pod/live", f"server={image(other)}", f"--namespace={where}"]
    done = kubectl.kubectl(*change, accept=None)
    assert done.exit_code != 0
    assert DENIED in done.stderr


def test_a_tag_is_replaced_by_the_digest_that_it_points_to(
    delivered: str, releases: Repository, namespaces: Mapping[str, str]
) -> None:
    where = namespaces["guarded"]
    releases.put("moving", releases.manifest(delivered))
    done = ask(pod(image("moving"), where), "--output=json")
    assert json.loads(done.stdout)["spec"]["containers"][0]["image"] == f"{image('moving')}@{delivered}"
    other = releases.with_one_layer_more(delivered, "under a tag")
    releases.put("moving", releases.manifest(other))
    assert_denied(pod(image("moving"), where), f"{image('moving')}@{other}", "failed policy: hallmark-iris")
    assert_denied(pod(image("gone"), where), "must be an image digest")


@pytest.fixture
def made(delivered: str, releases: Repository, key: keys.KeyPair, tmp_path: Path) -> Callable[..., str]:
    """Makes the delivered image with one layer more, and says of it what is said of a delivered one.

    `attest`: the predicate types that are attested, all by default; other words are what the verdict says instead.
    """

    def make(
        note: str, *, by: keys.KeyPair = key, sign: bool = True, attest: Sequence[str] | None = None, **verdict: Any
    ) -> str:
        digest = releases.with_one_layer_more(delivered, note)
        if sign:
            releases.sign(digest, by)
        said = releases.attested(delivered)
        said[VERDICT] |= {"image": {**said[VERDICT]["image"], "digest": digest}, **verdict}
        releases.attest(digest, {kind: said[kind] for kind in (said if attest is None else attest)}, by, tmp_path)
        return digest

    return make


def days_ago(days: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


NO_SIGNATURE = "signature key validation failed for authority signature-0"
NO_ATTESTATION = "attestation key validation failed for authority verdict-0"
BAD_VERDICT = "failed evaluating rego policy for type verdict: policy is not compliant"
WITHOUT: Mapping[str, tuple[Mapping[str, Any], Sequence[str]]] = {
    "signature and attestations": ({"sign": False, "attest": []}, [NO_SIGNATURE, NO_ATTESTATION]),
    "a signature": ({"sign": False}, [NO_SIGNATURE, "no signatures found"]),
    "attestations": ({"attest": []}, [NO_ATTESTATION]),
    "a verdict": ({"attest": [PROVENANCE, TESTS]}, [f"no matching attestations with type {VERDICT}"]),
    "a provenance": ({"attest": [VERDICT, TESTS]}, [f"no matching attestations with type {PROVENANCE}"]),
    # What is wrong with a verdict is found before other attestations are looked for.
    "a verdict that passed": ({"attest": [VERDICT], "passed": False}, [BAD_VERDICT]),
    "a verdict of this year": ({"attest": [VERDICT], "judgedAt": days_ago(366)}, [BAD_VERDICT]),
    "a verdict by this policy": ({"attest": [VERDICT], "policy": f"sha256:{'e' * 64}"}, [BAD_VERDICT]),
    "a word on the champion": ({"attest": [VERDICT], "champion": None}, [BAD_VERDICT]),
}


def test_an_image_of_which_everything_is_said_is_admitted(
    made: Callable[..., str], namespaces: Mapping[str, str]
) -> None:
    """What the others of these tests lack is why they are denied."""
    done = ask(pod(image(made("nothing is missing")), namespaces["guarded"]))
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("what", WITHOUT)
def test_an_image_is_denied_without(what: str, made: Callable[..., str], namespaces: Mapping[str, str]) -> None:
    how, said = WITHOUT[what]
    assert_denied(pod(image(made(what, **how)), namespaces["guarded"]), "failed policy: hallmark-iris", *said)


def test_an_image_is_denied_for_which_a_stranger_speaks(
    made: Callable[..., str], stranger: keys.KeyPair, namespaces: Mapping[str, str]
) -> None:
    assert_denied(pod(image(made("by a stranger", by=stranger)), namespaces["guarded"]), NO_SIGNATURE, NO_ATTESTATION)


def test_a_changed_image_is_denied_under_what_is_said_of_the_delivered_one(
    delivered: str, releases: Repository, namespaces: Mapping[str, str]
) -> None:
    other = releases.with_one_layer_more(delivered, "under its signature")
    releases.copy_what_is_said(delivered, other)
    assert_denied(pod(image(other), namespaces["guarded"]), NO_SIGNATURE, NO_ATTESTATION)


def in_an_init_container(good: Object, bad: str) -> Object:
    return {**good, "spec": {**good["spec"], "initContainers": [{"name": "first", "image": bad}]}}


def in_a_deployment(good: Object, bad: str) -> Object:
    labels = {"app": "served"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "server", "image": bad}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": good["metadata"], "spec": spec}


def in_a_cron_job(good: Object, bad: str) -> Object:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "server", "image": bad}]}}
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": good["metadata"], "spec": spec}


@pytest.mark.parametrize("somewhere", [in_an_init_container, in_a_deployment, in_a_cron_job])
def test_an_unsigned_image_is_denied_wherever_a_pod_would_have_it(
    somewhere: Callable[[Object, str], Object], delivered: str, releases: Repository, namespaces: Mapping[str, str]
) -> None:
    good, where = image(delivered), namespaces["guarded"]
    bad = image(releases.with_one_layer_more(delivered, "somewhere else"))
    assert ask(somewhere(pod(good, where), good)).exit_code == 0
    assert_denied(somewhere(pod(good, where), bad), bad, "failed policy: hallmark-iris")


def test_an_image_that_no_policy_is_about_is_denied_where_namespaces_are_guarded(
    base_image: str, namespaces: Mapping[str, str]
) -> None:
    assert_denied(pod(base_image, namespaces["guarded"]), "no matching policies")


def test_who_may_not_read_the_releases_is_denied_what_was_delivered(
    delivered: str, namespaces: Mapping[str, str]
) -> None:
    assert_denied(pod(image(delivered), namespaces["no credential"]), "UNAUTHORIZED")


def test_a_namespace_without_the_label_takes_everything(
    delivered: str, releases: Repository, base_image: str, namespaces: Mapping[str, str]
) -> None:
    other = releases.with_one_layer_more(delivered, "where nobody asks")
    for what in (image(other), base_image, image("gone")):
        done = ask(pod(what, namespaces["not guarded"]), "--output=json")
        assert json.loads(done.stdout)["spec"]["containers"][0]["image"] == what


def test_without_the_webhook_no_pod_is_created_in_a_guarded_namespace(
    delivered: str, namespaces: Mapping[str, str]
) -> None:
    scale = ["scale", "deployment", "webhook", f"--namespace={policy_controller.NAMESPACE}"]
    kubectl.kubectl(*scale, "--replicas=0")
    what = ["pod", "--all", f"--namespace={policy_controller.NAMESPACE}"]
    kubectl.kubectl("wait", *what, "--for=delete", "--timeout=60s", timeout=65)
    try:
        done = ask(pod(image(delivered), namespaces["guarded"]))
        assert done.exit_code != 0
        assert 'failed calling webhook "policy.sigstore.dev"' in done.stderr
        assert ask(pod(image(delivered), namespaces["not guarded"])).exit_code == 0
    finally:
        kubectl.kubectl(*scale, "--replicas=1")
        policy_controller.WEBHOOK.wait()
