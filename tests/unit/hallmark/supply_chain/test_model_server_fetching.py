"""The model server's fetching of its model: from real servers on this machine, honest and not."""

from __future__ import annotations

import hashlib
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from hallmark.serving import fetching
from hallmark.serving.errors import EndedError, StoreFailedError, UnusableModelError, WrongSettingsError
from hallmark.serving.fetching import Fetching
from hallmark.serving.kept import Wanted
from hallmark.serving.settings import Settings
from services.http import Answer, WebServer, content, web_server

DATA = bytes(range(256)) * 4096
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
WANTED = Wanted(digest=DIGEST, size=len(DATA), file="model.skops", name="iris", version="1.2.3")
PATH = f"/v2/iris/blobs/{DIGEST}"
TEMPLATE = "/v2/{name}/blobs/{digest}"
PIECE = bytes(1 << 20)
ENDLESS_PIECES, BUFFERED_PIECES = 256, 24
"""What stands for no end, and what two sockets may hold that nobody has read; both in MiB."""


def settings(url: str, **changes: Any) -> Settings:
    told = {"URL": url, "RETRIES": "3", **{name.upper(): str(value) for name, value in changes.items()}}
    return Settings.read({f"HALLMARK_MODEL_{name}": value for name, value in told.items()})


def fetch(url: str, **changes: Any) -> bytes:
    return Fetching(settings=settings(url, **changes)).model(WANTED)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_pause", lambda failures: 0.01)


@pytest.fixture
def store() -> Iterator[WebServer]:
    with web_server() as found:
        yield found


def some(count: int, *, parts: bool = True, ranges: list[str] | None = None) -> Answer:
    """Promise all that is asked for, send `count` bytes of it, and hang up."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range", "")
        if ranges is not None:
            ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and parts else 0
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        request.send_header("Content-Length", str(len(DATA) - start))
        request.end_headers()
        request.wfile.write(DATA[start : start + count])

    return answer


def redirect(target: str) -> Answer:
    return content(b"", 307, Location=target)


def without_end(status: int, sent: list[int], **headers: str) -> Answer:
    """An answer whose body goes on until nobody hears it, or until there was far more than anybody should hear."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        while len(sent) < ENDLESS_PIECES:
            request.wfile.write(PIECE)
            sent.append(len(PIECE))

    return answer


def test_the_model_is_fetched_by_its_digest(store: WebServer) -> None:
    store.answers[PATH] = [content(DATA)]
    assert fetch(store.url(TEMPLATE)) == DATA
    store.answers[f"/models/{DIGEST[7:]}/model.skops"] = [content(DATA)]
    assert fetch(store.url("/models/{sha256}/{file}")) == DATA


def test_a_proxy_is_asked_for_other_machines_only(store: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    store.answers[PATH] = [content(DATA)]
    with web_server() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        monkeypatch.delenv("no_proxy", raising=False)
        assert fetch(store.url(TEMPLATE)) == DATA
        proxy.answers[f"http://store.example{PATH}"] = [content(DATA)]
        assert fetch(f"http://store.example{TEMPLATE}", allow_http="true") == DATA


def test_a_broken_connection_is_taken_up_where_it_broke(store: WebServer) -> None:
    ranges: list[str] = []
    third = len(DATA) // 3
    store.answers[PATH] = [some(third, ranges=ranges), content(b"", 503), some(third, ranges=ranges), some(len(DATA))]
    assert fetch(store.url(TEMPLATE), retries=2) == DATA
    assert ranges == ["", f"bytes={third}-"]
    assert len(store.asked) == 4


def test_a_store_that_gives_no_parts_is_asked_for_all_of_it_again(store: WebServer) -> None:
    gone = content(b"", 416)
    store.answers[PATH] = [some(10), some(20, parts=False), gone, some(len(DATA), parts=False)]
    assert fetch(store.url(TEMPLATE)) == DATA


def test_attempts_without_progress_and_time_are_bounded(store: WebServer) -> None:
    store.answers[PATH] = [some(10, parts=False)]
    with pytest.raises(StoreFailedError, match="the connection broke after 10 of"):
        fetch(store.url(TEMPLATE))
    assert len(store.asked) == 4
    store.answers[PATH] = [content(b"", 429, Retry_After="30")]
    with pytest.raises(StoreFailedError, match="status 429"):
        fetch(store.url(TEMPLATE), timeout=1)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(StoreFailedError, match="Connection refused"):
        fetch(f"http://127.0.0.1:{port}/m")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (content(DATA[:-1] + b"!"), "has the digest sha256:"),
        (content(DATA[:-1]), "has 1048575 bytes to give, and the image's model 1048576"),
        (content(DATA + b"!"), "has 1048577 bytes to give"),
        (lambda request: [request.send_response(200), request.end_headers(), request.wfile.write(DATA + b"!")], "more"),
    ],
    ids=["changed", "short", "long", "without length"],
)
def test_another_file_is_refused_at_once(store: WebServer, answer: Answer, words: str) -> None:
    store.answers[PATH] = [answer]
    with pytest.raises(UnusableModelError, match=words):
        fetch(store.url(TEMPLATE))
    assert len(store.asked) == 1


