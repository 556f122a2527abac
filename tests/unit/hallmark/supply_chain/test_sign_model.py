"""sign-model, with the key that `keys-generate` makes, and what its signature is worth; the library is the real one."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hallmark import model_keys, model_signature
from hallmark.files import sha256_file
from hallmark.model_signature import NotVerifiedError

from .supply_chain_helpers import Called

SECRET = "correct horse battery staple"  # noqa: S105
SOURCE = f"sha256:{'5' * 64}"
Hallmark = Callable[..., Called]


@pytest.fixture(scope="session")
def model_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a key as its Secret has it, and its public part."""
    folder = tmp_path_factory.mktemp("model-key")
    private, public = model_keys.generate(SECRET)
    for name, text in {"model.key": private, "model.pub": public, "model.password": f"{SECRET}\n"}.items():
        (folder / name).write_text(text)
    return folder


def trained(folder: Path, content: bytes = b"a trained model\n", *, source: str = SOURCE) -> Path:
    """A folder as train leaves it."""
    folder.mkdir(exist_ok=True)
    (folder / "model.skops").write_bytes(content)
    told = {"model": {"name": "iris", "digest": sha256_file(folder / "model.skops")}, "source": {"digest": source}}
    (folder / "training.json").write_text(json.dumps(told))
    return folder


def sign(hallmark: Hallmark, model: Path, key: Path, signature: Path, **flags: object) -> Called:
    given: dict[str, object] = {
        "model": model,
        "signing_key": key,
        "signature": signature,
        "source_digest": SOURCE,
        "model_digest": sha256_file(model / "model.skops"),
        "metadata_digest": sha256_file(model / "training.json"),
        **flags,
    }
    return hallmark("sign-model", results=("model-signature-digest",), **given)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return trained(tmp_path / "model")


def test_the_library_s_own_command_verifies_the_signature_and_notices_any_change(
    hallmark: Hallmark, model: Path, model_key: Path, tmp_path: Path
) -> None:
    called = sign(hallmark, model, model_key, tmp_path / "signature")
    assert called.code == 0, called.output
    file = tmp_path / "signature" / "model.sig"
    assert called.result("model-signature-digest") == sha256_file(file)
    assert SECRET not in called.output + file.read_text()

    argv = [sys.executable, "-m", "model_signing", "verify", "key", str(model), "--signature", str(file)]
    argv += ["--public_key", str(model_key / "model.pub")]
    assert subprocess.run(argv, capture_output=True).returncode == 0
    (model / "training.json").write_text("{}")
    assert subprocess.run(argv, capture_output=True).returncode == 1
    statement = json.loads(base64.b64decode(json.loads(file.read_text())["dsseEnvelope"]["payload"]))
    assert statement["subject"][0]["name"] == "iris"


def test_the_same_folder_has_the_same_signature_whatever_it_is_called_and_whoever_asks(
    hallmark: Hallmark, model: Path, model_key: Path, tmp_path: Path
) -> None:
    """In another process too: sets and maps are in another order there."""
    shutil.copytree(model, tmp_path / "elsewhere")
    assert sign(hallmark, model, model_key, tmp_path / "one").code == 0
    code = (
        "import sys; from pathlib import Path; from hallmark import model_signature as m; "
        "sys.stdout.buffer.write(m.sign(m.read_folder(Path(sys.argv[1])), 'iris', Path(sys.argv[2]), sys.argv[3]))"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "elsewhere"), str(model_key / "model.key"), SECRET]
    again = subprocess.run(argv, capture_output=True, check=True, env={"PYTHONHASHSEED": "7"})
    assert again.stdout == (tmp_path / "one" / "model.sig").read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda model: (model / "model.skops").write_bytes(b"another\n"), "the model was changed on the way"),
        (lambda model: (model / "training.json").write_text("{}"), "training.json was changed on the way"),
        (lambda model: (model / "more").write_text(""), "the model's folder holds model.skops, more, training.json"),
        (lambda model: (model / "training.json").unlink(), "the model's folder holds model.skops"),
        (lambda model: (model / "link").symlink_to("model.skops"), "the model's folder cannot be read"),
    ],
)
def test_a_folder_that_is_not_what_train_handed_over_is_not_signed(
    hallmark: Hallmark, model: Path, model_key: Path, tmp_path: Path, change: Callable[[Path], object], said: str
) -> None:
    digests = {name: sha256_file(model / name) for name in ("model.skops", "training.json")}
    change(model)
    called = hallmark(
        "sign-model",
        model=model,
        signing_key=model_key,
        signature=tmp_path / "signature",
        source_digest=SOURCE,
        model_digest=digests["model.skops"],
        metadata_digest=digests["training.json"],
    )
    assert (called.code, said in called.output) == (2, True), called.output
    assert not (tmp_path / "signature").exists()


def test_a_signature_in_the_folder_that_it_is_about_is_bad_input(
    hallmark: Hallmark, model: Path, model_key: Path
) -> None:
    called = sign(hallmark, model, model_key, model)
    assert (called.code, "which is signed as it is" in called.output) == (2, True), called.output
    assert sorted(file.name for file in model.iterdir()) == ["model.skops", "training.json"]


def test_metadata_about_another_source_is_not_signed(
    hallmark: Hallmark, model: Path, model_key: Path, tmp_path: Path
) -> None:
    called = sign(hallmark, model, model_key, tmp_path / "signature", source_digest=f"sha256:{'6' * 64}")
    assert (called.code, "the source of training.json" in called.output) == (2, True), called.output


