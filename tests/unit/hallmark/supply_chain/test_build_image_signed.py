"""build-image where the policy asks for the model's signature: real keys, bundles, registries and Buildah."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hallmark import model_keys, model_signature, signed_model
from hallmark.documents.policy import load_policy
from hallmark.errors import BadInputError
from hallmark.files import sha256_bytes
from hallmark.signed_model import SignedModel

from .supply_chain_images import Registries
from .test_build_image import Build, base, build, files, source
from .test_served_image import layers, served
from .test_sign_model import SECRET, model_key, trained

__all__ = ["base", "build", "model_key", "served", "source"]


@dataclass(frozen=True)
class Signed:
    """A run's folders: a model that is signed, and a policy that asks for it."""

    model: Path
    signature: Path
    policy: Path
    key: Path

    def sign(self, folder: Path | None = None, key: Path | None = None) -> None:
        files = model_signature.read_folder(folder or self.model)
        text = model_signature.sign(files, "iris", (key or self.key) / "model.key", SECRET)
        (self.signature / "model.sig").write_bytes(text)


@pytest.fixture
def signed(model_key: Path, policy: Path, tmp_path: Path) -> Signed:
    (policy / "keys").mkdir()
    shutil.copy(model_key / "model.pub", policy / "keys" / "model.pub")
    with (policy / "policy.yaml").open("a") as file:
        file.write("signing: {modelKeys: [keys/model.pub]}\n")
    (tmp_path / "signature").mkdir()
    found = Signed(trained(tmp_path / "model"), tmp_path / "signature", policy, model_key)
    found.sign()
    return found


def test_a_signature_that_holds_is_baked_beside_the_model_in_a_layer_of_its_own(
    build: Build, signed: Signed, served: Path, registries: Registries, tmp_path: Path
) -> None:
    called = build(signature=signed.signature)
    assert called.code == 0, called.output
    added = files(registries, called, tmp_path / "layout")
    for name, folder in {"model.sig": signed.signature, "training.json": signed.model}.items():
        assert added[f"app/model/{name}"] == (0o644, 0, 0, (folder / name).read_bytes())
    report = json.loads((tmp_path / "report" / "build-image.json").read_text())
    (check,) = [check for check in report["checks"] if check["name"] == "model signature"]
    assert check["passed"]
    assert check["value"] == "by keys/model.pub, of model.skops and training.json"

    # Another commit that trains the same model: the model's own layer is the same.
    trained(signed.model, source=f"sha256:{'7' * 64}")
    signed.sign()
    again = build(signature=signed.signature)
    before, after = layers(registries, called), layers(registries, again)
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


def test_a_containerfile_finds_the_signature_in_the_model_s_folder(
    build: Build, signed: Signed, source: Path, registries: Registries, tmp_path: Path
) -> None:
    called = build(signature=signed.signature)
    assert called.code == 0, called.output
    added = files(registries, called, tmp_path / "layout")
    assert added["app/model/model.sig"][3] == (signed.signature / "model.sig").read_bytes()
    assert "app/model/training.json" in added
    (source / "model").mkdir()
    (source / "model" / "model.sig").write_text("mine")
    called = build(signature=signed.signature)
    assert (called.code, "has a file model/model.sig" in called.output) == (2, True), called.output


def look(signed: Signed) -> SignedModel:
    """What build-image asks before anything is built; the model is the one that train handed over."""
    digest = sha256_bytes(b"a trained model\n")
    found = load_policy(signed.policy)
    return signed_model.look(found, signed.policy, signed.model, digest, "model.skops", signed.signature)


def other_model(signed: Signed) -> None:
    signed.sign(trained(signed.model.parent / "other", b"another model\n"))


def other_key(signed: Signed) -> None:
    folder = signed.model.parent / "other-key"
    folder.mkdir()
    (folder / "model.key").write_text(model_keys.generate(SECRET)[0])
    signed.sign(key=folder)


