"""policy-admission --kind: manifests are of their CRDs' schemas, and their readers admit what was delivered only."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from hallmark.admission_manifests import KINDS
from hallmark.documents.policy import policy_digest
from hallmark.verdict import PREDICATE_TYPE
from services import admission

from .supply_chain_helpers import Called
from .supply_chain_images import Registries, days_ago, verdict_content

Written = Callable[..., Path]
SIGNING = "publicKeys: [cosign.pub]"


@pytest.fixture
def written(
    hallmark: Callable[..., Called], registries: Registries, signing_policy: Path, tmp_path: Path
) -> Callable[..., Path]:
    """Writes the manifest of a kind for the releases of this test."""

    def call(kind: str, **flags: object) -> Path:
        wanted = {"policy": signing_policy, "output": tmp_path / "admission", "image": registries.release, **flags}
        called = hallmark("policy-admission", kind=kind, **wanted)
        assert called.code == 0, called.output
        return tmp_path / "admission" / f"{kind}.yaml"

    return call


def two_keys(registries: Registries, policy: Path) -> None:
    """A policy in the middle of a key's rotation."""
    shutil.copy(registries.other_key.public, policy / "new.pub")
    file = policy / "policy.yaml"
    file.write_text(file.read_text().replace("publicKeys: [cosign.pub]", "publicKeys: [cosign.pub, new.pub]"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_manifest_is_of_its_crd_s_schema(kind: str, written: Written) -> None:
    document = yaml.safe_load(written(kind).read_text())
    schema = admission.crd_schema(kind, document["apiVersion"].rpartition("/")[2])
    judge = jsonschema.Draft202012Validator(schema)
    judge.validate(document)
    with pytest.raises(jsonschema.ValidationError):
        judge.validate({**document, "spec": {**document["spec"], "scope": []}})


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_cannot_read_bundles_is_not_given_any(
    kind: str, hallmark: Callable[..., Called], registries: Registries, signing_policy: Path, tmp_path: Path
) -> None:
    file = signing_policy / "policy.yaml"
    file.write_text(file.read_text().replace(SIGNING, f"{SIGNING}, format: bundle"))
    flags = {"policy": signing_policy, "output": tmp_path / "out", "image": registries.release}
    called = hallmark("policy-admission", kind=kind, **flags)
    assert called.code == 2
    assert "signed as bundles only" in called.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"kind": "gatekeeper", "image": "registry.example.com/iris"}, "give one of cosign, clusterimagepolicy"),
        ({"kind": "kyverno"}, "is no repository of images"),
        ({"kind": "kyverno", "image": "registry.example.com/iris:1"}, "is no repository of images"),
        ({"kind": "kyverno", "image": "registry.example.com/iris", "key": "x.pub"}, "none of the policy's public keys"),
        ({"image": "registry.example.com/iris"}, "cosign is given both on its command line"),
        ({"kind": "clusterimagepolicy", "image": "registry:5000/iris"}, "with a dot"),
    ],
    ids=str,
)
def test_what_cannot_be_written_is_bad_input(
    flags: dict[str, str], said: str, hallmark: Callable[..., Called], signing_policy: Path, tmp_path: Path
) -> None:
    called = hallmark("policy-admission", policy=signing_policy, output=tmp_path / "out", **flags)
    assert called.code == 2
    assert said in called.output


def test_openshift_takes_one_key_which_has_to_be_chosen(
    hallmark: Callable[..., Called], registries: Registries, signing_policy: Path, tmp_path: Path, written: Written
) -> None:
    two_keys(registries, signing_policy)
    flags = {"policy": signing_policy, "output": tmp_path / "out", "image": registries.release}
    called = hallmark("policy-admission", kind="clusterimagepolicy", **flags)
    assert called.code == 2
    assert "say which with --key" in called.output
    one, other = (written("clusterimagepolicy", key=name).read_text() for name in ("cosign.pub", "new.pub"))
    assert one != other


@pytest.fixture
def delivered(registries: Registries, signing_policy: Path) -> Callable[..., str]:
    """A pushed image as sign-image leaves it; the arguments take something of that away."""

    def make(*, repository: str = "", sign: bool = True, attest: bool = True, key: Any = None, **verdict: Any) -> str:
        where = repository or registries.release
        found = registries.push(where, {"of": f"{sign} {attest} {sorted(verdict)}"})
        image = f"{where}@{found}"
        if sign:
            registries.sign(image, key)
        if attest:
            content = verdict_content(policy_digest(signing_policy), registries.candidate, found, **verdict)
            registries.attest(image, content, key, predicate_type=PREDICATE_TYPE)
        return image

    return make