def test_a_key_that_is_open_missing_of_another_kind_or_shut_signs_nothing(
    hallmark: Hallmark, model: Path, model_key: Path, tmp_path: Path
) -> None:
    def with_key(argv: list[str] | None, password: str | None) -> Called:
        folder = tmp_path / "key"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if argv is None:
            shutil.copy(model_key / "model.key", folder)
        elif argv:
            subprocess.run(["openssl", *argv, "-out", str(folder / "model.key")], check=True, capture_output=True)
        if password is not None:
            (folder / "model.password").write_text(password)
        return sign(hallmark, model, folder, tmp_path / "signature")

    curve = ["genpkey", "-algorithm", "EC", "-pkeyopt"]
    shut = ["-aes256", "-pass", f"pass:{SECRET}"]
    for argv, password, said in (
        (None, "another password, also long", "does not open"),
        (None, None, "lacks model.password"),
        (None, "", "lacks model.password"),
        ([], SECRET, "lacks model.key"),
        ([*curve, "ec_paramgen_curve:P-256"], SECRET, "is not encrypted"),
        ([*curve, "ec_paramgen_curve:secp256k1", *shut], SECRET, "is no key on secp256r1"),
        (["genpkey", "-algorithm", "ed25519", *shut], SECRET, "is no key on secp256r1"),
    ):
        called = with_key(argv, password)
        assert (called.code, said in called.output) == (2, True), called.output
        assert SECRET not in called.output
    called = sign(hallmark, model, model_key, tmp_path / "signature", signing_key="")
    assert (called.code, "--signing-key is empty" in called.output) == (2, True), called.output
    assert not (tmp_path / "signature").exists()


def test_keys_on_larger_curves_sign_as_well(hallmark: Hallmark, model: Path, tmp_path: Path) -> None:
    argv = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-aes256"]
    argv += ["-pass", f"pass:{SECRET}", "-out", str(tmp_path / "model.key")]
    subprocess.run(argv, check=True, capture_output=True)
    (tmp_path / "model.password").write_text(SECRET)
    (tmp_path / "model.pub").write_text(model_keys.public(tmp_path / "model.key", SECRET))
    assert sign(hallmark, model, tmp_path, tmp_path / "signature").code == 0
    signed = (tmp_path / "signature" / "model.sig").read_bytes()
    assert model_signature.verify(model, signed, {"large": tmp_path / "model.pub"}).key == "large"


@pytest.fixture(scope="session")
def signed(model_key: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    folder = trained(tmp_path_factory.mktemp("signed") / "model")
    files = model_signature.read_folder(folder)
    return folder, model_signature.sign(files, "iris", model_key / "model.key", SECRET)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_bundle_with_any_change_holds_only_for_the_very_same_files_or_not_at_all(
    signed: tuple[Path, bytes], model_key: Path, data: st.DataObject
) -> None:
    """Whatever the library makes of it: nothing but NotVerifiedError comes out, and no other file is ever signed."""
    folder, text = signed
    whole = json.loads(text)
    at = data.draw(st.integers(0, len(text) - 1))
    kind = data.draw(st.sampled_from(["byte", "cut", "payload", "value"]))
    if kind == "byte":
        text = text[:at] + bytes([data.draw(st.integers(0, 255))]) + text[at + 1 :]
    elif kind == "cut":
        text = text[:at]
    elif kind == "payload":
        payload = bytearray(base64.b64decode(whole["dsseEnvelope"]["payload"]))
        payload[at % len(payload)] ^= data.draw(st.integers(1, 255))
        whole["dsseEnvelope"]["payload"] = base64.b64encode(bytes(payload)).decode()
        text = json.dumps(whole).encode()
    else:
        part = data.draw(st.sampled_from([whole, *whole.values(), whole["dsseEnvelope"]["signatures"]]))
        if isinstance(part, str):
            return
        key = data.draw(st.sampled_from(list(part) if isinstance(part, dict) else [0]))
        part[key] = data.draw(st.sampled_from([None, 0, "", "x", [], {}, [None], {"sig": "eA=="}]))
        text = json.dumps(whole).encode()
    try:
        verified = model_signature.verify(folder, text, {"model.pub": model_key / "model.pub"})
    except NotVerifiedError:
        return
    assert verified.files == model_signature.read_folder(folder)
    assert kind != "payload"


def test_what_a_signature_asks_to_leave_out_is_not_left_out(
    signed: tuple[Path, bytes], model_key: Path, tmp_path: Path
) -> None:
    """The library itself would: its signatures may name paths to ignore."""
    from model_signing import hashing, signing

    folder = trained(tmp_path / "model")
    (folder / "ignored.py").write_text("import os\n")
    config = hashing.Config().use_file_serialization().set_ignored_paths(paths=["ignored.py"])
    signer = signing.Config().set_hashing_config(config)
    signer.use_elliptic_key_signer(private_key=model_key / "model.key", password=SECRET.encode())  # type: ignore[arg-type]
    signer.sign(folder, tmp_path / "model.sig")
    keys = {"model.pub": model_key / "model.pub"}
    with pytest.raises(NotVerifiedError, match=r"not signed: ignored\.py"):
        model_signature.verify(folder, (tmp_path / "model.sig").read_bytes(), keys)
    (folder / "ignored.py").unlink()
    assert model_signature.verify(folder, (tmp_path / "model.sig").read_bytes(), keys).key == "model.pub"
