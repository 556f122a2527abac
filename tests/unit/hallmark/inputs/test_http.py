"""Against a real web server on the loopback."""

import errno
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from hallmark.errors import BadInputError, ToolFailedError
from hallmark.files import sha256_bytes
from hallmark.inputs import retries
from hallmark.inputs.checks import check_input
from hallmark.inputs.opening import open_input
from services.http import WebServer, content

from .desk import Desk

CSV = b"a,b\n1,2\n3,4\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.01)


def broken_off(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(CSV)))
    request.end_headers()
    request.wfile.write(CSV[:7])


def redirect(target: str) -> Callable[[BaseHTTPRequestHandler], None]:
    return content(b"", 302, Location=target)


def secret(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_a_file_is_fetched_and_its_digest_is_that_of_what_is_read(web: WebServer, desk: Desk) -> None:
    web.answers["/data/d.csv"] = [content(CSV)]
    assert desk.read(web.url("/data/d.csv")).rows() == [(1, 2), (3, 4)]
    assert desk.digest(web.url("/data/d.csv")) == sha256_bytes(CSV)


@pytest.mark.parametrize("first", [content(b"", 429, Retry_After="0"), content(b"", 503), broken_off])
def test_what_may_pass_is_tried_again(first, web: WebServer, desk: Desk) -> None:
    web.answers["/d.csv"] = [first, first, content(CSV)]
    # Half a file that is fetched again counts once.
    assert desk.read(web.url("/d.csv"), maximumBytes=len(CSV)).height == 2
    assert len(web.asked) == 3


@pytest.mark.parametrize(("answer", "said"), [(content(b"", 500), "status 500"), (broken_off, "the answer broke off")])
def test_what_does_not_pass_ends_as_a_tools_failure(answer, said: str, web: WebServer, desk: Desk) -> None:
    web.answers["/d.csv"] = [answer]
    error = desk.refused(web.url("/d.csv"))
    assert isinstance(error, ToolFailedError)
    assert f"in {retries.ATTEMPTS} attempts, last: {said}" in error.message
    assert len(web.asked) == retries.ATTEMPTS


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "may not be read"), (403, "may not be read"), (404, "is missing"), (418, "answered 418")],
)
def test_a_plain_no_is_not_asked_again(status: int, message: str, web: WebServer, desk: Desk) -> None:
    web.answers["/d.csv"] = [content(b"", status)]
    error = desk.refused(web.url("/d.csv"))
    assert isinstance(error, BadInputError)
    assert message in error.message
    assert len(web.asked) == 1


def test_a_server_that_is_not_there_is_a_tools_failure(desk: Desk) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert taken.connect_ex(taken.getsockname()) in (0, errno.ECONNREFUSED)
        error = desk.refused(f"http://127.0.0.1:{taken.getsockname()[1]}/d.csv")
    assert isinstance(error, ToolFailedError)


def test_a_credential_goes_to_its_server_and_to_no_other(web: WebServer, desk: Desk, tmp_path: Path) -> None:
    basic = secret(tmp_path / "basic", {"username": "ada", "password": "pass word"})
    token = secret(tmp_path / "token", {"token": "abc\n"})
    web.answers["/d.csv"] = [content(CSV)]
    web.answers["/moved.csv"] = [redirect(f"http://localhost:{web.port}/d.csv")]
    desk.read(web.url("/d.csv"), basic)
    desk.read(web.url("/d.csv"), token)
    desk.read(web.url("/moved.csv"), token)
    assert [authorization for _, authorization in web.asked] == [
        "Basic YWRhOnBhc3Mgd29yZA==", "Bearer abc", "Bearer abc", "",
    ]  # fmt: skip


def test_a_credential_does_not_travel_in_the_clear(desk: Desk, tmp_path: Path) -> None:
    error = desk.refused("http://data.example.invalid/d.csv", secret(tmp_path / "c", {"token": "abc"}))
    assert "in the clear" in error.message
    assert "abc" not in error.message


def test_an_incomplete_credential_is_bad_input(web: WebServer, desk: Desk, tmp_path: Path) -> None:
    assert "has no password" in desk.refused(web.url("/d.csv"), secret(tmp_path / "c", {"username": "ada"})).message


def test_endless_redirects_are_bad_input(web: WebServer, desk: Desk) -> None:
    web.answers["/d.csv"] = [redirect("/d.csv")]
    assert "redirects more than 5 times" in desk.refused(web.url("/d.csv")).message
    assert len(web.asked) == 6


def test_an_answer_that_is_too_large_is_not_read_to_its_end(web: WebServer, desk: Desk) -> None:
    web.answers["/d.csv"] = [content(CSV * 1_000_000)]
    assert "larger than 1000000 bytes" in desk.refused(web.url("/d.csv"), maximumBytes=1_000_000).message


def test_an_answer_that_takes_too_long_is_given_up(web: WebServer, desk: Desk, monkeypatch) -> None:
    import time

    def trickle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100000000")
        request.end_headers()
        for _ in range(40):
            request.wfile.write(b"x" * (1 << 20))
            time.sleep(0.1)

    web.answers["/d.csv"] = [trickle]
    error = desk.refused(web.url("/d.csv"), timeout=1)
    assert "took longer than the rules' timeout" in error.message


def test_a_page_instead_of_the_data_is_bad_input(web: WebServer, desk: Desk) -> None:
    web.answers["/d.csv"] = [content(b"<!DOCTYPE html><title>Log in</title>")]
    assert "is an HTML page" in desk.refused(web.url("/d.csv")).message


def test_a_signature_in_an_address_stays_out_of_reports_and_errors(web: WebServer, desk: Desk) -> None:
    web.answers["/d.csv?signature=abc"] = [content(CSV)]
    with open_input(web.url("/d.csv?signature=abc"), base=desk.base, what="the data", scratch=desk.scratch) as opened:
        assert opened.location == web.url("/d.csv")
        assert "abc" not in str(check_input(opened, None))
    assert "abc" not in str(desk.refused(web.url("/e.csv?signature=abc")))


def test_another_digest_is_refused(web: WebServer, desk: Desk) -> None:
    web.answers["/d.csv"] = [content(CSV)]
    assert "another one" in desk.refused(web.url("/d.csv"), sha256=sha256_bytes(b"")).message
