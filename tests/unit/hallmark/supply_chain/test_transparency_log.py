"""signing.transparencyLog: what keys have signed has to be in a log, which a real Rekor keeps here."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jsonschema
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hallmark.documents.policy import policy_digest
from hallmark.errors import BadInputError
from hallmark.tools.cosign import Cosign, Log, PrivateKey, Signer, key_bytes, trusted_root
from services import admission
from services.processes import free_port
from services.rekor import Rekor, rekor

from .supply_chain_helpers import Called
from .supply_chain_images import LABELS, Registries

Call = Callable[..., Called]


def another_key() -> str:
    """A public key of nobody's log (PEM)."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rekor]:
    with rekor(tmp_path_factory.mktemp("rekor")) as found:
        yield found


@pytest.fixture
def asked(signing_policy: Path, signing_key: Path) -> Callable[..., None]:
    """Has the policy ask for a log, and its key's owner accept that."""

    def ask(url: str, key: str, written: str = "legacy", *, after: Sequence[str] = ()) -> None:
        file = signing_policy / "policy.yaml"
        document = yaml.safe_load(file.read_text())
        document["signing"] |= {"transparencyLog": {"url": url}, "format": written, "trustedPolicies": [*after]}
        file.write_text(yaml.safe_dump(document))
        (signing_policy / "rekor.pub").write_text(key)
        (signing_key / "policies").write_text(policy_digest(signing_policy))

    return ask


@pytest.mark.parametrize(("version", "written"), [("2.6", "legacy"), ("2.6", "both"), ("3.1", "both")])
def test_what_is_signed_is_in_the_log_and_what_is_in_no_log_is_refused(
    version: str,
    written: str,
    log: Rekor,
    asked: Callable[..., None],
    sign: Call,
    verify: Call,
    registries: Registries,
    signing_policy: Path,
    signing_key: Path,
    use_cosign: Callable[[str], None],
) -> None:
    use_cosign(version)
    silent = (signing_policy / "policy.yaml").read_text()
    asked(log.url, log.public_key(), written)
    before = log.entries()
    called = sign()
    assert called.code == 0, called.output
    image = called.result("release-image-ref")
    assert log.entries() == before + 4 * (2 if written == "both" else 1)
    assert verify(image=image).code == 0

    # The log need not be there any more.
    asked(f"http://127.0.0.1:{free_port()}", log.public_key(), written, after=[policy_digest(signing_policy)])
    verified = verify(image=image)
    assert verified.code == 0, verified.output

    # The same signatures, and another log's key.
    (signing_policy / "rekor.pub").write_text(another_key())
    refused = verify(image=image)
    assert (refused.code, "must not be deployed: signature" in refused.output) == (1, True), refused.output

    # Signed by the same key, and told to no log.
    (signing_policy / "policy.yaml").write_text(f"{silent.rstrip()}\n")
    (signing_key / "policies").write_text(policy_digest(signing_policy))
    unlogged = sign(labels={**LABELS, "number": "2"})
    assert unlogged.code == 0, unlogged.output
    asked(log.url, log.public_key(), "legacy")
    refused = verify(image=unlogged.result("release-image-ref"))
    assert (refused.code, "must not be deployed: signature" in refused.output) == (1, True), refused.output


def test_a_log_that_does_not_answer_is_an_error_of_the_platform(
    asked: Callable[..., None], sign: Call, verify: Call
) -> None:
    asked(f"http://127.0.0.1:{free_port()}", another_key())
    called = sign()
    assert (called.code, "signing.transparencyLog.url" in called.output) == (3, True), called.output
    assert called.result("release-digest") is None


@pytest.mark.parametrize("text", [None, "no key\n"])
def test_a_log_without_a_public_key_beside_the_policy_is_an_error(
    text: str | None, asked: Callable[..., None], sign: Call, signing_policy: Path, signing_key: Path
) -> None:
    asked("https://rekor.example.com", text or "")
    if text is None:
        (signing_policy / "rekor.pub").unlink()
        (signing_key / "policies").write_text(policy_digest(signing_policy))
    called = sign()
    assert called.code == 2
    assert "GET https://rekor.example.com/api/v1/log/publicKey" in called.output


@pytest.mark.parametrize("version", [(2, 6), (3, 1)])
def test_with_a_log_no_flag_ignores_it(version: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "rekor.pub").write_text(another_key())
    log = Log(url="https://rekor.example.com", public_key=tmp_path / "rekor.pub")
    tool = Cosign(authfile=tmp_path / "config.json", tls_verify=True, version=version, log=log)
    for kept in ("legacy", "bundle"):
        asking = tool._verify(Signer(public_key=tmp_path / "cosign.pub"), kept)
        assert not [flag for flag in asking if "ignore-tlog" in flag]
        assert (f"--trusted-root={tmp_path / 'trusted_root.json'}" in asking) == (kept == "bundle")
        writing = tool._write(PrivateKey(reference="cosign.key"), kept)
        assert {"--tlog-upload=true", "--rekor-url=https://rekor.example.com"} <= set(writing)
    silent = Cosign(authfile=tmp_path / "config.json", tls_verify=True, version=version)
    assert "--tlog-upload=false" in silent._write(PrivateKey(reference="cosign.key"), "legacy")


def test_a_trusted_root_holds_the_log_s_key_and_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "rekor.pub"
    file.write_text(another_key())
    root = json.loads(trusted_root(Log(url="https://rekor.example.com", public_key=file)))
    (entry,) = root["tlogs"]
    assert base64.b64decode(entry["publicKey"]["rawBytes"]) == key_bytes(file.read_text())
    assert set(root) == {"mediaType", "tlogs"}
    assert json.loads(trusted_root(None))["tlogs"] == []
    file.write_text("no key")
    with pytest.raises(BadInputError, match=r"rekor\.pub holds no public key"):
        trusted_root(Log(url="https://rekor.example.com", public_key=file))


def test_admission_is_told_of_the_log(
    hallmark: Call, registries: Registries, signing_policy: Path, asked: Callable[..., None], tmp_path: Path
) -> None:
    asked("https://rekor.example.com", another_key())
    key = (signing_policy / "rekor.pub").read_text()
    documents = {}
    for kind, image in (("kyverno", registries.release), ("clusterimagepolicy", "registry.example.com/iris")):
        flags = {"policy": signing_policy, "output": tmp_path / kind, "image": image}
        assert hallmark("policy-admission", kind=kind, **flags).code == 0
        documents[kind] = yaml.safe_load((tmp_path / kind / f"{kind}.yaml").read_text())
        schema = admission.crd_schema(kind, documents[kind]["apiVersion"].rpartition("/")[2])
        jsonschema.Draft202012Validator(schema).validate(documents[kind])
    (entry,) = documents["kyverno"]["spec"]["rules"][0]["verifyImages"][0]["attestors"][0]["entries"]
    assert entry["keys"]["rekor"] == {"url": "https://rekor.example.com", "pubkey": key}
    root = documents["clusterimagepolicy"]["spec"]["policy"]["rootOfTrust"]["publicKey"]
    assert base64.b64decode(root["rekorKeyData"]).decode() == key.strip()
