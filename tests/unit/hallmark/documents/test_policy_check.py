"""`hallmark policy check`: what a policy asks, told to its owner."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hallmark import cli, model_keys
from hallmark.documents.policy import policy_digest

SAMPLES = Path(__file__).parents[4] / "samples"
KEY = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copied = tmp_path / "policy"
    shutil.copytree(SAMPLES / "iris/validators/policy", copied)
    (copied / "cosign.pub").write_text(KEY)
    return copied


def check(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """`hallmark policy check` in two words, as people write it."""
    code = cli.main(["policy", "check", f"--policy={folder}", f"--report={folder.parent / 'report'}"])
    return code, capsys.readouterr().out


@pytest.mark.parametrize("sample", ["iris", "census", "diabetes"])
def test_every_key_is_told_with_its_place_or_as_a_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sample: str
) -> None:
    folder = tmp_path / "policy"
    shutil.copytree(SAMPLES / sample / "validators/policy", folder)
    (folder / "cosign.pub").write_text(KEY)
    code, text = check(folder, capsys)
    assert code == 0, text
    assert f'metadata.name: "{sample}"  (policy.yaml:' in text
    assert "signing.validFor: 365  (default)\n    Days after which" in text
    assert policy_digest(folder) in text
    report = json.loads((tmp_path / "report/policy-check.json").read_text())
    keys = {key["name"]: key for key in report["figures"]["keys"]}
    assert keys["model.minimumRows"]["lower_levels"].startswith("as high")
    assert len(keys) > 60


def test_the_level_that_gave_a_value_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bank.yaml").write_text("apiVersion: hallmark.dev/v1alpha1\nkind: Policy\nsigning: {validFor: 90}\n")
    file = folder / "policy.yaml"
    file.write_text(f"extends: bank.yaml\n{file.read_text()}")
    code, text = check(folder, capsys)
    assert code == 0, text
    assert "signing.validFor: 90  (bank.yaml:3:11)" in text
    assert 'extends: "bank.yaml"  (policy.yaml:1:1)' in text


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("policy.yaml", "kind: Policy\n", "is missing"),
        ("policy.yaml", "a: [\n", "policy.yaml:2:1: this is not YAML"),
        ("cosign.pub", "no key", "cosign.pub"),
        ("training-suite.json", "{}", "training-suite.json"),
        ("accepted.yaml", "apiVersion: hallmark.dev/v1alpha1\nkind: Baseline\naccepted: 1\n", "accepted.yaml:3:1"),
    ],
)
def test_a_mistake_in_any_file_of_the_policy_is_bad_input(
    folder: Path, capsys: pytest.CaptureFixture[str], file: str, text: str, complaint: str
) -> None:
    policy = folder / "policy.yaml"
    if file == "accepted.yaml":
        policy.write_text(policy.read_text().replace("code:\n", "code:\n  baseline: accepted.yaml\n"))
        assert "baseline" in policy.read_text()
    (folder / file).write_text(text)
    code, said = check(folder, capsys)
    assert code == 2
    assert complaint in said


@pytest.mark.parametrize("file", ["cosign.pub", "training-suite.json", "policy.yaml"])
def test_a_missing_file_is_bad_input(folder: Path, capsys: pytest.CaptureFixture[str], file: str) -> None:
    (folder / file).unlink()
    code, said = check(folder, capsys)
    assert code == 2
    assert file in said


def test_a_key_that_models_are_signed_with_is_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "policy.yaml"
    file.write_text(file.read_text().replace("publicKeys: [cosign.pub]", "modelKeys: [model.pub]"))
    (folder / "model.pub").write_text(KEY.replace("AAAA", "BBBB"))
    code, text = check(folder, capsys)
    assert (code, "signing.modelKeys: model.pub is no public key that a model can be signed with" in text) == (2, True)
    (folder / "model.pub").write_text(model_keys.generate("correct horse battery staple")[1])
    code, text = check(folder, capsys)
    assert (code, "model keys: model.pub" in text) == (0, True), text


def test_one_key_under_two_names_is_bad_input(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    public = model_keys.generate("correct horse battery staple")[1]
    for name in ("cosign.pub", "other.pub"):
        (folder / name).write_text(public)
    (folder / "other.pub").write_text(f"\n{public}")
    file = folder / "policy.yaml"
    rules = file.read_text()
    for keys in ("publicKeys: [cosign.pub, other.pub]", "publicKeys: [cosign.pub]\n  modelKeys: [other.pub]"):
        file.write_text(rules.replace("publicKeys: [cosign.pub]", keys))
        code, text = check(folder, capsys)
        assert (code, "cosign.pub and other.pub beside the policy are the same key" in text) == (2, True), text


def test_a_private_key_beside_the_policy_is_bad_input(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "keys").mkdir()
    (folder / "keys" / "model.key").write_text(model_keys.generate("correct horse battery staple")[0])
    code, text = check(folder, capsys)
    assert (code, "keys/model.key is a private key" in text) == (2, True), text


def test_a_log_s_key_and_a_trusted_root_are_looked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "policy.yaml"
    known = "keyless: [{identity: ci@example.com, issuer: 'https://issuer.example.com'}]"
    log = "transparencyLog: {url: 'https://log.example.com'}"
    rules = "\n  ".join(["publicKeys: []", known, "format: bundle", "trustedRoot: root.json", log])
    file.write_text(file.read_text().replace("publicKeys: [cosign.pub]", rules))
    for name, content in (("root.json", "{}"), ("rekor.pub", KEY)):
        code, text = check(folder, capsys)
        assert (code, f"the policy names {name}" in text) == (2, True), text
        (folder / name).write_text(content)
    code, text = check(folder, capsys)
    assert code == 0, text
    assert "identities: ci@example.com of https://issuer.example.com" in text
    assert "transparency log: https://log.example.com" in text


def test_a_command_of_two_words_needs_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["policy"]) == 2
    assert "give one of policy-" in capsys.readouterr().err
    assert cli.main(["policy", "chek"]) == 2
