"""What must never be deployed, against real registries, by the cosign that is delivered and by the next one."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark.attestations import TYPES, provenance
from hallmark.attestations import test_result as result_of_tests
from hallmark.documents.policy import policy_digest
from hallmark.verdict import PREDICATE_TYPE, Verdict

from .supply_chain_helpers import Called
from .supply_chain_images import Registries, digest, verdict_content
from .supply_chain_statements import DIFFERENT

PLAIN = ("--insecure-ignore-tlog=true", "--allow-http-registry")
Call = Callable[..., Called]


@pytest.fixture(params=["2.6", "3.1"])
def cosign_version(request: pytest.FixtureRequest, use_cosign: Callable[[str], None]) -> str:
    version = str(request.param)
    use_cosign(version)
    return version


@pytest.fixture
def policy_asks(signing_policy: Path, signing_key: Path) -> Callable[[str], None]:
    """Puts keys into `signing` of the policy, and has the key's owner accept that."""

    def ask(text: str) -> None:
        file = signing_policy / "policy.yaml"
        file.write_text(file.read_text().replace("signing: {attestations: [verdict], ", f"signing: {{{text}, "))
        (signing_key / "policies").write_text(policy_digest(signing_policy))

    return ask


def released(called: Called) -> str:
    assert called.code == 0, called.output
    return called.result("release-image-ref") or ""


def objects(registries: Registries, image: str) -> list[int]:
    """How many signatures and attestations are kept beside the image: legacy both, and referrers."""
    counts = []
    name = image.partition("@")[2].replace(":", "-")
    for tag, key in ((f"{name}.sig", "layers"), (f"{name}.att", "layers"), (name, "manifests")):
        argv = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"--authfile={registries.releases.auth_file}"]
        done = subprocess.run([*argv, f"docker://{registries.release}:{tag}"], capture_output=True, check=False)
        counts.append(len(json.loads(done.stdout)[key]) if done.returncode == 0 else 0)
    return counts


@pytest.mark.parametrize(
    ("cosign_version", "kept", "expected"),
    [
        ("2.6", "bundle", [0, 0, 4]),
        ("2.6", "both", [1, 3, 4]),
        ("3.1", "legacy", [1, 3, 0]),
        ("3.1", "both", [1, 3, 4]),
    ],
    indirect=["cosign_version"],
)
def test_what_sign_image_writes_holds_for_verify_image_and_for_plain_cosign_and_is_written_once(
    cosign_version: str,
    policy_asks: Callable[[str], None],
    sign: Call,
    verify: Call,
    registries: Registries,
    kept: str,
    expected: list[int],
) -> None:
    policy_asks(f"format: {kept}")
    image = released(sign(base_image=f"registry.example.com/base@{digest('7')}", run_name="iris-1"))
    assert objects(registries, image) == expected
    called = verify(image)
    assert called.code == 0, called.output
    key = f"--key={registries.key.public}"
    if kept == "legacy" or cosign_version == "3.1":
        registries.cosign("verify", key, *PLAIN, image)
        for kind in ("verdict", "provenance", "tests"):
            assert registries.cosign("verify-attestation", key, *PLAIN, f"--type={TYPES[kind]}", image)
    again = sign(
        image_digest=image.partition("@")[2], run_name="iris-2", base_image=f"registry.example.com/base@{digest('7')}"
    )
    assert released(again) == image
    assert objects(registries, image) == expected


def test_a_bundle_that_says_something_else_is_no_signature_though_cosign_takes_it_for_one(
    cosign_version: str,
    policy_asks: Callable[[str], None],
    verify: Call,
    registries: Registries,
    signing_policy: Path,
) -> None:
    policy_asks("attestations: [verdict], format: bundle")
    found = registries.push(registries.release)
    image = f"{registries.release}@{found}"
    content = verdict_content(policy_digest(signing_policy), registries.candidate, found)
    registries.attest(image, {"bomFormat": "CycloneDX"}, predicate_type=TYPES["sbom"], kept="bundle")
    if cosign_version == "3.1":
        assert registries.cosign("verify", f"--key={registries.key.public}", *PLAIN, image)
    registries.attest(image, content, predicate_type=PREDICATE_TYPE, kept="bundle")
    called = verify(image)
    assert called.code == 1, called.output
    assert "NO  signature: no signature among what fits" in called.output
    assert "ok  attestation" in called.output
    registries.sign(image, kept="bundle")
    called = verify(image)
    assert called.code == 0, called.output


