"""verify-image against a real registry and real cosign: everything that must not be deployed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark.documents.policy import policy_digest
from hallmark.verdict import PREDICATE_TYPE

from .supply_chain_helpers import Called
from .supply_chain_images import COMMIT, Registries, days_ago, digest, verdict_content

Verify = Callable[..., Called]


@pytest.fixture
def content(registries: Registries, signing_policy: Path) -> Callable[..., dict[str, Any]]:
    def make(image_digest: str, **changes: Any) -> dict[str, Any]:
        return verdict_content(policy_digest(signing_policy), registries.candidate, image_digest, **changes)

    return make


Content = Callable[..., dict[str, Any]]


def pushed(registries: Registries) -> tuple[str, str]:
    """An image in the releases: its digest, and its reference."""
    found = registries.push(registries.release)
    return found, f"{registries.release}@{found}"


def test_a_signed_image_with_a_passing_verdict_is_verified(
    registries: Registries, verify: Verify, content: Content
) -> None:
    image_digest, image = pushed(registries)
    registries.sign(image)
    registries.attest(image, content(image_digest), predicate_type=PREDICATE_TYPE)
    called = verify(image, commit=COMMIT, model_digest=digest("2"))
    assert called.code == 0, called.output
    assert called.result("verified") == "true"


def test_an_unsigned_image_is_refused(registries: Registries, verify: Verify, content: Content) -> None:
    image_digest, image = pushed(registries)
    called = verify(image)
    assert called.code == 1, called.output
    assert "signature: no signatures found" in called.output
    assert called.result("verified") is None
    registries.attest(image, content(image_digest), predicate_type=PREDICATE_TYPE)
    called = verify(image)
    assert called.code == 1, called.output
    assert "NO  signature" in called.output


def test_a_signature_without_a_verdict_is_refused(registries: Registries, verify: Verify) -> None:
    _, image = pushed(registries)
    registries.sign(image)
    called = verify(image)
    assert called.code == 1, called.output
    assert "ok  signature" in called.output
    assert "NO  attestation" in called.output


def test_what_is_no_digest_and_no_commit_is_bad_input(verify: Verify) -> None:
    image = f"registry.example.com/releases/iris@{digest('1')}"
    for flags in ({"policy_digest": "abc"}, {"model_digest": "sha256:1"}, {"commit": "main"}):
        called = verify(image, **flags)
        (flag, given), *_ = flags.items()
        assert (called.code, f"--{flag.replace('_', '-')}={given} is no " in called.output) == (2, True), called.output


@pytest.mark.parametrize("what", ["signature", "attestation"])
def test_another_key_is_refused(registries: Registries, verify: Verify, content: Content, what: str) -> None:
    image_digest, image = pushed(registries)
    other = registries.other_key
    registries.sign(image, other if what == "signature" else None)
    by = other if what == "attestation" else None
    registries.attest(image, content(image_digest), by, predicate_type=PREDICATE_TYPE)
    called = verify(image)
    assert called.code == 1, called.output
    assert f"NO  {what}" in called.output


def test_the_signature_of_another_image_moved_under_this_digest_is_refused(
    registries: Registries, verify: Verify, content: Content
) -> None:
    good_digest, good = pushed(registries)
    registries.sign(good)
    registries.attest(good, content(good_digest), predicate_type=PREDICATE_TYPE)
    bad_digest = registries.push(registries.release, {"not": "judged"})
    for kind in ("sig", "att"):
        argv = ["copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]
        skopeo(registries, *argv, tag(registries, good_digest, kind), tag(registries, bad_digest, kind))
    called = verify(f"{registries.release}@{bad_digest}")
    assert called.code == 1, called.output
    assert "NO  signature" in called.output
    assert "NO  attestation" in called.output


def tag(registries: Registries, image_digest: str, kind: str) -> str:
    return f"docker://{registries.release}:{image_digest.replace(':', '-')}.{kind}"


def skopeo(registries: Registries, *arguments: str) -> None:
    import subprocess

    command = ["skopeo", "--insecure-policy", *arguments, f"--authfile={registries.releases.auth_file}"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"passed": False}, "NO  verdict passed"),
        (
            {"checks": [{"name": "accuracy", "passed": False, "value": "0.5", "limit": "0.9"}]},
            "the judge said no to: accuracy",
        ),
        ({"image": {"repository": "x.example/iris", "digest": digest("9")}}, "NO  verdict's image"),
        ({"policy": digest("9")}, "NO  verdict's policy"),
        ({"model": {"name": "wine", "version": "1.0.0", "digest": digest("2")}}, "NO  verdict's model name"),
        ({"model": {"name": "iris", "version": "1.0.0", "digest": digest("9")}}, "NO  verdict's model:"),
        ({"gates": {"check-code": {"passed": True, "report": digest("5")}}}, "test-image is missing"),
        (
            {
                "gates": {
                    "check-code": {"passed": True, "report": digest("5")},
                    "test-image": {"passed": False, "report": digest("5")},
                }
            },
            "test-image was refused",
        ),
        ({"metrics": {}}, "NO  verdict's accuracy: missing"),
        (
            {"metrics": {"accuracy": {"value": 0.89999, "minimum": 0.5, "low": 0, "high": 1}}},
            "NO  verdict's accuracy: 0.89999",
        ),
        ({"data": {"training": digest("3"), "independent": digest("4"), "rows": 29, "overlap": 0}}, "verdict's rows"),
        (
            {"data": {"training": digest("3"), "independent": digest("4"), "rows": 45, "overlap": 0.2}},
            "verdict's overlap",
        ),
        ({"judgedAt": days_ago(365)}, "NO  verdict's age: expired verdict, judged at"),
        ({"judgedAt": days_ago(-1)}, "NO  verdict's age: judged in the future at"),
        ({"judgedAt": None}, "NO  verdict"),
        ({"judgedAt": "2026-01-31T12:00:00+01:00"}, "NO  verdict"),
        ({"judgedAt": "9999-12-31T23:59:59Z"}, "NO  verdict's age: judged in the future at"),
        ({"checks": []}, "NO  verdict"),
        ({"kind": "Opinion"}, "NO  verdict"),
        ({"forged": True}, "NO  verdict"),
    ],
)
def test_a_verdict_that_says_something_else_is_refused_though_the_right_key_signed_it(
    registries: Registries, verify: Verify, content: Content, changes: dict[str, Any], complaint: str
) -> None:
    image_digest, image = pushed(registries)
    registries.sign(image)
    registries.attest(image, content(image_digest, **changes), predicate_type=PREDICATE_TYPE)
    called = verify(image, model_digest=digest("2"))
    assert called.code == 1, called.output
    assert complaint in called.output


def test_another_commit_than_asked_for_is_refused(registries: Registries, verify: Verify, content: Content) -> None:
    image_digest, image = pushed(registries)
    registries.sign(image)
    registries.attest(image, content(image_digest), predicate_type=PREDICATE_TYPE)
    called = verify(image, commit="d" * 40)
    assert called.code == 1
    assert "NO  verdict's commit" in called.output


@pytest.mark.parametrize("predicate_type", ["https://hallmark.dev/attestation/other/v1", "cyclonedx"])
def test_an_attestation_of_another_type_is_no_verdict(
    registries: Registries, verify: Verify, content: Content, predicate_type: str
) -> None:
    image_digest, image = pushed(registries)
    registries.sign(image)
    registries.attest(image, content(image_digest), predicate_type=predicate_type)
    called = verify(image)
    assert called.code == 1, called.output
    assert "NO  attestation" in called.output


def test_one_good_verdict_among_others_is_enough_and_several_bad_ones_are_not(
    registries: Registries, verify: Verify, content: Content
) -> None:
    image_digest, image = pushed(registries)
    registries.sign(image)
    registries.attest(image, content(image_digest, policy=digest("9")), predicate_type=PREDICATE_TYPE)
    registries.attest(image, content(image_digest, passed=False), predicate_type=PREDICATE_TYPE)
    assert verify(image).code == 1
    registries.attest(image, content(image_digest), predicate_type=PREDICATE_TYPE)
    registries.attest(image, {"anything": "else"}, predicate_type=PREDICATE_TYPE)
    called = verify(image)
    assert called.code == 0, called.output


def test_a_changed_policy_is_bad_input_and_a_new_one_needs_a_new_verdict(
    registries: Registries, verify: Verify, content: Content, signing_policy: Path
) -> None:
    image_digest, image = pushed(registries)
    registries.sign(image)
    registries.attest(image, content(image_digest), predicate_type=PREDICATE_TYPE)
    pinned = policy_digest(signing_policy)
    file = signing_policy / "policy.yaml"
    file.write_text(file.read_text() + "# tightened\n")
    assert verify(image, policy_digest=pinned).code == 2
    called = verify(image)
    assert called.code == 1
    assert "NO  verdict's policy" in called.output


def test_a_verdict_of_an_earlier_policy_is_accepted_only_where_this_one_trusts_it_and_asks_no_more(
    registries: Registries, verify: Verify, content: Content, signing_policy: Path
) -> None:
    image_digest, image = pushed(registries)
    registries.sign(image)
    registries.attest(image, content(image_digest), predicate_type=PREDICATE_TYPE)
    earlier, file = policy_digest(signing_policy), signing_policy / "policy.yaml"
    text = file.read_text()
    file.write_text(text.replace("[cosign.pub]}", f"[cosign.pub], trustedPolicies: ['{digest('9')}']}}"))
    called = verify(image)
    assert called.code == 1, called.output
    assert "NO  verdict's policy" in called.output
    trusting = text.replace("[cosign.pub]}", f"[cosign.pub], trustedPolicies: ['{digest('9')}', '{earlier}']}}")
    file.write_text(trusting)
    called = verify(image)
    assert called.code == 0, called.output
    file.write_text(trusting.replace("requiredGates: [", "requiredGates: [predict-model, "))
    called = verify(image)
    assert called.code == 1, called.output
    assert "NO  required gates: predict-model is missing" in called.output


def test_how_long_a_verdict_holds_is_the_policys_to_say(
    registries: Registries, verify: Verify, content: Content, signing_policy: Path
) -> None:
    file = signing_policy / "policy.yaml"
    text = file.read_text()
    image_digest, image = pushed(registries)
    registries.sign(image)
    for days, code in (("30", 1), ("null", 0), ("500", 0)):
        file.write_text(text.replace("[cosign.pub]}", f"[cosign.pub], validFor: {days}}}"))
        old = content(image_digest, judgedAt=days_ago(400))
        registries.attest(image, old, predicate_type=PREDICATE_TYPE)
        called = verify(image)
        assert called.code == code, called.output
        assert ("expired verdict, judged at" in called.output) == (code == 1)


def test_a_verdict_on_another_repository_than_the_policy_lists_is_refused(
    registries: Registries, verify: Verify, content: Content, signing_policy: Path
) -> None:
    with (signing_policy / "policy.yaml").open("a") as file:
        file.write("source:\n  repositories: ['https://git.example.com/makers/other.git']\n")
    image_digest, image = pushed(registries)
    registries.sign(image)
    registries.attest(image, content(image_digest), predicate_type=PREDICATE_TYPE)
    called = verify(image)
    assert called.code == 1
    assert "NO  repository" in called.output


def test_a_second_trusted_key_is_accepted(
    registries: Registries, verify: Verify, content: Content, signing_policy: Path
) -> None:
    file = signing_policy / "policy.yaml"
    file.write_text(file.read_text().replace("[cosign.pub]", "[cosign.pub, next.pub]"))
    (signing_policy / "next.pub").write_bytes(registries.other_key.public.read_bytes())
    image_digest, image = pushed(registries)
    registries.sign(image, registries.other_key)
    registries.attest(image, content(image_digest), registries.other_key, predicate_type=PREDICATE_TYPE)
    called = verify(image)
    assert called.code == 0, called.output
    assert "fits next.pub" in called.output


@pytest.mark.parametrize("image", ["127.0.0.1:1/iris:latest", "127.0.0.1:1/iris", "iris@sha256:00", "host/iris:1@sha"])
def test_an_image_without_a_digest_is_bad_input(verify: Verify, image: str) -> None:
    assert verify(image).code == 2


@pytest.mark.parametrize("key", [None, "no key", "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n"])
def test_a_policy_without_its_public_key_is_bad_input(verify: Verify, signing_policy: Path, key: str | None) -> None:
    (signing_policy / "cosign.pub").unlink()
    if key is not None:
        (signing_policy / "cosign.pub").write_text(key)
    called = verify(f"127.0.0.1:1/iris@{digest('0')}")
    assert called.code == 2
    assert "cosign.pub" in called.output


def test_a_registry_that_does_not_answer_is_a_failed_tool(verify: Verify) -> None:
    called = verify(f"127.0.0.1:9/iris@{digest('0')}")
    assert called.code == 3, called.output


def test_an_image_that_is_not_there_or_may_not_be_read_is_a_failed_tool(
    registries: Registries, verify: Verify, tmp_path: Path
) -> None:
    assert verify(f"{registries.release}@{digest('0')}").code == 3
    _, image = pushed(registries)
    assert verify(image, credential="").code == 3
    assert verify(image, credential=registries.candidates.credential).code == 3
    empty = tmp_path / "empty"
    empty.mkdir()
    assert verify(image, credential=empty).code == 2


def test_what_a_cosign_prints_that_nobody_knows_is_never_believed(
    registries: Registries, verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, image = pushed(registries)
    fake = tmp_path / "bin" / "cosign"
    fake.parent.mkdir()
    monkeypatch.setenv("PATH", str(fake.parent), prepend=":")
    for version, output in (("v2.6.5", "verified!"), ("v2.6.5", ""), ("v2.6.5", "{}"), ("v1.0.0", ""), ("devel", "")):
        fake.write_text(f'#!/bin/sh\ncase "$1" in version) echo \'{{"gitVersion": "{version}"}}\';; ')
        with fake.open("a") as script:
            script.write(f"*) echo '{output}';; esac\n")
        fake.chmod(0o755)
        called = verify(image)
        assert called.code == 3, called.output


@pytest.mark.parametrize(
    ("changes", "what", "change"),
    [
        ({"judgedAt": days_ago(400)}, "the verdict has expired: judged at", "Next: deliver the same commit again"),
        ({"policy": digest("9")}, "which is not trusted now", "signing.trustedPolicies"),
        ({"gates": {}}, "the verdict lacks a gate that the policy requires: check-code is missing", "Next: run all of"),
        (None, "no trusted key has made the signature: no signatures found", "never sign by hand"),
    ],
)
def test_what_verify_image_refused_is_explained(
    registries: Registries,
    verify: Verify,
    content: Content,
    hallmark: Callable[..., Called],
    tmp_path: Path,
    changes: dict[str, Any] | None,
    what: str,
    change: str,
) -> None:
    image_digest, image = pushed(registries)
    if changes is not None:
        registries.sign(image)
        registries.attest(image, content(image_digest, **changes), predicate_type=PREDICATE_TYPE)
    assert verify(image).code == 1
    told = hallmark("explain", reports=tmp_path / "report").output
    assert what in told
    assert change in told