def test_policy_controller_admits_what_was_delivered_and_nothing_less(
    registries: Registries, signing_policy: Path, written: Written, delivered: Callable[..., str]
) -> None:
    tester = admission.policy_tester()
    manifest = written("policy-controller")

    def ask(image: str) -> str:
        done = admission.ask_policy_controller(tester, manifest, image, registries.releases.credential)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    assert ask(delivered()) == ""
    # Which of the two authorities is named first is a matter of chance.
    assert "signatures" in (said := ask(delivered(sign=False, attest=False))) or "attestations" in said
    assert "verdict-0" in ask(delivered(attest=False, passed=True)), "a signature alone is not enough"
    assert "no signatures found" in ask(delivered(sign=False, passed=True)), "a verdict alone is not enough"
    assert "not compliant" in ask(delivered(passed=False))
    assert "not compliant" in ask(delivered(judgedAt=days_ago(366)))
    assert "validation failed" in ask(delivered(key=registries.other_key, kind="Verdict"))
    file = signing_policy / "policy.yaml"
    file.write_text(file.read_text().replace("attestations: [verdict]", "attestations: [verdict, provenance]"))
    written("policy-controller")
    assert "no matching attestations with type https://slsa.dev/provenance/v1" in ask(delivered())


def test_policy_controller_denies_an_image_that_was_changed_under_its_signature(
    registries: Registries, written: Written, delivered: Callable[..., str]
) -> None:
    """The signature and the attestation of a delivered image are copied to another one's tags."""
    tester, manifest = admission.policy_tester(), written("policy-controller")
    good, bad = delivered(), registries.push(registries.release, {"of": "somebody else"})
    tag = good.rpartition("@")[2].replace(":", "-")
    for kind in ("sig", "att"):
        registries.copy(f"{registries.release}:{tag}.{kind}", f"{registries.release}:{bad.replace(':', '-')}.{kind}")
    credential = registries.releases.credential
    assert admission.ask_policy_controller(tester, manifest, good, credential).returncode == 0
    for image in (f"{registries.release}@{bad}", f"{registries.release}:it"):
        done = admission.ask_policy_controller(tester, manifest, image, credential)
        assert done.returncode != 0
        # It asks for signature and attestations at once, and tells what was refused first.
        words = ("no matching signatures", "no matching attestations", "not compliant")
        assert any(word in done.stdout for word in words), done.stdout


def test_while_a_key_is_rotated_policy_controller_admits_by_either(
    registries: Registries, signing_policy: Path, written: Written, delivered: Callable[..., str]
) -> None:
    two_keys(registries, signing_policy)
    tester, both, credential = admission.policy_tester(), written("policy-controller"), registries.releases.credential
    image = delivered(key=registries.other_key)
    assert admission.ask_policy_controller(tester, both, image, credential).returncode == 0
    old = written("policy-controller", key="cosign.pub")
    assert admission.ask_policy_controller(tester, old, image, credential).returncode != 0


def test_what_openshift_pulls_is_signed_in_that_repository(
    registries: Registries, written: Written, delivered: Callable[..., str]
) -> None:
    manifest, elsewhere = written("clusterimagepolicy"), f"{registries.release}-elsewhere"
    credential, image = registries.releases.credential, delivered()
    assert yaml.safe_load(manifest.read_text())["spec"]["scopes"] == [registries.release]
    assert admission.ask_openshift(manifest, image, credential) == ""
    assert "no signatures found" in admission.ask_openshift(manifest, delivered(sign=False, attest=False), credential)
    other = delivered(key=registries.other_key, attest=False, passed=True)
    assert "no matching signatures" in admission.ask_openshift(manifest, other, credential)
    tag = image.rpartition("@")[2].replace(":", "-")
    registries.copy(image, f"{elsewhere}:it")
    registries.copy(f"{registries.release}:{tag}.sig", f"{elsewhere}:{tag}.sig")
    moved = image.replace(registries.release, elsewhere)
    assert "is not signed, but" in admission.ask_openshift(manifest, moved, credential)