def cut(signed: Signed) -> None:
    file = signed.signature / "model.sig"
    file.write_bytes(file.read_bytes()[:-40])


def reworded(signed: Signed) -> None:
    """Another statement under the same signature."""
    file = signed.signature / "model.sig"
    bundle, envelope = json.loads(file.read_text()), "dsseEnvelope"
    signed.sign(trained(signed.model.parent / "other", b"another model\n"))
    bundle[envelope]["payload"] = json.loads(file.read_text())[envelope]["payload"]
    file.write_text(json.dumps(bundle))


def folder_with_more(signed: Signed) -> None:
    """Signed as it is, but no folder of a model that train leaves."""
    (signed.model / "more.py").write_text("")
    signed.sign()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda signed: (signed.signature / "model.sig").unlink(), "there is none"),
        (lambda signed: (signed.signature / "model.sig").write_bytes(bytes(2 << 20)), "larger than 1048576 bytes"),
        (other_key, "it is by another key"),
        (other_model, "has signed another folder: changed: model.skops, training.json"),
        (cut, "it is no signature of a model"),
        (reworded, "it was changed after it was signed"),
        (lambda signed: (signed.model / "model.skops").write_bytes(b"changed\n"), "changed: model.skops"),
        (lambda signed: (signed.model / "training.json").write_text("{}"), "changed: training.json"),
        (lambda signed: (signed.model / "more.py").write_text(""), "not signed: more.py"),
        (lambda signed: (signed.model / "training.json").unlink(), "missing: training.json"),
        (folder_with_more, "of another model"),
    ],
)
def test_a_folder_that_no_key_of_the_policy_has_signed_as_it_is_is_refused(
    signed: Signed, change: Callable[[Signed], None], said: str
) -> None:
    held = look(signed)
    assert held.check is not None
    assert held.check.passed
    change(signed)
    answer = look(signed)
    assert answer.check is not None
    assert (answer.check.passed, answer.beside) == (False, {})
    assert said in str(answer.check.value)


def test_a_run_that_signs_nothing_is_refused_before_anything_is_fetched_and_told_what_to_do(
    build: Build, signed: Signed, served: Path
) -> None:
    called = build(base_image=f"registry.invalid/base@sha256:{'1' * 64}")
    assert (called.code, called.result("digest")) == (1, None), called.output
    assert "the model's folder is not signed as the policy asks: there is none" in called.output
    assert 'sign-model="true"' in called.output


@pytest.mark.parametrize(
    "change",
    [
        lambda keys: (keys / "model.pub").unlink(),
        lambda keys: (keys / "model.pub").write_text("none"),
        lambda keys: (keys / "model.pub").write_bytes(b"\x80"),
    ],
)
def test_a_key_of_the_policy_that_is_none_is_bad_input(signed: Signed, change: Callable[[Path], None]) -> None:
    change(signed.policy / "keys")
    with pytest.raises(BadInputError, match=r"keys/model\.pub is no public key"):
        look(signed)


def test_any_key_that_the_policy_names_will_do(signed: Signed) -> None:
    (signed.policy / "earlier.pub").write_text(model_keys.generate(SECRET)[1])
    file = signed.policy / "policy.yaml"
    file.write_text(file.read_text().replace("modelKeys: [", "modelKeys: [earlier.pub, "))
    answer = look(signed)
    assert answer.check is not None
    assert answer.check.passed


def test_a_policy_without_model_keys_looks_at_no_signature_and_bakes_none(signed: Signed) -> None:
    file = signed.policy / "policy.yaml"
    file.write_text(file.read_text().replace("signing: {modelKeys: [keys/model.pub]}\n", ""))
    assert look(signed) == SignedModel()


def test_one_key_never_signs_both_models_and_releases(signed: Signed) -> None:
    file = signed.policy / "policy.yaml"
    file.write_text(file.read_text().replace("signing: {", "signing: {publicKeys: [keys/model.pub], "))
    with pytest.raises(BadInputError, match="is in publicKeys and modelKeys"):
        look(signed)
