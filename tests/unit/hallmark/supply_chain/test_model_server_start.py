"""The model server's start, as a process: with a model that it fetches, and with a signature that it has to verify."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from model_signing import signing

from hallmark import model_keys, model_signature
from hallmark.serving.errors import CannotServeError
from hallmark.serving.signature import require_signed
from services.http import WebServer, content, web_server

from .test_model_server import V1, call, code, described, listens, started, sums, until, wait_until_ready

__all__ = ["code", "sums"]
PASSWORD = "of the tests"  # noqa: S105


@pytest.fixture
def store() -> Iterator[WebServer]:
    with web_server() as found:
        yield found


def image_without_model(tmp_path: Path, model: Path) -> Path:
    folder = tmp_path / "image" / "model"
    folder.mkdir(parents=True)
    told = json.loads((model / "serving.json").read_text())
    (folder / "serving.json").write_text(json.dumps({**told, "kept": "fetched"}))
    return folder


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code, and the only line that it wrote."""
    _, said = process.communicate(timeout=60)
    assert said.count("\n") == 1, said
    return process.returncode, said.strip()


def test_a_fetched_model_is_served_once_it_is_there_and_until_then_the_server_lives_but_is_not_ready(
    code: Path, sums: Path, store: WebServer, tmp_path: Path
) -> None:
    go, data = threading.Event(), (sums / "model.onnx").read_bytes()

    def slowly(request: BaseHTTPRequestHandler) -> None:
        go.wait(30)
        content(data)(request)

    store.answers["/m"] = [slowly]
    process, port = started(code, image_without_model(tmp_path, sums), URL=store.url("/m"))
    until(lambda: bool(store.asked), "the server to ask for its model")
    assert call(port, "GET", "/v2/health/live")[0] == 200
    assert call(port, "GET", "/v2/health/ready")[0] == 503
    assert call(port, "POST", V1, b'{"instances": [[5, 1]]}')[0] == 503
    go.set()
    wait_until_ready(process, port)
    assert call(port, "POST", V1, b'{"instances": [[5, 1]]}') == (200, {"predictions": [6.0]})
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_signal_ends_a_server_whose_store_says_nothing(
    code: Path, sums: Path, store: WebServer, tmp_path: Path
) -> None:
    go = threading.Event()

    def silent(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        go.wait(60)

    store.answers["/m"] = [silent]
    cache = tmp_path / "cache"
    cache.mkdir()
    process, _ = started(code, image_without_model(tmp_path, sums), URL=store.url("/m"), CACHE=cache)
    until(lambda: bool(store.asked), "the server to ask for its model")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (0, "ended in order")
    go.set()
    assert list(cache.iterdir()) == []


def test_a_server_that_does_not_get_its_model_says_why_in_one_line(
    code: Path, sums: Path, store: WebServer, tmp_path: Path
) -> None:
    data = (sums / "model.onnx").read_bytes()
    store.answers |= {"/changed": [content(data[::-1])], "/expired": [content(b"", 401)]}
    folder = image_without_model(tmp_path, sums)
    (tmp_path / "token").write_text("s3cret")
    ends = {
        (1, "has the digest sha256:"): started(code, folder, URL=store.url("/changed")),
        (3, "the credential is wrong, has expired"): started(
            code, folder, URL=store.url("/expired"), TOKEN_FILE=tmp_path / "token"
        ),
        (2, "HALLMARK_MODEL_URL does not tell where"): started(code, folder),
        (2, "HALLMARK_MODEL_KEYS is unknown"): started(code, sums, KEYS="x"),
        (2, "is not what the build of the image writes"): started(code, tmp_path),
        (3, "model.onnx: No such file"): started(code, described_without_file(tmp_path, sums)),
    }
    for (exit_code, words), (process, port) in ends.items():
        found, said = ended(process)
        assert (found, words in said, said.startswith("cannot serve: ")) == (exit_code, True, True), said
        assert not listens(port)
        assert "s3cret" not in said


def test_a_server_that_cannot_listen_or_is_told_no_number_says_so_in_one_line(
    code: Path, sums: Path, store: WebServer
) -> None:
    def told(**environment: str) -> subprocess.Popen[str]:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(code), "MODEL_FOLDER": str(sums), **environment}
        argv = [sys.executable, "-W", "error", "-m", "serving"]
        return subprocess.Popen(argv, env=env, cwd="/", stderr=subprocess.PIPE, text=True)

    ends = [
        (2, "PORT is no number from 1 to 65535", told(PORT="x")),
        (2, "PORT is no number from 1 to 65535", told(PORT="65536")),
        (2, "DRAIN_SECONDS is no number from 0 to 86400", told(DRAIN_SECONDS="x")),
        (2, "DRAIN_SECONDS is no number from 0 to 86400", told(DRAIN_SECONDS="nan")),
        (3, f"cannot listen on port {store.port}: Address already in use", told(PORT=str(store.port))),
    ]
    for exit_code, words, process in ends:
        assert ended(process) == (exit_code, f"cannot serve: {words}")