def test_a_bundle_beside_a_legacy_signature_never_makes_a_refused_image_pass(
    cosign_version: str, sign: Call, verify: Call, registries: Registries
) -> None:
    image = released(sign())
    registries.attest(
        image, {"bomFormat": "CycloneDX"}, registries.other_key, predicate_type="cyclonedx", kept="bundle"
    )
    called = verify(image)
    if cosign_version == "3.1":
        assert called.code == 0, called.output
    else:
        assert called.code == 1, called.output
        assert "a sigstore bundle lies beside the legacy signature" in called.output


def test_signature_and_bundles_of_another_image_put_under_this_digest_are_refused(
    cosign_version: str, policy_asks: Callable[[str], None], sign: Call, verify: Call, registries: Registries
) -> None:
    policy_asks("format: bundle")
    good = released(sign()).partition("@")[2]
    bad = registries.push(registries.release, {"not": "judged"})
    copy(registries, f"{registries.release}:{good.replace(':', '-')}", f"{registries.release}:{bad.replace(':', '-')}")
    called = verify(f"{registries.release}@{bad}")
    assert called.code == 1, called.output
    assert "NO  signature" in called.output
    assert "NO  attestation" in called.output


def copy(registries: Registries, source: str, target: str) -> None:
    argv = [
        "skopeo",
        "--insecure-policy",
        "copy",
        "--all",
        "--quiet",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
    ]
    argv += [f"--authfile={registries.releases.auth_file}", f"docker://{source}", f"docker://{target}"]
    subprocess.run(argv, check=True, capture_output=True)


def test_what_the_policy_wants_attested_has_to_be_there(
    policy_asks: Callable[[str], None], sign: Call, verify: Call, registries: Registries
) -> None:
    image = released(sign())
    policy_asks("attestations: [verdict, provenance, tests, sbom]")
    called = sign(image_digest=image.partition("@")[2])
    assert called.code == 1, called.output
    assert "NO  attestations: without sbom" in called.output
    called = verify(image)
    assert called.code == 1, called.output
    assert "NO  attestation of sbom: " in called.output


@pytest.mark.parametrize(("kind", "change", "complaint"), [DIFFERENT[0], DIFFERENT[-1]])
def test_an_attestation_that_says_something_else_than_the_verdict_is_refused_though_the_right_key_signed_it(
    policy_asks: Callable[[str], None],
    verify: Call,
    registries: Registries,
    signing_policy: Path,
    kind: str,
    change: Callable[[dict[str, Any]], None],
    complaint: str,
) -> None:
    policy_asks(f"attestations: [verdict, {kind}]")
    found = registries.push(registries.release)
    image = f"{registries.release}@{found}"
    content = verdict_content(policy_digest(signing_policy), registries.candidate, found)
    verdict = Verdict.model_validate_json(json.dumps(content))
    builder = "https://hallmark.dev/builders/tekton/v1"
    made = {"provenance": provenance(verdict, registries.release, builder=builder), "tests": result_of_tests(verdict)}
    predicate = json.loads(json.dumps(made[kind]))
    change(predicate)
    registries.sign(image)
    registries.attest(image, content, predicate_type=PREDICATE_TYPE)
    registries.attest(image, predicate, predicate_type=TYPES[kind])  # type: ignore[index]
    called = verify(image)
    assert called.code == 1, called.output
    assert complaint in called.output