def test_a_store_that_does_not_let_us_in_is_told_without_a_secret(store: WebServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    for status, words in ((401, "may not be read"), (403, "has expired"), (404, "gives no model .status 404")):
        store.answers[f"{PATH}?signature=abc"] = [content(b"no", status)]
        with pytest.raises(StoreFailedError, match=words) as caught:
            fetch(store.url(f"{TEMPLATE}?signature=abc"), token_file=token)
        assert "s3cret" not in str(caught.value)
        assert "abc" not in str(caught.value)
    assert {authorization for _, authorization in store.asked} == {"Bearer s3cret"}


def test_the_token_is_read_for_each_attempt_and_goes_nowhere_else(store: WebServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")

    def renewed(request: BaseHTTPRequestHandler) -> None:
        token.write_text("new")
        content(b"", 503)(request)

    with web_server() as other:
        other.answers["/kept"] = [content(DATA)]
        store.answers[PATH] = [renewed, redirect("/moved")]
        store.answers["/moved"] = [redirect(other.url("/kept"))]
        assert fetch(store.url(TEMPLATE), token_file=token) == DATA
    assert store.asked == [(PATH, "Bearer old"), (PATH, "Bearer new"), ("/moved", "Bearer new")]
    assert other.asked == [("/kept", "")]


@pytest.mark.parametrize(
    ("status", "target", "words"),
    [
        *((status, "/kept", "") for status in (301, 302, 303, 307, 308)),
        (307, "file:///etc/passwd", "status 307"),
        (307, PATH, "status 307"),
        (302, "", "leads to no address .status 302"),
        (403, "", "may not be read"),
        (404, "", "gives no model"),
    ],
)
def test_what_comes_with_an_address_or_an_error_is_not_read(
    store: WebServer, status: int, target: str, words: str
) -> None:
    sent: list[int] = []
    store.answers["/kept"] = [content(DATA)]
    store.answers[PATH] = [without_end(status, sent, **({"Location": target} if target else {}))]
    if words:
        with pytest.raises(StoreFailedError, match=words):
            fetch(store.url(TEMPLATE))
    else:
        assert fetch(store.url(TEMPLATE)) == DATA
    assert len(sent) < BUFFERED_PIECES * len(store.asked)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("file:///etc/passwd", "status 307"),
        ("http://store.example/model", "in the clear"),
        ("https://ada:pw@store.example/model", "holds a user or password"),
        ("/round", "status 307"),
        ("https://[x/", "leads to an address that is none"),
        ("https://a..b/", "is no address"),
        ("https://a%2e%2eb/", "is no address"),
    ],
)
def test_a_store_leads_nowhere_that_is_not_allowed(store: WebServer, target: str, words: str) -> None:
    store.answers["/round"] = store.answers[PATH] = [redirect(target)]
    with pytest.raises(StoreFailedError, match=words) as caught:
        fetch(store.url(TEMPLATE))
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "changes", "words"),
    [
        ("http://store.example/m", {}, "in the clear; use https, or set"),
        ("http://store.example/m", {"allow_http": "true", "token_file": "x"}, "send the credential to store.example"),
        ("https://ada:s3cret@store.example/m", {}, "holds a user or password"),
        ("ftp://store.example/m", {}, "begins with none of"),
        ("https:///m", {}, "begins with none of"),
        ("http://127.0.0.1:x/m", {}, "is no address"),
        ("https://a..b/m", {}, "is no address"),
        ("https://store.example/a b", {}, "characters that no address has"),
        ("https://store.example/{commit}", {}, "a placeholder that is none of {digest}, {sha256}"),
        ("file://host/m", {}, "no address of a file"),
        ("https://store.example/m", {"retries": "0"}, "RETRIES is no number"),
        ("https://store.example/m", {"timeout": "soon"}, "TIMEOUT is no number"),
        ("https://store.example/m", {"allow_http": "yes"}, "neither true nor false"),
        ("https://store.example/m", {"cache": ""}, "CACHE is empty"),
        ("https://store.example/m", {"keys": "x"}, "HALLMARK_MODEL_KEYS is unknown"),
        ("https://store.example/m", {"cache": "/nowhere"}, "is no folder"),
        ("https://store.example/m", {"token_file": "/nowhere"}, "TOKEN_FILE cannot be read: No such file"),
    ],
)
def test_what_the_deployment_tells_wrongly_is_said_before_anybody_is_asked(
    url: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(WrongSettingsError, match=words) as caught:
        fetch(url, **changes)
    assert "s3cret" not in str(caught.value)


def test_without_an_address_there_is_no_model_and_a_service_called_so_is_no_setting() -> None:
    links = {"HALLMARK_MODEL_SERVICE_HOST": "10.0.0.1", "HALLMARK_MODEL_PORT_80_TCP_ADDR": "10.0.0.1"}
    with pytest.raises(WrongSettingsError, match="HALLMARK_MODEL_URL does not tell"):
        Fetching(settings=Settings.read(links)).model(WANTED)


def test_an_address_that_is_a_secret_is_read_from_a_file(store: WebServer, tmp_path: Path) -> None:
    store.answers[f"{PATH}?signature=abc"] = [content(DATA)]
    (tmp_path / "url").write_text(store.url(f"{TEMPLATE}?signature=abc\n"))
    told = {"HALLMARK_MODEL_URL_FILE": str(tmp_path / "url")}
    assert Fetching(settings=Settings.read(told)).model(WANTED) == DATA
    with pytest.raises(WrongSettingsError, match="URL_FILE cannot be read"):
        Settings.read({"HALLMARK_MODEL_URL_FILE": str(tmp_path / "nowhere")})
    with pytest.raises(WrongSettingsError, match="are both set"):
        settings(store.url("/m"), url_file=tmp_path / "url")


def test_a_file_is_taken_only_if_it_is_the_model(tmp_path: Path) -> None:
    file = tmp_path / "a model.skops"
    url = f"file://{tmp_path}/a%20{{file}}"
    with pytest.raises(StoreFailedError, match="No such file"):
        fetch(url)
    file.write_bytes(DATA)
    assert fetch(url) == DATA
    for wrong, words in ((DATA + b"!", "more than"), (DATA[1:], "has 1048575 bytes"), (DATA[::-1], "has the digest")):
        file.write_bytes(wrong)
        with pytest.raises(UnusableModelError, match=words):
            fetch(url)
    subprocess.run(["mkfifo", tmp_path / "fifo"], check=True)
    with pytest.raises(StoreFailedError, match="is no file"):
        fetch(f"file://{tmp_path}/fifo")


def test_what_is_kept_in_the_cache_is_compared_anew_at_each_start(
    store: WebServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store.answers[PATH] = [content(DATA)]
    for _ in range(2):
        assert fetch(store.url(TEMPLATE), cache=tmp_path) == DATA
    assert len(store.asked) == 1
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(DATA[::-1])
    assert fetch(store.url(TEMPLATE), cache=tmp_path) == DATA
    assert "the cache is not used" in capfd.readouterr().err
    assert (len(store.asked), kept.read_bytes()) == (2, DATA)
    assert list(tmp_path.iterdir()) == [kept]


def test_a_cache_that_is_full_keeps_nobody_from_serving(
    store: WebServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A real file system without room: what was begun is gone, and the model is there."""
    store.answers[PATH] = [content(DATA)]
    script = (
        "mount -t tmpfs -o size=64k none $0 && $1 -c 'import sys; sys.path[:0] = sys.argv[1:2]\n"
        "import os; from pathlib import Path; from serving import kept\n"
        'kept.keep(b"x" * (1 << 20), Path(sys.argv[2]) / "kept"); print(os.listdir(sys.argv[2]))\' $2 $0'
    )
    folder = Path(fetching.__file__).parent.parent
    argv = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, tmp_path, sys.executable, folder]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
    assert "will be fetched again: No space left on device" in done.stderr


def test_being_told_to_end_ends_the_waiting_for_the_store(store: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_pause", lambda failures: 60.0)
    store.answers[PATH] = [content(b"", 503)]
    waiting = Fetching(settings=settings(store.url(TEMPLATE)))
    threading.Timer(0.1, waiting.stop.set).start()
    with pytest.raises(EndedError):
        waiting.model(WANTED)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of localhost, by itself, with its key."""
    file = tmp_path / "server.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run([*argv, "-keyout", file, "-out", tmp_path / "ca.pem"], check=True, capture_output=True, timeout=60)
    with file.open("a") as joined:
        joined.write((tmp_path / "ca.pem").read_text())
    return file


def test_a_store_is_believed_only_with_a_certificate_of_a_known_authority(
    store: WebServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server: Any = store.server
    server.socket = context.wrap_socket(server.socket, server_side=True)
    store.answers[PATH] = [content(DATA)]
    url = f"https://localhost:{store.port}{TEMPLATE}"
    with pytest.raises(StoreFailedError, match="self-signed certificate"):
        fetch(url)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.parent / "ca.pem"))
    assert fetch(url) == DATA
    with pytest.raises(StoreFailedError, match="is not trusted"):
        fetch(url.replace("localhost", "127.0.0.1"))
    store.answers["/down"] = [redirect("http://127.0.0.1:9/m")]
    with pytest.raises(StoreFailedError, match="from https to http"):
        fetch(f"https://localhost:{store.port}/down")
