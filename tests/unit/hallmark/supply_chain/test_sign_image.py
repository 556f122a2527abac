"""sign-image against real registries and real cosign: a refused verdict never gets a signature."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark import image_labels
from hallmark.documents.policy import policy_digest
from hallmark.tools.cosign_output import parse_statements
from hallmark.verdict import PREDICATE_TYPE, read_verdict

from .supply_chain_helpers import Called
from .supply_chain_images import COMMIT, LABELS, Registries, days_ago, digest

Sign = Callable[..., Called]


def tags(registries: Registries) -> list[str]:
    """The tags of the release repository; empty where there is no such repository."""
    argv = ["skopeo", "list-tags", "--tls-verify=false", f"--authfile={registries.releases.auth_file}"]
    done = subprocess.run([*argv, f"docker://{registries.release}"], capture_output=True, text=True, check=False)
    return sorted(json.loads(done.stdout)["Tags"]) if done.returncode == 0 else []


def layers(registries: Registries, image: str, kind: str) -> int:
    name = image.partition("@")[2].replace(":", "-")
    argv = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"--authfile={registries.releases.auth_file}"]
    done = subprocess.run([*argv, f"docker://{registries.release}:{name}.{kind}"], capture_output=True, check=True)
    return len(json.loads(done.stdout)["layers"])


def test_a_passing_verdict_is_copied_signed_and_attested_and_verify_image_agrees(
    sign: Sign, registries: Registries, signing_policy: Path, hallmark: Callable[..., Called], tmp_path: Path
) -> None:
    called = sign()
    assert called.code == 0, called.output
    image = called.result("release-image-ref") or ""
    assert image == f"{registries.release}@{called.result('release-digest')}"
    verified = hallmark(
        "verify-image",
        image=image,
        policy=signing_policy,
        policy_digest=policy_digest(signing_policy),
        credential=registries.releases.credential,
        commit=COMMIT,
        tls_verify="false",
    )
    assert verified.code == 0, verified.output
    flags = (f"--key={registries.key.public}", "--insecure-ignore-tlog=true", f"--type={PREDICATE_TYPE}")
    (statement,) = parse_statements(registries.cosign("verify-attestation", *flags, image))
    assert read_verdict(json.dumps(statement.predicate)) == read_verdict(
        (tmp_path / "verdict/verdict.json").read_text()
    )


def test_signing_twice_makes_no_second_signature_and_no_second_attestation(sign: Sign, registries: Registries) -> None:
    first = sign()
    image = first.result("release-image-ref") or ""
    before = tags(registries)
    other_evidence = {
        "gates": {name: {"passed": True, "report": digest("6")} for name in ("check-code", "test-image")},
    }
    second = sign(other_evidence, image_digest=first.result("release-digest"))
    assert second.code == 0, second.output
    assert tags(registries) == before
    assert (layers(registries, image, "sig"), layers(registries, image, "att")) == (1, 3)


@pytest.mark.parametrize(("age", "attestations"), [(180, 3), (185, 4), (364, 4)])
def test_a_verdict_that_is_about_to_expire_is_attested_anew(
    sign: Sign, registries: Registries, age: float, attestations: int
) -> None:
    first = sign({"judgedAt": days_ago(age)})
    assert first.code == 0, first.output
    image = first.result("release-image-ref") or ""
    second = sign(image_digest=first.result("release-digest"))
    assert second.code == 0, second.output
    assert (layers(registries, image, "sig"), layers(registries, image, "att")) == (1, attestations)


def test_a_new_verdict_on_a_signed_image_is_attested_too(
    sign: Sign, registries: Registries, signing_policy: Path, signing_key: Path
) -> None:
    first = sign()
    image = first.result("release-image-ref") or ""
    policy = signing_policy / "policy.yaml"
    policy.write_text(policy.read_text() + "# a new edition\n")
    (signing_key / "policies").write_text(policy_digest(signing_policy))
    second = sign(image_digest=first.result("release-digest"))
    assert second.code == 0, second.output
    assert (layers(registries, image, "sig"), layers(registries, image, "att")) == (1, 6)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"passed": False}, "NO  verdict passed"),
        ({"checks": [{"name": "overlap", "passed": False, "value": "", "limit": ""}]}, "NO  verdict passed"),
        ({"image": {"repository": "elsewhere.example/iris", "digest": digest("9")}}, "NO  verdict's image"),
        ({"policy": digest("9")}, "NO  verdict's policy"),
        ({"gates": {}}, "NO  required gates"),
        ({"metrics": {}}, "NO  verdict's accuracy"),
        ({"judgedAt": days_ago(366)}, "NO  verdict's age: expired verdict"),
        ({"judgedAt": days_ago(-1)}, "NO  verdict's age: judged in the future"),
    ],
)
def test_a_refused_verdict_never_gets_a_signature(
    sign: Sign, registries: Registries, changes: dict[str, Any], complaint: str
) -> None:
    called = sign(changes)
    assert called.code == 1, called.output
    assert complaint in called.output
    assert called.result("release-image-ref") is None
    assert tags(registries) == []


def test_a_verdict_about_another_candidate_repository_or_commit_is_refused(sign: Sign, registries: Registries) -> None:
    called = sign(commit="d" * 40)
    assert called.code == 1
    assert "NO  verdict's commit" in called.output
    pushed = registries.push(registries.candidate)
    called = sign({"image": {"repository": "elsewhere.example/iris", "digest": pushed}}, image_digest=pushed)
    assert called.code == 1
    assert "NO  candidate" in called.output
    assert tags(registries) == []


@pytest.mark.parametrize("name", [image_labels.REVISION, image_labels.MODEL_DIGEST, image_labels.SOURCE_DIGEST])
def test_an_image_built_from_something_else_is_refused(sign: Sign, registries: Registries, name: str) -> None:
    for labels in ({**LABELS, name: digest("9")}, {key: value for key, value in LABELS.items() if key != name}):
        called = sign(labels=labels)
        assert called.code == 1, called.output
        assert f"NO  label {name}" in called.output
    assert tags(registries) == []


def test_a_policy_that_the_keys_owner_did_not_accept_is_refused(
    sign: Sign, registries: Registries, signing_key: Path
) -> None:
    (signing_key / "policies").write_text(f"# {digest('0')}\n{digest('9')}\n")
    called = sign()
    assert called.code == 1
    assert "NO  policy accepted for this key" in called.output
    assert tags(registries) == []


def test_a_key_that_the_policy_does_not_name_is_refused(sign: Sign, registries: Registries, signing_key: Path) -> None:
    shutil.copy(registries.other_key.private, signing_key / "cosign.key")
    shutil.copy(registries.other_key.password, signing_key / "cosign.password")
    called = sign()
    assert called.code == 1
    assert "NO  key accepted by the policy" in called.output
    assert "sign with a key that signing.publicKeys names" in called.output
    assert tags(registries) == []


def test_a_changed_verdict_or_policy_is_bad_input(sign: Sign, registries: Registries, signing_policy: Path) -> None:
    assert sign(verdict_digest=digest("9")).code == 2
    assert sign(policy_digest=digest("9")).code == 2
    assert tags(registries) == []


@pytest.mark.parametrize("name", ["cosign.key", "cosign.password", "policies"])
def test_a_signing_key_that_is_not_whole_is_bad_input(sign: Sign, signing_key: Path, name: str) -> None:
    (signing_key / name).unlink()
    called = sign()
    assert called.code == 2
    assert name in called.output


def test_a_list_of_policies_with_an_odd_line_is_bad_input(sign: Sign, signing_key: Path) -> None:
    (signing_key / "policies").write_text("iris-2026\n")
    assert sign().code == 2


@pytest.mark.parametrize("flags", [{"release_image": "iris:latest"}, {"image_digest": "latest"}, {"tls_verify": "no"}])
def test_params_that_name_no_image_are_bad_input(sign: Sign, flags: dict[str, object], registries: Registries) -> None:
    if "image_digest" in flags:
        changes = {"image": {"repository": "x.example/iris", "digest": digest("9")}}
        assert sign(changes, **flags).code == 2
    else:
        assert sign(**flags).code == 2


def test_a_list_of_images_that_was_judged_as_one_image_is_refused(sign: Sign, registries: Registries) -> None:
    index = registries.push(registries.candidate, as_index=True)
    called = sign(image_digest=index)
    assert called.code == 1, called.output
    assert "NO  images of the list" in called.output


def test_a_wrong_password_is_a_failed_tool_and_is_not_shown(sign: Sign, signing_key: Path) -> None:
    (signing_key / "cosign.password").write_text("hunter2-hunter2\n")
    called = sign()
    assert called.code == 3
    assert "cosign.password is the password" in called.output
    assert "hunter2" not in called.output


def test_a_registry_that_does_not_answer_or_let_us_in_is_a_failed_tool(sign: Sign, registries: Registries) -> None:
    down = sign(release_image="127.0.0.1:9/releases/iris")
    assert down.code == 3, down.output
    assert sign(release_credential="").code == 3
    assert sign(candidate_credential="").code == 3
    assert tags(registries) == []


def test_the_candidates_credential_cannot_push_releases(sign: Sign, registries: Registries) -> None:
    assert sign(release_credential=registries.candidates.credential).code == 3
    assert tags(registries) == []