def test_an_sbom_is_attested_only_about_this_image_and_as_it_was_handed_over(
    policy_asks: Callable[[str], None], sign: Call, verify: Call, registries: Registries, tmp_path: Path
) -> None:
    policy_asks("attestations: [verdict, sbom, vulnerabilities]")
    found = registries.push(registries.candidate)
    sbom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "container", "name": "iris", "version": digest("8")}},
        "components": [{"type": "library", "name": "numpy", "version": "2.0.0"}],
    }
    report = {
        "scanner": {"uri": "https://example.com/scanner", "version": "1", "db": {}, "result": {}},
        "metadata": {"scanStartedOn": "2026-01-31T12:00:00Z", "scanFinishedOn": "2026-01-31T12:00:01Z"},
    }
    folder = tmp_path / "sbom"
    folder.mkdir()

    def flags() -> dict[str, object]:
        texts = {"sbom": json.dumps(sbom), "vulnerabilities": json.dumps(report)}
        (folder / "sbom.cdx.json").write_text(texts["sbom"])
        (folder / "vulnerabilities.json").write_text(texts["vulnerabilities"])
        given = {f"{name}_digest": f"sha256:{sha256(text)}" for name, text in texts.items()}
        return {"sbom": folder, "image_digest": found, **given}

    called = sign(**flags())
    assert called.code == 1, called.output
    assert "NO  sbom's subject: of another subject" in called.output
    sbom["metadata"] = {"component": {"type": "container", "name": "iris", "version": found}}
    image = released(sign(**flags()))
    assert verify(image).code == 0
    before = objects(registries, image)
    report["metadata"] = {"scanStartedOn": "2026-02-01T12:00:00Z", "scanFinishedOn": "2026-02-01T12:00:01Z"}
    released(sign(**flags()))
    assert objects(registries, image) == before, "nothing new was found, only later"
    given = flags()
    (folder / "sbom.cdx.json").write_text("{}")
    assert sign(**given).code == 2
    assert sign(**{**given, "sbom": ""}).code == 2


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_tag_that_was_moved_after_signing_changes_nothing(sign: Call, verify: Call, registries: Registries) -> None:
    image = released(sign())
    argv = ["skopeo", "list-tags", "--tls-verify=false", f"--authfile={registries.releases.auth_file}"]
    done = subprocess.run([*argv, f"docker://{registries.release}"], capture_output=True, check=True)
    tag = next(name for name in json.loads(done.stdout)["Tags"] if name.startswith("1.2.3-"))
    other = registries.push(registries.release, {"moved": "here"})
    copy(registries, f"{registries.release}:it", f"{registries.release}:{tag}")
    assert verify(image).code == 0
    assert verify(f"{registries.release}@{other}").code == 1
    assert verify(f"{registries.release}:{tag}").code == 2


def test_an_image_that_was_copied_elsewhere_is_accepted_only_where_the_policy_says_so(
    sign: Call, verify: Call, registries: Registries, signing_policy: Path, hallmark: Call, tmp_path: Path
) -> None:
    image = released(sign())
    mirror, found = f"{registries.releases.address}/mirror/{registries.name}", image.partition("@")[2]
    copy(registries, image, f"{mirror}:it")
    for kind in ("sig", "att"):
        tag = f"{found.replace(':', '-')}.{kind}"
        copy(registries, f"{registries.release}:{tag}", f"{mirror}:{tag}")
    called = verify(f"{mirror}@{found}")
    assert called.code == 1, called.output
    assert f"NO  signature: made for {registries.release}" in called.output
    assert "NO  attestation's repository" in called.output
    assert "signing.relocatedFrom" in hallmark("explain", reports=tmp_path / "report").output
    file = signing_policy / "policy.yaml"
    before, trusted = file.read_text(), policy_digest(signing_policy)
    allowed = f"relocatedFrom: ['{registries.release}'], trustedPolicies: ['{trusted}'], publicKeys"
    file.write_text(before.replace("publicKeys", allowed))
    called = verify(f"{mirror}@{found}")
    assert called.code == 0, called.output


def test_a_manifest_that_the_registry_gives_cut_short_is_never_accepted(
    sign: Call, verify: Call, registries: Registries
) -> None:
    image = released(sign())
    hexadecimal = image.partition("@sha256:")[2]
    (blob,) = registries.releases.directory.glob(f"**/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data")
    whole = blob.read_bytes()
    blob.write_bytes(whole[:-20])
    called = verify(image)
    assert called.code == 3, called.output
    blob.write_bytes(whole)
    assert verify(image).code == 0


