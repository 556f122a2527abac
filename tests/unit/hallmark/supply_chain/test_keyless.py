"""signing.keyless: an identity signs, by a certificate of a real Fulcio, and a real Rekor keeps what it signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from hallmark.documents.policy import policy_digest
from hallmark.tools.cosign import Log
from services.fulcio import Fulcio, fulcio
from services.rekor import Rekor, rekor

from .supply_chain_helpers import Called
from .supply_chain_images import LABELS

Call = Callable[..., Called]
ROBOT, SOMEBODY = "robot@platform.example.com", "somebody@platform.example.com"


@dataclass(frozen=True)
class Sigstore:
    log: Rekor
    authority: Fulcio


@pytest.fixture(scope="module")
def sigstore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sigstore]:
    with rekor(tmp_path_factory.mktemp("rekor")) as log, fulcio(tmp_path_factory.mktemp("fulcio")) as authority:
        yield Sigstore(log, authority)


@pytest.fixture
def identity(sigstore: Sigstore, signing_policy: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Has the policy accept the robot alone; gives a signing key's folder with the token of whom it is asked for."""
    (signing_policy / "rekor.pub").write_text(sigstore.log.public_key())
    log = Log(url=sigstore.log.url, public_key=signing_policy / "rekor.pub")
    (signing_policy / "root.json").write_text(sigstore.authority.trusted_root(log))
    file = signing_policy / "policy.yaml"
    document = yaml.safe_load(file.read_text())
    document["signing"] |= {
        "publicKeys": [],
        "keyless": [{"identity": ROBOT, "issuer": sigstore.authority.identities.url}],
        "trustedRoot": "root.json",
        "format": "bundle",
        "transparencyLog": {"url": sigstore.log.url},
    }
    file.write_text(yaml.safe_dump(document))

    def folder(email: str) -> Path:
        found = tmp_path / f"signing-{email}"
        found.mkdir(exist_ok=True)
        (found / "policies").write_text(policy_digest(signing_policy))
        (found / "fulcio-url").write_text(f"{sigstore.authority.url}\n")
        (found / "identity-token").write_text(sigstore.authority.identities.token(email))
        return found

    return folder


@pytest.mark.parametrize("version", ["2.6", "3.1"])
def test_an_identity_that_the_policy_names_signs_without_a_key_and_any_other_is_refused(
    version: str,
    sigstore: Sigstore,
    identity: Callable[[str], Path],
    sign: Call,
    verify: Call,
    use_cosign: Callable[[str], None],
) -> None:
    use_cosign(version)
    before = sigstore.log.entries()
    called = sign(signing_key=identity(ROBOT))
    assert called.code == 0, called.output
    assert sigstore.log.entries() == before + 4
    image = called.result("release-image-ref")
    verified = verify(image=image)
    assert verified.code == 0, verified.output
    # What was signed and attested by this identity is not signed again.
    again = sign(signing_key=identity(ROBOT), image_digest=image.partition("@")[2])
    assert again.code == 0, again.output
    assert sigstore.log.entries() == before + 4

    somebody = sign(signing_key=identity(SOMEBODY), labels={**LABELS, "number": version})
    assert somebody.code == 0, somebody.output
    refused = verify(image=somebody.result("release-image-ref"))
    assert (refused.code, "must not be deployed: signature" in refused.output) == (1, True), refused.output


def test_an_identity_of_an_issuer_that_the_policy_does_not_name_signs_nothing(
    identity: Callable[[str], Path], sign: Call, signing_policy: Path
) -> None:
    file = signing_policy / "policy.yaml"
    document = yaml.safe_load(file.read_text())
    document["signing"]["keyless"][0]["issuer"] = "https://another.example.com"
    file.write_text(yaml.safe_dump(document))
    called = sign(signing_key=identity(ROBOT))
    assert called.code == 1, called.output
    assert "identity accepted by the policy" in called.output
    assert called.result("release-digest") is None


@pytest.mark.parametrize("text", ["", "one.two", "one.e30.three"])
def test_what_is_no_token_is_an_error(text: str, identity: Callable[[str], Path], sign: Call) -> None:
    folder = identity(ROBOT)
    (folder / "identity-token").write_text(text)
    called = sign(signing_key=folder)
    assert called.code == 2
    assert "is no identity token" in called.output


def test_an_address_of_fulcio_that_is_no_text_is_an_error(identity: Callable[[str], Path], sign: Call) -> None:
    folder = identity(ROBOT)
    (folder / "fulcio-url").write_bytes(b"https://\xff")
    called = sign(signing_key=folder)
    assert called.code == 2, called.output
    assert "fulcio-url in the signing key's folder cannot be read as UTF-8" in called.output


def test_a_token_that_fulcio_does_not_believe_is_an_error_that_does_not_repeat_it(
    sigstore: Sigstore, identity: Callable[[str], Path], sign: Call
) -> None:
    folder = identity(ROBOT)
    token = (folder / "identity-token").read_text()
    (folder / "identity-token").write_text(f"{token[:-8]}AAAAAAAA")
    called = sign(signing_key=folder)
    assert (called.code, "is of an issuer and for an audience that it knows" in called.output) == (3, True)
    assert token.split(".")[2][:40] not in called.output


def test_an_identity_without_a_log_in_the_policy_is_an_error(
    identity: Callable[[str], Path], sign: Call, signing_policy: Path
) -> None:
    file = signing_policy / "policy.yaml"
    document = yaml.safe_load(file.read_text())
    del document["signing"]["transparencyLog"]
    file.write_text(yaml.safe_dump(document))
    called = sign(signing_key=identity(ROBOT))
    assert called.code == 2
    assert "signing.transparencyLog" in called.output