def test_a_store_that_sends_its_answer_byte_by_byte_does_not_hold_the_start_up(
    code: Path, sums: Path, store: WebServer, tmp_path: Path
) -> None:
    def trickling(request: BaseHTTPRequestHandler) -> None:
        while True:
            request.wfile.write(b"x")
            time.sleep(0.1)

    wants = content(b"", 401, WWW_Authenticate=f'Bearer realm="{store.url("/trickle")}"')
    store.answers |= {"/trickle": [trickling], "/m": [wants]}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {f"127.0.0.1:{store.port}": {"username": "ada", "password": "pw"}}}))
    folder = image_without_model(tmp_path, sums)
    for process, _ in (
        started(code, folder, URL=store.url("/trickle"), TIMEOUT=1),
        started(code, folder, URL=store.url("/m"), TIMEOUT=1, DOCKER_CONFIG=config),
    ):
        assert ended(process) == (
            3,
            "cannot serve: fetching the model took longer than 1 s (HALLMARK_MODEL_TIMEOUT)",
        )


def described_without_file(tmp_path: Path, model: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    shutil.copy(model / "serving.json", folder)
    return folder


def make_key(folder: Path) -> Path:
    """A private key in `key.pem`; returns the public one's file."""
    folder.mkdir()
    private, public = model_keys.generate(PASSWORD)
    (folder / "key.pem").write_text(private)
    (folder / "key.pub").write_text(public)
    return folder / "key.pub"


def sign(folder: Path, key: Path, target: Path) -> None:
    """As the Task sign-model does."""
    files = model_signature.read_folder(folder)
    target.write_bytes(model_signature.sign(files, "iris", key.with_name("key.pem"), PASSWORD))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "key")


@pytest.fixture
def signed(tmp_path: Path, sums: Path, key: Path) -> Path:
    """The model's folder in an image, with the signature that was made before it came there."""
    trained, folder = tmp_path / "trained", tmp_path / "app" / "model"
    trained.mkdir()
    (trained / "model.onnx").write_bytes((sums / "model.onnx").read_bytes())
    (trained / "training.json").write_text("{}")
    folder.mkdir(parents=True)
    sign(trained, key, folder / "model.sig")
    (folder / "model.onnx").write_bytes((sums / "model.onnx").read_bytes())
    return described(folder, kind="onnx", task="regression")


def test_a_server_that_is_told_a_key_serves_only_what_that_key_has_signed(
    code: Path, sums: Path, signed: Path, key: Path, store: WebServer, tmp_path: Path
) -> None:
    store.answers["/m"] = [content((sums / "model.onnx").read_bytes())]
    fetched = image_without_model(tmp_path, sums)
    shutil.copy(signed / "model.sig", fetched)
    good = [started(code, signed, KEY=key), started(code, fetched, KEY=key, URL=store.url("/m"))]
    ends = {
        (1, "the image has no"): started(code, sums, KEY=key),
        (1, "is no signature of the key"): started(code, signed, KEY=make_key(tmp_path / "other")),
        (2, "holds no public key"): started(code, signed, KEY=tmp_path / "nowhere"),
        # Without what is installed beside the standard library.
        (2, "has no model-signing 1.1 (model_signing)"): started(code, signed, "-S", KEY=key),
        (2, "HALLMARK_MODEL_KEY is empty"): started(code, signed, KEY=""),
    }
    for (exit_code, words), (process, _) in ends.items():
        found, said = ended(process)
        assert (found, words in said) == (exit_code, True), said
    for process, port in good:
        wait_until_ready(process, port)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_a_signature_that_is_not_of_this_model_is_refused(signed: Path, key: Path, tmp_path: Path) -> None:
    told = json.loads((signed / "serving.json").read_text())
    require_signed(signed, key, file="model.onnx", digest=told["digest"])
    bundle = (signed / "model.sig").read_text()
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.onnx").write_bytes(b"another")

    def complaint(file: str = "model.onnx", digest: str = told["digest"], key: Path = key) -> str:
        with pytest.raises(CannotServeError) as caught:
            require_signed(signed, key, file=file, digest=digest)
        return f"{caught.value.exit_code} {caught.value}"

    assert "1 " in complaint(digest=f"sha256:{'0' * 64}")
    assert "says nothing about model.skops" in complaint(file="model.skops")
    shutil.copy(key, signed / "key.pub")
    assert "which comes with the model" in complaint(key=signed / "key.pub")
    rsa = tmp_path / "rsa.pub"
    rsa.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    assert "holds no public key" in complaint(key=rsa)
    # By the library's own hand.
    signer = signing.Config().use_elliptic_key_signer(private_key=key.with_name("key.pem"), password=PASSWORD.encode())
    signer.sign(other, signed / "model.sig")
    assert "is of a model.onnx with the digest sha256:" in complaint()
    payload = json.loads(bundle)["dsseEnvelope"]["payload"]
    forged = payload[:-8] + ("A" if payload[-8] != "A" else "B") + payload[-7:]
    for broken in ("", "{}", bundle[:-40], bundle.replace(payload, forged), "x" * (2 << 20)):
        (signed / "model.sig").write_text(broken)
        assert complaint().startswith("1 ")
    (signed / "model.sig").unlink()
    assert "the image has no" in complaint()