def test_every_image_of_a_list_needs_its_signature_and_its_verdict(
    verify: Call, registries: Registries, signing_policy: Path
) -> None:
    names = ["amd64", "arm64"]
    whole, digests = registries.push_list(names)
    parts = {f"linux/{name}": one for name, one in digests.items()}
    judged = {"repository": registries.candidate, "digest": whole, "platforms": parts, "tested": "linux/amd64"}
    content = verdict_content(policy_digest(signing_policy), registries.candidate, whole, image=judged)
    missing = ["signature", "linux/amd64: signature", "linux/arm64: signature"]
    for one in (whole, *digests.values()):
        called = verify(f"{registries.release}@{whole}")
        assert called.code == 1, called.output
        assert f"NO  {missing.pop(0)}" in called.output
        registries.sign(f"{registries.release}@{one}")
        registries.attest(f"{registries.release}@{one}", content, predicate_type=PREDICATE_TYPE)
    called = verify(f"{registries.release}@{whole}")
    assert called.code == 1, called.output
    assert "NO  platforms: not tested on linux/arm64" in called.output
    file = signing_policy / "policy.yaml"
    trusting = file.read_text().replace("publicKeys", f"trustedPolicies: ['{content['policy']}'], publicKeys")
    file.write_text(f"{trusting}image: {{untestedPlatforms: [linux/arm64]}}\n")
    for one in (whole, *digests.values()):
        called = verify(f"{registries.release}@{one}")
        assert called.code == 0, called.output
    # What a verdict does not name is another image, however it was signed; so is a list of other parts.
    other = registries.push(registries.release, architecture="s390x")
    mixed = registries.push_index(registries.release, {"amd64": digests["amd64"], "s390x": other})
    for one in (mixed, other):
        registries.sign(f"{registries.release}@{one}")
        registries.attest(f"{registries.release}@{one}", content, predicate_type=PREDICATE_TYPE)
        called = verify(f"{registries.release}@{one}")
        assert called.code == 1, called.output
        assert f"NO  verdict's image: {whole}" in called.output


def test_after_a_rotation_the_old_key_is_refused_and_what_was_signed_anew_passes(
    sign: Call, verify: Call, registries: Registries, signing_policy: Path, signing_key: Path
) -> None:
    old = released(sign())
    shutil.copy(registries.other_key.public, signing_policy / "cosign.pub")
    (signing_key / "policies").write_text(policy_digest(signing_policy))
    assert sign(image_digest=old.partition("@")[2]).code == 1, "the old key signs nothing under the new policy"
    called = verify(old)
    assert called.code == 1, called.output
    assert "NO  signature" in called.output
    shutil.copy(registries.other_key.private, signing_key / "cosign.key")
    shutil.copy(registries.other_key.password, signing_key / "cosign.password")
    released(sign(image_digest=old.partition("@")[2]))
    called = verify(old)
    assert called.code == 0, called.output


@pytest.mark.parametrize(
    ("uri", "code", "said"),
    [
        ("k8s://hallmark/signing-key", 3, "may reach the key's service"),
        ("hashivault://release", 3, "may reach the key's service"),
        ("file:///etc/passwd", 2, "names no key that cosign knows"),
        ("awskms:///alias/a b", 2, "names no key that cosign knows"),
    ],
)
def test_a_key_that_is_kept_elsewhere_is_asked_for_there(
    sign: Call, signing_key: Path, monkeypatch: pytest.MonkeyPatch, uri: str, code: int, said: str
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:9")
    monkeypatch.setenv("VAULT_TOKEN", "hunter2-hunter2")
    monkeypatch.setenv("KUBECONFIG", str(signing_key / "none"))
    (signing_key / "key-uri").write_text(f"{uri}\n")
    called = sign()
    assert called.code == 2
    assert "has cosign.key and key-uri" in called.output
    (signing_key / "cosign.key").unlink()
    called = sign()
    assert called.code == code, called.output
    assert said in called.output
    assert "hunter2" not in called.output
